import { dnsSubdomainProblems, qualifiedNameProblems } from '../../machinery/names.ts';
import { type FieldError, field } from '../../machinery/status.ts';
import { problems, requiredOneOf } from '../checks.ts';
import { kind } from '../define.ts';
import { immutable } from '../meta.ts';
import type { StorageClass } from './v1.gen.ts';

export const isDefaultClass = ({ metadata: { annotations } }: StorageClass): boolean =>
  annotations?.['storageclass.kubernetes.io/is-default-class'] === 'true' ||
  annotations?.['storageclass.beta.kubernetes.io/is-default-class'] === 'true';

/** Parameters of classes: not too many, not too long, and named. */
export function parametersErrors(parameters: Record<string, string> = {}, allowEmpty = true): FieldError[] {
  const at = field('parameters');
  const names = Object.keys(parameters);
  const size = names.reduce((sum, name) => sum + name.length + parameters[name]!.length, 0);
  return [
    ...(names.length > 512 ? [at.tooLong(512)] : []),
    ...names.filter((name) => !name).map((name) => at.invalid(name, 'field can not be empty.')),
    ...(size > 256 * 1024 ? [at.tooLong(256 * 1024)] : []),
    ...(!allowEmpty && !names.length ? [at.required('must contain at least one key/value pair')] : []),
  ];
}

const provisionerProblems = (name: string): string[] =>
  name.includes('/') ? qualifiedNameProblems(name.toLowerCase()) : dnsSubdomainProblems(name.toLowerCase());

export const storageClasses = kind<StorageClass>({
  facts: 'storage.k8s.io/v1 StorageClass',
  defaults(storage) {
    storage.reclaimPolicy ??= 'Delete';
    storage.volumeBindingMode ??= 'Immediate';
  },
  validate: ({ provisioner, parameters, reclaimPolicy, volumeBindingMode }) => [
    ...(provisioner
      ? problems(provisionerProblems(provisioner), provisioner, field('provisioner'))
      : [field('provisioner').required()]),
    ...parametersErrors(parameters),
    ...requiredOneOf(reclaimPolicy, ['Delete', 'Retain'], field('reclaimPolicy')),
    ...requiredOneOf(volumeBindingMode, ['Immediate', 'WaitForFirstConsumer'], field('volumeBindingMode')),
  ],
  validateUpdate(now, old) {
    const why = 'updates to parameters are forbidden.';
    return [
      ...(JSON.stringify(now.parameters ?? {}) === JSON.stringify(old.parameters ?? {})
        ? []
        : [field('parameters').forbidden(why)]),
      ...(now.provisioner === old.provisioner
        ? []
        : [field('provisioner').forbidden('updates to provisioner are forbidden.')]),
      ...(now.reclaimPolicy === old.reclaimPolicy
        ? []
        : [field('reclaimPolicy').forbidden('updates to reclaimPolicy are forbidden.')]),
      ...immutable(now.volumeBindingMode, old.volumeBindingMode, field('volumeBindingMode')),
    ];
  },
  columns: {
    Name: (storage) => `${storage.metadata.name}${isDefaultClass(storage) ? ' (default)' : ''}`,
    Provisioner: ({ provisioner }) => provisioner,
    ReclaimPolicy: ({ reclaimPolicy }) => reclaimPolicy ?? 'Delete',
    VolumeBindingMode: ({ volumeBindingMode }) => volumeBindingMode ?? 'Immediate',
    AllowVolumeExpansion: ({ allowVolumeExpansion }) => allowVolumeExpansion ?? false,
  },
});
