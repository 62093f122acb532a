import { kind } from '../define.ts';
import type { SelfSubjectRulesReview } from './v1.gen.ts';

export const selfSubjectRulesReviews = kind<SelfSubjectRulesReview>({
  facts: 'authorization.k8s.io/v1 SelfSubjectRulesReview',
});
