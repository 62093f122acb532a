import { qualifiedNameProblems } from '../../machinery/names.ts';
import { type FieldError, field } from '../../machinery/status.ts';
import { duplicates, problems, requiredOneOf } from '../checks.ts';
import type { TopologySelectorTerm } from '../core/v1.gen.ts';
import { kind } from '../define.ts';
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

/** Where volumes may be made: each key once, each with values. */
function topologiesErrors(terms: TopologySelectorTerm[] | undefined): FieldError[] {
  return (terms ?? []).flatMap(({ matchLabelExpressions = [] }, i) => {
    const at = field('allowedTopologies', i, 'matchLabelExpressions');
    return matchLabelExpressions.flatMap(({ key, values = [] }, j) => [
      ...(values.length ? [] : [at.child(j, 'values').required()]),
      ...problems(qualifiedNameProblems(key ?? ''), key ?? '', at.child(j, 'key')),
      ...(matchLabelExpressions.findIndex((e) => e.key === key) < j
        ? [at.child(j, 'key').duplicate(key)]
        : []),
      ...duplicates(
        values,
        (value) => value,
        (k) => at.child(j, 'values', k),
      ),
    ]);
  });
}

export const storageClasses = kind<StorageClass>({
  facts: 'storage.k8s.io/v1 StorageClass',
  defaults(storage) {
    storage.reclaimPolicy ??= 'Delete';
    storage.volumeBindingMode ??= 'Immediate';
  },
  validate: ({ provisioner, parameters, reclaimPolicy, volumeBindingMode, allowedTopologies }) => [
    ...(provisioner
      ? problems(qualifiedNameProblems(provisioner.toLowerCase()), provisioner, field('provisioner'))
      : [field('provisioner').required()]),
    ...parametersErrors(parameters),
    ...requiredOneOf(reclaimPolicy, ['Delete', 'Retain'], field('reclaimPolicy')),
    ...requiredOneOf(volumeBindingMode, ['Immediate', 'WaitForFirstConsumer'], field('volumeBindingMode')),
    ...topologiesErrors(allowedTopologies),
  ],
  immutable: ['parameters', 'provisioner', 'reclaimPolicy', 'volumeBindingMode'],
  columns: {
    Name: (storage) => `${storage.metadata.name}${isDefaultClass(storage) ? ' (default)' : ''}`,
    Provisioner: ({ provisioner }) => provisioner,
    ReclaimPolicy: ({ reclaimPolicy }) => reclaimPolicy ?? 'Delete',
    VolumeBindingMode: ({ volumeBindingMode }) => volumeBindingMode ?? 'Immediate',
    AllowVolumeExpansion: ({ allowVolumeExpansion }) => allowVolumeExpansion ?? false,
  },
});
