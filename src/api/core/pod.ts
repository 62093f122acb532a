import { kind } from '../define.ts';
import type { Pod } from './v1.gen.ts';

export const pods = kind<Pod>({
  facts: 'v1 Pod',
});
