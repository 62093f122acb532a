import { labelSelectorToString } from '../../machinery/selectors.ts';
import { notNegative } from '../checks.ts';
import { kind } from '../define.ts';
import { containersColumns, selectorText } from '../workload-columns.ts';
import type { ReplicaSet, ReplicaSetSpec } from './v1.gen.ts';
import { defaultTemplate, replicaCountErrors, SPEC, selectorErrors, templateErrors } from './workload.ts';

export const replicaSets = kind<ReplicaSet>({
  facts: 'apps/v1 ReplicaSet',
  defaults(replicaSet) {
    replicaSet.spec ??= {} as ReplicaSetSpec;
    replicaSet.spec.template = defaultTemplate(replicaSet.spec.template);
    replicaSet.spec.replicas ??= 1;
  },
  prepareCreate(replicaSet) {
    replicaSet.status = { replicas: 0 };
  },
  validate: ({ spec }) => [
    ...notNegative(spec.replicas, SPEC.child('replicas')),
    ...notNegative(spec.minReadySeconds, SPEC.child('minReadySeconds')),
    // Upstream says "deployment" here too.
    ...selectorErrors(spec.selector, spec.template, 'deployment'),
    ...templateErrors(spec.template, 'ReplicaSet'),
  ],
  validateStatus: ({ status }) =>
    replicaCountErrors(status, ['fullyLabeledReplicas', 'readyReplicas', 'availableReplicas']),
  immutable: ['spec.selector'],
  generation: 'spec',
  fieldSelectors: { 'status.replicas': ({ status }) => String(status?.replicas ?? 0) },
  scale: {
    specReplicas: 'spec.replicas',
    statusReplicas: 'status.replicas',
    selector: (replicaSet) => labelSelectorToString((replicaSet as ReplicaSet).spec.selector),
  },
  columns: {
    Desired: ({ spec }) => spec.replicas ?? 0,
    Current: ({ status }) => status?.replicas ?? 0,
    Ready: ({ status }) => status?.readyReplicas ?? 0,
    ...containersColumns<ReplicaSet>(({ spec }) => spec.template?.spec),
    Selector: ({ spec }) => selectorText(spec.selector),
  },
});
