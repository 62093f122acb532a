import { labelSelectorErrors } from '../../machinery/selectors.ts';
import { field } from '../../machinery/status.ts';
import { countOrPercent, notMoreThanHundred, notNegative, oneOf } from '../checks.ts';
import { kind } from '../define.ts';
import type { PodDisruptionBudget } from './v1.gen.ts';

const SPEC = field('spec');

export const podDisruptionBudgets = kind<PodDisruptionBudget>({
  facts: 'policy/v1 PodDisruptionBudget',
  defaults(budget) {
    budget.spec ??= {};
  },
  prepareCreate(budget) {
    budget.status = { currentHealthy: 0, desiredHealthy: 0, disruptionsAllowed: 0, expectedPods: 0 };
  },
  unconditionalUpdate: false,
  validate: ({ spec }) => [
    ...(spec.minAvailable !== undefined && spec.maxUnavailable !== undefined
      ? [SPEC.invalid(spec, 'minAvailable and maxUnavailable cannot be both set')]
      : []),
    ...(['minAvailable', 'maxUnavailable'] as const).flatMap((name) => [
      ...countOrPercent(spec[name], SPEC.child(name)),
      ...notMoreThanHundred(spec[name], SPEC.child(name)),
    ]),
    ...labelSelectorErrors(spec.selector, SPEC.child('selector')),
    ...oneOf(
      spec.unhealthyPodEvictionPolicy,
      ['AlwaysAllow', 'IfHealthyBudget'],
      SPEC.child('unhealthyPodEvictionPolicy'),
    ),
  ],
  validateStatus: ({ status }) =>
    (['disruptionsAllowed', 'currentHealthy', 'desiredHealthy', 'expectedPods'] as const).flatMap((name) =>
      notNegative(status?.[name], field('status', name)),
    ),
  columns: {
    'Min Available': ({ spec }) => String(spec.minAvailable ?? 'N/A'),
    'Max Unavailable': ({ spec }) => String(spec.maxUnavailable ?? 'N/A'),
    'Allowed Disruptions': ({ status }) => status?.disruptionsAllowed ?? 0,
  },
});
