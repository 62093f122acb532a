import { type FieldError, field } from '../../machinery/status.ts';
import { notNegative } from '../checks.ts';
import { kind } from '../define.ts';
import { behaviorErrors, defaultBehavior } from './behavior.ts';
import { metricsErrors, metricsText, referenceErrors } from './metrics.ts';
import type { HorizontalPodAutoscaler } from './v2.gen.ts';

const SPEC = field('spec');

function replicasErrors({ spec: { minReplicas, maxReplicas } }: HorizontalPodAutoscaler): FieldError[] {
  const errors: FieldError[] = [];
  if (minReplicas !== undefined && minReplicas < 1)
    errors.push(SPEC.child('minReplicas').invalid(minReplicas, 'must be greater than or equal to 1'));
  const at = SPEC.child('maxReplicas');
  if (!maxReplicas) errors.push(at.required('must be set and greater than 0'));
  else if (maxReplicas < 1) errors.push(at.invalid(maxReplicas, 'must be greater than or equal to 1'));
  else if (minReplicas !== undefined && maxReplicas < minReplicas)
    errors.push(at.invalid(maxReplicas, 'must be greater than or equal to `minReplicas`'));
  return errors;
}

export const horizontalPodAutoscalers = kind<HorizontalPodAutoscaler>({
  facts: 'autoscaling/v2 HorizontalPodAutoscaler',
  nameFormat: 'subdomain',
  generation: false,
  defaults({ spec }) {
    spec.minReplicas ??= 1;
    if (!spec.metrics?.length)
      spec.metrics = [
        {
          type: 'Resource',
          resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } },
        },
      ];
    defaultBehavior(spec);
  },
  prepareCreate(autoscaler) {
    autoscaler.status = { currentReplicas: 0, desiredReplicas: 0 } as HorizontalPodAutoscaler['status'];
  },
  validate: (autoscaler) => [
    ...replicasErrors(autoscaler),
    ...referenceErrors(autoscaler.spec.scaleTargetRef, SPEC.child('scaleTargetRef')),
    ...metricsErrors(autoscaler.spec.metrics, autoscaler.spec.minReplicas),
    ...behaviorErrors(autoscaler.spec),
  ],
  validateStatus: ({ status }) => [
    ...notNegative(status?.currentReplicas, field('status', 'currentReplicas')),
    ...notNegative(status?.desiredReplicas, field('status', 'desiredReplicas')),
  ],
  columns: {
    Reference: ({ spec }) => `${spec.scaleTargetRef.kind}/${spec.scaleTargetRef.name}`,
    Targets: ({ spec, status }) => metricsText(spec.metrics, status?.currentMetrics),
    MinPods: ({ spec }) => String(spec.minReplicas ?? '<unset>'),
    MaxPods: ({ spec }) => spec.maxReplicas,
    Replicas: ({ status }) => status?.currentReplicas ?? 0,
  },
});
