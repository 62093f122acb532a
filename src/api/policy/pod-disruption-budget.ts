import { kind } from '../define.ts';
import type { PodDisruptionBudget } from './v1.gen.ts';

export const podDisruptionBudgets = kind<PodDisruptionBudget>({
  facts: 'policy/v1 PodDisruptionBudget',
});
