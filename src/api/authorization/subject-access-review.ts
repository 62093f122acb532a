import { kind } from '../define.ts';
import type { SubjectAccessReview } from './v1.gen.ts';

export const subjectAccessReviews = kind<SubjectAccessReview>({
  facts: 'authorization.k8s.io/v1 SubjectAccessReview',
});
