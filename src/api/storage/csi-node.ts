import { kind } from '../define.ts';
import type { CSINode } from './v1.gen.ts';

export const csiNodes = kind<CSINode>({
  facts: 'storage.k8s.io/v1 CSINode',
});
