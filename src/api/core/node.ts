import { kind } from '../define.ts';
import type { Node } from './v1.gen.ts';

export const nodes = kind<Node>({
  facts: 'v1 Node',
});
