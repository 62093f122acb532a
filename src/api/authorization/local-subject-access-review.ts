import { kind } from '../define.ts';
import type { LocalSubjectAccessReview } from './v1.gen.ts';

export const localSubjectAccessReviews = kind<LocalSubjectAccessReview>({
  facts: 'authorization.k8s.io/v1 LocalSubjectAccessReview',
});
