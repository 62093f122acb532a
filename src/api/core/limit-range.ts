import { kind } from '../define.ts';
import type { LimitRange } from './v1.gen.ts';

export const limitRanges = kind<LimitRange>({
  facts: 'v1 LimitRange',
});
