import { kind } from '../define.ts';
import type { RuntimeClass } from './v1.gen.ts';

export const runtimeClasses = kind<RuntimeClass>({
  facts: 'node.k8s.io/v1 RuntimeClass',
});
