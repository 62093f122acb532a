import { equal } from '../../machinery/meta.ts';
import { labelSelectorToString } from '../../machinery/selectors.ts';
import type { FieldError } from '../../machinery/status.ts';
import { countOrPercent, notMoreThanHundred, notNegative } from '../checks.ts';
import { kind } from '../define.ts';
import { containersColumns } from '../workload-columns.ts';
import type { Deployment, DeploymentSpec } from './v1.gen.ts';
import {
  amount,
  collisionErrors,
  countErrors,
  defaultTemplate,
  replicaCountErrors,
  SPEC,
  selectorErrors,
  templateErrors,
} from './workload.ts';

const strategies = ['Recreate', 'RollingUpdate'];

function strategyErrors({ strategy = {} }: DeploymentSpec): FieldError[] {
  const at = SPEC.child('strategy');
  const { type, rollingUpdate } = strategy;
  if (type === 'Recreate')
    return rollingUpdate
      ? [at.child('rollingUpdate').forbidden("may not be specified when strategy `type` is 'Recreate'")]
      : [];
  if (type !== 'RollingUpdate') return [at.notSupported(strategy, strategies)];
  const rolling = at.child('rollingUpdate');
  const { maxUnavailable, maxSurge } = rollingUpdate ?? {};
  const errors = [
    ...countOrPercent(maxUnavailable, rolling.child('maxUnavailable')),
    ...countOrPercent(maxSurge, rolling.child('maxSurge')),
  ];
  if (amount(maxUnavailable) === 0 && amount(maxSurge) === 0)
    errors.push(rolling.child('maxUnavailable').invalid(maxUnavailable, 'may not be 0 when `maxSurge` is 0'));
  return [...errors, ...notMoreThanHundred(maxUnavailable, rolling.child('maxUnavailable'))];
}

function deadlineErrors({
  progressDeadlineSeconds: deadline,
  minReadySeconds = 0,
}: DeploymentSpec): FieldError[] {
  const at = SPEC.child('progressDeadlineSeconds');
  const errors = notNegative(deadline, at);
  if (deadline !== undefined && deadline <= minReadySeconds)
    errors.push(at.invalid(deadline, 'must be greater than minReadySeconds'));
  return errors;
}

export const deployments = kind<Deployment>({
  facts: 'apps/v1 Deployment',
  defaults(deployment) {
    deployment.spec ??= {} as DeploymentSpec;
    const { spec } = deployment;
    spec.template = defaultTemplate(spec.template);
    spec.replicas ??= 1;
    spec.strategy ??= {};
    spec.strategy.type ||= 'RollingUpdate';
    if (spec.strategy.type === 'RollingUpdate') {
      spec.strategy.rollingUpdate ??= {};
      spec.strategy.rollingUpdate.maxUnavailable ??= '25%';
      spec.strategy.rollingUpdate.maxSurge ??= '25%';
    }
    spec.revisionHistoryLimit ??= 10;
    spec.progressDeadlineSeconds ??= 600;
  },
  prepareCreate(deployment) {
    deployment.status = {};
  },
  prepareStatus(deployment, old) {
    deployment.metadata.labels = old.metadata.labels;
  },
  validate: ({ spec }) => [
    ...notNegative(spec.replicas, SPEC.child('replicas')),
    ...selectorErrors(spec.selector, spec.template, 'deployment'),
    ...templateErrors(spec.template, 'ReplicaSet'),
    ...strategyErrors(spec),
    ...notNegative(spec.minReadySeconds, SPEC.child('minReadySeconds')),
    ...notNegative(spec.revisionHistoryLimit, SPEC.child('revisionHistoryLimit')),
    ...deadlineErrors(spec),
  ],
  validateStatus: ({ status }, old) => [
    ...replicaCountErrors(status, ['updatedReplicas', 'readyReplicas', 'availableReplicas']),
    ...countErrors(status, ['unavailableReplicas']),
    ...collisionErrors(status, old.status),
  ],
  immutable: ['spec.selector'],
  /** Annotations count too: they are copied to the ReplicaSets. */
  generation: (now, old) =>
    !equal(now.spec, old.spec) || !equal(now.metadata.annotations ?? {}, old.metadata.annotations ?? {}),
  scale: {
    specReplicas: 'spec.replicas',
    statusReplicas: 'status.replicas',
    selector: (deployment) => labelSelectorToString((deployment as Deployment).spec.selector),
  },
  columns: {
    Ready: ({ spec, status }) => `${status?.readyReplicas ?? 0}/${spec.replicas ?? 0}`,
    'Up-to-date': ({ status }) => status?.updatedReplicas ?? 0,
    Available: ({ status }) => status?.availableReplicas ?? 0,
    ...containersColumns<Deployment>(({ spec }) => spec.template.spec),
    Selector: ({ spec }) => labelSelectorToString(spec.selector),
  },
});
