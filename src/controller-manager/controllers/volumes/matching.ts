import type { PersistentVolume, PersistentVolumeClaim } from '../../../api/core/v1.gen.ts';
import { compareQuantity } from '../../../machinery/quantity.ts';
import { labelSelectorMatches } from '../../../machinery/selectors.ts';

export const bindCompleted = 'pv.kubernetes.io/bind-completed';
export const boundByController = 'pv.kubernetes.io/bound-by-controller';
export const provisionedBy = 'pv.kubernetes.io/provisioned-by';
export const selectedNode = 'volume.kubernetes.io/selected-node';
export const provisionerKeys = [
  'volume.kubernetes.io/storage-provisioner',
  'volume.beta.kubernetes.io/storage-provisioner',
];

export const classOf = (object: PersistentVolume | PersistentVolumeClaim): string =>
  object.metadata.annotations?.['volume.beta.kubernetes.io/storage-class'] ??
  object.spec.storageClassName ??
  '';

/** Whether the volume is promised to this claim: by name, and by uid where one is noted. */
export function isFor(volume: PersistentVolume, claim: PersistentVolumeClaim): boolean {
  const ref = volume.spec.claimRef;
  const { name, namespace, uid } = claim.metadata;
  return !!ref && ref.name === name && ref.namespace === namespace && (!ref.uid || ref.uid === uid);
}

export const isLarge = (volume: PersistentVolume, claim: PersistentVolumeClaim): boolean =>
  compareQuantity(volume.spec.capacity?.storage, claim.spec.resources?.requests?.storage) >= 0;

const modesFit = (volume: PersistentVolume, claim: PersistentVolumeClaim): boolean =>
  (claim.spec.accessModes ?? []).every((mode) => volume.spec.accessModes?.includes(mode));

const sortFits = (volume: PersistentVolume, claim: PersistentVolumeClaim): boolean =>
  (volume.spec.volumeMode ?? 'Filesystem') === (claim.spec.volumeMode ?? 'Filesystem');

/** The volume promised to the claim, or else the smallest that does and that nobody has. */
export function findVolume(
  claim: PersistentVolumeClaim,
  volumes: PersistentVolume[],
  onlyPromised: boolean,
): PersistentVolume | undefined {
  const promised = volumes.find((v) => isFor(v, claim) && !v.metadata.deletionTimestamp);
  if (promised) return sortFits(promised, claim) && isLarge(promised, claim) ? promised : undefined;
  if (onlyPromised) return undefined;
  return volumes
    .filter(
      (v) =>
        !v.spec.claimRef &&
        !v.metadata.deletionTimestamp &&
        v.status?.phase === 'Available' &&
        classOf(v) === classOf(claim) &&
        sortFits(v, claim) &&
        modesFit(v, claim) &&
        isLarge(v, claim) &&
        (!claim.spec.selector || labelSelectorMatches(claim.spec.selector, v.metadata.labels)),
    )
    .sort((a, b) => compareQuantity(a.spec.capacity?.storage, b.spec.capacity?.storage))[0];
}
