import { kind } from '../define.ts';
import type { PriorityClass } from './v1.gen.ts';

export const priorityClasses = kind<PriorityClass>({
  facts: 'scheduling.k8s.io/v1 PriorityClass',
});
