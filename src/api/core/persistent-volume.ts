import { equal } from '../../machinery/meta.ts';
import { dnsSubdomainProblems } from '../../machinery/names.ts';
import { compareQuantity } from '../../machinery/quantity.ts';
import { type FieldError, field } from '../../machinery/status.ts';
import { oneOf, present, problems } from '../checks.ts';
import { kind } from '../define.ts';
import { immutable } from '../meta.ts';
import { accessModesErrors } from './persistent-volume-claim-spec.ts';
import { nodeSelectorErrors } from './scheduling-validation.ts';
import type { PersistentVolume, PersistentVolumeSpec } from './v1.gen.ts';

const SPEC = field('spec');
const notSources = new Set([
  'accessModes',
  'capacity',
  'claimRef',
  'mountOptions',
  'nodeAffinity',
  'persistentVolumeReclaimPolicy',
  'storageClassName',
  'volumeAttributesClassName',
  'volumeMode',
]);
const sourceOf = (spec: PersistentVolumeSpec): [string, any][] =>
  Object.entries(spec).filter(([name, value]) => !notSources.has(name) && value !== undefined);

function specErrors({ spec }: PersistentVolume): FieldError[] {
  const errors = [
    ...(spec.accessModes?.length
      ? accessModesErrors(spec.accessModes, SPEC.child('accessModes'))
      : [SPEC.child('accessModes').required()]),
    ...oneOf(
      spec.persistentVolumeReclaimPolicy,
      ['Delete', 'Recycle', 'Retain'],
      SPEC.child('persistentVolumeReclaimPolicy'),
    ),
    ...oneOf(spec.volumeMode, ['Block', 'Filesystem'], SPEC.child('volumeMode')),
  ];
  const capacity = Object.keys(spec.capacity ?? {});
  if (!capacity.length) errors.push(SPEC.child('capacity').required());
  if (capacity.length !== 1 || capacity[0] !== 'storage')
    errors.push(SPEC.child('capacity').notSupported(spec.capacity, ['storage']));
  else if (compareQuantity(spec.capacity!.storage, '0') <= 0)
    errors.push(
      SPEC.child('capacity').key('storage').invalid(spec.capacity!.storage, 'must be greater than zero'),
    );
  const sources = sourceOf(spec);
  if (!sources.length) errors.push(SPEC.required('must specify a volume type'));
  for (const [name] of sources.slice(1))
    errors.push(SPEC.child(name).forbidden('may not specify more than 1 volume type'));
  if (spec.hostPath) {
    errors.push(...present(spec.hostPath.path, SPEC.child('hostPath', 'path')));
    if (spec.hostPath.path === '/' && spec.persistentVolumeReclaimPolicy === 'Recycle')
      errors.push(
        SPEC.child('persistentVolumeReclaimPolicy').forbidden(
          "may not be 'recycle' for a hostPath mount of '/'",
        ),
      );
  }
  if (spec.local) {
    errors.push(...present(spec.local.path, SPEC.child('local', 'path')));
    if (!spec.nodeAffinity?.required)
      errors.push(SPEC.child('nodeAffinity').required('Local volume requires node affinity'));
  }
  if (spec.csi)
    for (const name of ['driver', 'volumeHandle'] as const)
      errors.push(...present(spec.csi[name], SPEC.child('csi', name)));
  if (spec.nodeAffinity) {
    const at = SPEC.child('nodeAffinity', 'required');
    errors.push(
      ...(spec.nodeAffinity.required
        ? nodeSelectorErrors(spec.nodeAffinity.required, at)
        : [at.required('must specify required node constraints')]),
    );
  }
  if (spec.storageClassName)
    errors.push(
      ...problems(
        dnsSubdomainProblems(spec.storageClassName),
        spec.storageClassName,
        SPEC.child('storageClassName'),
      ),
    );
  return errors;
}

export const persistentVolumes = kind<PersistentVolume>({
  facts: 'v1 PersistentVolume',
  generation: false,
  defaults(volume) {
    volume.spec ??= {};
    volume.spec.persistentVolumeReclaimPolicy ||= 'Retain';
    volume.spec.volumeMode ??= 'Filesystem';
    if (volume.spec.hostPath) volume.spec.hostPath.type ??= '';
    if (volume.status) volume.status.phase ||= 'Pending';
  },
  prepareCreate(volume, { nowMs }) {
    volume.status = {
      phase: 'Pending',
      lastPhaseTransitionTime: new Date(nowMs).toISOString().slice(0, 19) + 'Z',
    };
  },
  prepareStatus(volume, old, { nowMs }) {
    const { status } = volume;
    if (
      status &&
      status.phase !== old.status?.phase &&
      status.lastPhaseTransitionTime === old.status?.lastPhaseTransitionTime
    )
      status.lastPhaseTransitionTime = new Date(nowMs).toISOString().slice(0, 19) + 'Z';
  },
  validate: specErrors,
  validateUpdate({ spec }, { spec: before }) {
    const errors = immutable(spec.volumeMode, before.volumeMode, SPEC.child('volumeMode'));
    if (!equal(Object.fromEntries(sourceOf(spec)), Object.fromEntries(sourceOf(before))))
      errors.push(
        SPEC.child('persistentvolumesource').forbidden(
          'spec.persistentvolumesource is immutable after creation',
        ),
      );
    if (before.nodeAffinity?.required)
      errors.push(...immutable(spec.nodeAffinity, before.nodeAffinity, SPEC.child('nodeAffinity')));
    return errors;
  },
  columns: {
    Capacity: ({ spec }) => spec.capacity?.storage ?? '',
    'Access Modes': ({ spec }) => accessModesText(spec.accessModes),
    'Reclaim Policy': ({ spec }) => spec.persistentVolumeReclaimPolicy ?? '',
    Status: ({ status, metadata }) => (metadata.deletionTimestamp ? 'Terminating' : (status?.phase ?? '')),
    Claim: ({ spec: { claimRef } }) => (claimRef ? `${claimRef.namespace}/${claimRef.name}` : ''),
    StorageClass: ({ spec, metadata }) =>
      metadata.annotations?.['volume.beta.kubernetes.io/storage-class'] ?? spec.storageClassName ?? '',
    VolumeAttributesClass: ({ spec }) => spec.volumeAttributesClassName ?? '<unset>',
    Reason: ({ status }) => status?.reason ?? '',
    VolumeMode: ({ spec }) => spec.volumeMode ?? '<unset>',
  },
});

const shortModes: Record<string, string> = {
  ReadWriteOnce: 'RWO',
  ReadOnlyMany: 'ROX',
  ReadWriteMany: 'RWX',
  ReadWriteOncePod: 'RWOP',
};
/** `RWO,RWX`, in the order of the documentation. */
export const accessModesText = (modes: string[] = []): string =>
  Object.keys(shortModes)
    .filter((mode) => modes.includes(mode))
    .map((mode) => shortModes[mode])
    .join(',');
