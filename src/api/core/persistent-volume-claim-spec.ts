// The spec of a claim: also in templates of StatefulSets and ephemeral volumes.
import { dnsSubdomainProblems } from '../../machinery/names.ts';
import { compareQuantity } from '../../machinery/quantity.ts';
import { labelSelectorErrors } from '../../machinery/selectors.ts';
import type { FieldError, FieldPath } from '../../machinery/status.ts';
import { oneOf, problems } from '../checks.ts';
import type { PersistentVolumeClaimSpec } from './v1.gen.ts';

export const accessModes = ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod'];

export function accessModesErrors(modes: string[] | undefined, path: FieldPath): FieldError[] {
  if (!modes?.length) return [path.required('at least 1 access mode is required')];
  const errors = modes.flatMap((mode) => oneOf(mode, accessModes, path));
  if (modes.includes('ReadWriteOncePod') && modes.length > 1)
    errors.push(path.forbidden('may not use ReadWriteOncePod with other access modes'));
  return errors;
}

export function claimSpecErrors(spec: PersistentVolumeClaimSpec | undefined, path: FieldPath): FieldError[] {
  if (!spec) return [path.required()];
  const errors = [
    ...accessModesErrors(spec.accessModes, path.child('accessModes')),
    ...labelSelectorErrors(spec.selector, path.child('selector')),
    ...oneOf(spec.volumeMode, ['Block', 'Filesystem'], path.child('volumeMode')),
  ];
  const storage = spec.resources?.requests?.storage;
  const at = path.child('resources');
  if (storage === undefined) errors.push(at.key('storage').required());
  else if (compareQuantity(storage, '0') <= 0)
    errors.push(at.key('storage').invalid(storage, 'must be greater than zero'));
  if (spec.storageClassName)
    errors.push(
      ...problems(
        dnsSubdomainProblems(spec.storageClassName),
        spec.storageClassName,
        path.child('storageClassName'),
      ),
    );
  for (const name of ['dataSource', 'dataSourceRef'] as const) {
    const source = spec[name];
    if (!source) continue;
    if (!source.name) errors.push(path.child(name, 'name').required());
    if (!source.kind) errors.push(path.child(name, 'kind').required());
    if (!source.apiGroup && source.kind && source.kind !== 'PersistentVolumeClaim')
      errors.push(
        path
          .child(name)
          .invalid(source.kind, "must be 'PersistentVolumeClaim' when referencing the default apiGroup"),
      );
  }
  return errors;
}
