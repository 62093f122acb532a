import { kind } from '../define.ts';
import type { Namespace } from './v1.gen.ts';

export const namespaces = kind<Namespace>({
  facts: 'v1 Namespace',
});
