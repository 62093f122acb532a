import { equal } from '../../machinery/meta.ts';
import { dnsLabelProblems } from '../../machinery/names.ts';
import { labelSelectorToString } from '../../machinery/selectors.ts';
import type { FieldError } from '../../machinery/status.ts';
import { countOrPercent, notMoreThanHundred, notNegative, problems } from '../checks.ts';
import { claimSpecErrors } from '../core/persistent-volume-claim-spec.ts';
import type { PersistentVolumeClaim, PodTemplateSpec } from '../core/v1.gen.ts';
import { kind } from '../define.ts';
import { containersColumns } from '../workload-columns.ts';
import type { StatefulSet, StatefulSetSpec } from './v1.gen.ts';
import {
  amount,
  collisionErrors,
  defaultTemplate,
  replicaCountErrors,
  SPEC,
  selectorErrors,
  templateErrors,
} from './workload.ts';

function defaultClaimTemplate(claim: PersistentVolumeClaim): void {
  claim.apiVersion = 'v1';
  claim.kind = 'PersistentVolumeClaim';
  claim.spec ??= {};
  claim.spec.volumeMode ??= 'Filesystem';
  claim.status ??= {};
  claim.status.phase ||= 'Pending';
}

function strategyErrors({ updateStrategy = {} }: StatefulSetSpec): FieldError[] {
  const at = SPEC.child('updateStrategy');
  const { type, rollingUpdate } = updateStrategy;
  const rolling = at.child('rollingUpdate');
  if (type === 'OnDelete')
    return rollingUpdate
      ? [rolling.invalid(rollingUpdate, "only allowed for updateStrategy 'RollingUpdate'")]
      : [];
  if (type !== 'RollingUpdate') return [at.invalid(updateStrategy, "must be 'RollingUpdate' or 'OnDelete'")];
  if (!rollingUpdate) return [];
  const { partition, maxUnavailable } = rollingUpdate;
  const max = rolling.child('maxUnavailable');
  return [
    ...notNegative(partition, rolling.child('partition')),
    ...countOrPercent(maxUnavailable, max),
    ...(maxUnavailable !== undefined && amount(maxUnavailable) === 0
      ? [max.invalid(maxUnavailable, 'cannot be 0')]
      : []),
    ...notMoreThanHundred(maxUnavailable, max),
  ];
}

function retentionErrors({ persistentVolumeClaimRetentionPolicy: policy }: StatefulSetSpec): FieldError[] {
  const at = SPEC.child('persistentVolumeClaimRetentionPolicy');
  return (['whenDeleted', 'whenScaled'] as const).flatMap((name) =>
    policy && !['Retain', 'Delete'].includes(policy[name] ?? '')
      ? [at.child(name).notSupported(policy[name] ?? '', ['Retain', 'Delete'])]
      : [],
  );
}

function managementErrors({ podManagementPolicy: policy }: StatefulSetSpec): FieldError[] {
  const at = SPEC.child('podManagementPolicy');
  if (!policy) return [at.required()];
  return policy === 'OrderedReady' || policy === 'Parallel'
    ? []
    : [at.invalid(policy, "must be 'OrderedReady' or 'Parallel'")];
}

/** The template as its pods will be: with a volume of each claim, named by the set and not by the template. */
function effectiveTemplate({ template, volumeClaimTemplates = [] }: StatefulSetSpec): PodTemplateSpec {
  if (!template?.spec) return template;
  const { subdomain: _s, hostname: _h, ...spec } = template.spec;
  const names = volumeClaimTemplates.map((claim) => claim.metadata?.name ?? '');
  const volumes = [
    ...names.map((name) => ({ name, persistentVolumeClaim: { claimName: name } })),
    ...(spec.volumes ?? []).filter(({ name }) => !names.includes(name)),
  ];
  return { ...template, spec: { ...spec, ...(volumes.length ? { volumes } : {}) } };
}

const mutable = [
  'replicas',
  'ordinals',
  'template',
  'updateStrategy',
  'revisionHistoryLimit',
  'persistentVolumeClaimRetentionPolicy',
  'minReadySeconds',
];

function changeErrors({ spec }: StatefulSet, old: StatefulSet): FieldError[] {
  const rest = (whole: StatefulSetSpec) =>
    Object.fromEntries(Object.entries(whole).filter(([name]) => !mutable.includes(name)));
  return equal(rest(spec), rest(old.spec))
    ? []
    : [
        SPEC.forbidden(
          "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
        ),
      ];
}

export const statefulSets = kind<StatefulSet>({
  facts: 'apps/v1 StatefulSet',
  defaults(set) {
    set.spec ??= {} as StatefulSetSpec;
    const { spec } = set;
    spec.template = defaultTemplate(spec.template);
    spec.podManagementPolicy ||= 'OrderedReady';
    spec.updateStrategy ??= {};
    if (!spec.updateStrategy.type) {
      spec.updateStrategy.type = 'RollingUpdate';
      spec.updateStrategy.rollingUpdate ??= {};
    }
    if (spec.updateStrategy.type === 'RollingUpdate' && spec.updateStrategy.rollingUpdate)
      spec.updateStrategy.rollingUpdate.partition ??= 0;
    spec.persistentVolumeClaimRetentionPolicy ??= {};
    spec.persistentVolumeClaimRetentionPolicy.whenDeleted ||= 'Retain';
    spec.persistentVolumeClaimRetentionPolicy.whenScaled ||= 'Retain';
    spec.replicas ??= 1;
    spec.revisionHistoryLimit ??= 10;
    for (const claim of spec.volumeClaimTemplates ?? []) defaultClaimTemplate(claim);
  },
  prepareCreate(set) {
    set.status = { availableReplicas: 0, replicas: 0 };
  },
  nameFormat: 'label',
  validate: ({ spec }) => [
    ...managementErrors(spec),
    ...strategyErrors(spec),
    ...retentionErrors(spec),
    ...(spec.volumeClaimTemplates ?? []).flatMap((claim, i) =>
      claimSpecErrors(claim.spec, SPEC.child('volumeClaimTemplates', i, 'spec')),
    ),
    ...notNegative(spec.replicas, SPEC.child('replicas')),
    ...notNegative(spec.minReadySeconds, SPEC.child('minReadySeconds')),
    ...notNegative(spec.ordinals?.start, SPEC.child('ordinals', 'start')),
    ...(spec.serviceName
      ? problems(dnsLabelProblems(spec.serviceName), spec.serviceName, SPEC.child('serviceName'))
      : []),
    ...selectorErrors(spec.selector, spec.template, 'statefulset'),
    ...templateErrors(effectiveTemplate(spec), 'StatefulSet'),
  ],
  validateUpdate: changeErrors,
  validateStatus: ({ status }, old) => [
    ...replicaCountErrors(status, [
      'readyReplicas',
      'currentReplicas',
      'updatedReplicas',
      'availableReplicas',
    ]),
    ...collisionErrors(status, old.status),
  ],
  generation: 'spec',
  scale: {
    specReplicas: 'spec.replicas',
    statusReplicas: 'status.replicas',
    selector: (set) => labelSelectorToString((set as StatefulSet).spec.selector),
  },
  columns: {
    Ready: ({ spec, status }) => `${status?.readyReplicas ?? 0}/${spec.replicas ?? 0}`,
    ...containersColumns<StatefulSet>(({ spec }) => spec.template.spec),
  },
});
