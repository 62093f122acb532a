import { kind } from '../define.ts';
import type { SelfSubjectAccessReview } from './v1.gen.ts';

export const selfSubjectAccessReviews = kind<SelfSubjectAccessReview>({
  facts: 'authorization.k8s.io/v1 SelfSubjectAccessReview',
});
