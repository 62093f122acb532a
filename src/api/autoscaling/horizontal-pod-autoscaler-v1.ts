import { kind } from '../define.ts';
import type { HorizontalPodAutoscaler } from './v1.gen.ts';

export const horizontalPodAutoscalersV1 = kind<HorizontalPodAutoscaler>({
  facts: 'autoscaling/v1 HorizontalPodAutoscaler',
});
