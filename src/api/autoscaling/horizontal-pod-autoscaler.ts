import { kind } from '../define.ts';
import type { HorizontalPodAutoscaler } from './v2.gen.ts';

export const horizontalPodAutoscalers = kind<HorizontalPodAutoscaler>({
  facts: 'autoscaling/v2 HorizontalPodAutoscaler',
});
