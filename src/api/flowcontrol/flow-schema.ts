import { kind } from '../define.ts';
import type { FlowSchema } from './v1.gen.ts';

export const flowSchemas = kind<FlowSchema>({
  facts: 'flowcontrol.apiserver.k8s.io/v1 FlowSchema',
});
