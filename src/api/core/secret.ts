import { kind } from '../define.ts';
import type { Secret } from './v1.gen.ts';

export const secrets = kind<Secret>({
  facts: 'v1 Secret',
});
