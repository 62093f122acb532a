import { kind } from '../define.ts';
import type { SelfSubjectReview } from './v1.gen.ts';

export const selfSubjectReviews = kind<SelfSubjectReview>({
  facts: 'authentication.k8s.io/v1 SelfSubjectReview',
});
