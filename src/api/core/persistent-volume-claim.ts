import { clone, equal } from '../../machinery/meta.ts';
import { compareQuantity } from '../../machinery/quantity.ts';
import { type FieldError, field } from '../../machinery/status.ts';
import { kind } from '../define.ts';
import { accessModesText } from './persistent-volume.ts';
import { claimSpecErrors } from './persistent-volume-claim-spec.ts';
import type { PersistentVolumeClaim } from './v1.gen.ts';

const SPEC = field('spec');

/** A claim stays as it is, but for its size when it is bound, and its attributes class. */
function changeErrors(claim: PersistentVolumeClaim, old: PersistentVolumeClaim): FieldError[] {
  const errors: FieldError[] = [];
  const rest = clone(claim.spec);
  const before = old.spec;
  // The volume's name comes with the binding, the class with the admission of a default.
  if (!before.volumeName) rest.volumeName = undefined;
  if (before.storageClassName === undefined) rest.storageClassName = undefined;
  rest.volumeAttributesClassName = before.volumeAttributesClassName;
  if (old.status?.phase === 'Bound' && rest.resources?.requests && before.resources?.requests)
    rest.resources.requests.storage = before.resources.requests.storage!;
  if (!equal(rest, before))
    errors.push(
      SPEC.forbidden(
        'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims',
      ),
    );
  const size = claim.spec.resources?.requests?.storage;
  const at = SPEC.child('resources', 'requests', 'storage');
  if (compareQuantity(size, before.resources?.requests?.storage) < 0) {
    const capacity = old.status?.capacity?.storage;
    if (capacity === undefined || compareQuantity(size, capacity) <= 0)
      errors.push(
        at.forbidden(
          capacity === undefined
            ? 'field can not be less than previous value'
            : 'field can not be less than status.capacity',
        ),
      );
  }
  return errors;
}

const storageClass = ({ metadata, spec }: PersistentVolumeClaim): string =>
  metadata.annotations?.['volume.beta.kubernetes.io/storage-class'] ?? spec.storageClassName ?? '';

export const persistentVolumeClaims = kind<PersistentVolumeClaim>({
  facts: 'v1 PersistentVolumeClaim',
  generation: false,
  defaults(claim) {
    claim.spec ??= {};
    claim.spec.volumeMode ??= 'Filesystem';
    const { spec } = claim;
    // The two say the same where the older one can say it.
    if (spec.dataSource && !spec.dataSourceRef) spec.dataSourceRef = { ...spec.dataSource };
    else if (spec.dataSourceRef && !spec.dataSource && !spec.dataSourceRef.namespace) {
      const { namespace: _, ...ref } = spec.dataSourceRef;
      spec.dataSource = ref;
    }
    if (claim.status) claim.status.phase ||= 'Pending';
  },
  prepareCreate(claim) {
    claim.status = { phase: 'Pending' };
  },
  validate: ({ spec }) => claimSpecErrors(spec, SPEC),
  validateUpdate: changeErrors,
  columns: {
    Status: ({ status, metadata }) => (metadata.deletionTimestamp ? 'Terminating' : (status?.phase ?? '')),
    Volume: ({ spec }) => spec.volumeName ?? '',
    Capacity: ({ spec, status }) => (spec.volumeName ? (status?.capacity?.storage ?? '') : ''),
    'Access Modes': ({ spec, status }) => (spec.volumeName ? accessModesText(status?.accessModes) : ''),
    StorageClass: storageClass,
    VolumeAttributesClass: ({ spec }) => spec.volumeAttributesClassName ?? '<unset>',
    VolumeMode: ({ spec }) => spec.volumeMode ?? '<unset>',
  },
});
