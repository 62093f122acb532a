import { kind } from '../define.ts';
import type { PriorityLevelConfiguration } from './v1.gen.ts';

export const priorityLevelConfigurations = kind<PriorityLevelConfiguration>({
  facts: 'flowcontrol.apiserver.k8s.io/v1 PriorityLevelConfiguration',
});
