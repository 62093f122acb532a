import { type FieldError, field } from '../../machinery/status.ts';
import { kind } from '../define.ts';
import { referenceErrors } from './metrics.ts';
import type { HorizontalPodAutoscaler } from './v1.gen.ts';

const SPEC = field('spec');

function specErrors({ spec }: HorizontalPodAutoscaler): FieldError[] {
  const { minReplicas, maxReplicas, targetCPUUtilizationPercentage: percent } = spec;
  return [
    ...(minReplicas !== undefined && minReplicas < 1
      ? [SPEC.child('minReplicas').invalid(minReplicas, 'must be greater than or equal to 1')]
      : []),
    ...(maxReplicas ? [] : [SPEC.child('maxReplicas').required('must be set and greater than 0')]),
    ...(minReplicas !== undefined && maxReplicas && maxReplicas < minReplicas
      ? [SPEC.child('maxReplicas').invalid(maxReplicas, 'must be greater than or equal to `minReplicas`')]
      : []),
    ...(percent !== undefined && percent < 1
      ? [SPEC.child('targetCPUUtilizationPercentage').invalid(percent, 'must be greater than 0')]
      : []),
    ...referenceErrors(spec.scaleTargetRef, SPEC.child('scaleTargetRef')),
  ];
}

/** The older form, which knows one metric: CPU. Stored as v2. */
export const horizontalPodAutoscalersV1 = kind<HorizontalPodAutoscaler>({
  facts: 'autoscaling/v1 HorizontalPodAutoscaler',
  generation: false,
  defaults({ spec }) {
    spec.minReplicas ??= 1;
    spec.targetCPUUtilizationPercentage ??= 80;
  },
  validate: specErrors,
  columns: {
    Reference: ({ spec }) => `${spec.scaleTargetRef.kind}/${spec.scaleTargetRef.name}`,
    Targets: ({ spec, status }) => {
      const now = status?.currentCPUUtilizationPercentage;
      return `cpu: ${now === undefined ? '<unknown>' : `${now}%`}/${spec.targetCPUUtilizationPercentage ?? 80}%`;
    },
    MinPods: ({ spec }) => String(spec.minReplicas ?? '<unset>'),
    MaxPods: ({ spec }) => spec.maxReplicas,
    Replicas: ({ status }) => status?.currentReplicas ?? 0,
  },
});
