import { kind } from '../define.ts';
import type { TokenReview } from './v1.gen.ts';

export const tokenReviews = kind<TokenReview>({
  facts: 'authentication.k8s.io/v1 TokenReview',
});
