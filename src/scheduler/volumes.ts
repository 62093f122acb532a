import { persistentVolumes } from '../api/core/persistent-volume.ts';
import { persistentVolumeClaims } from '../api/core/persistent-volume-claim.ts';
import type { PersistentVolume, PersistentVolumeClaim, Pod } from '../api/core/v1.gen.ts';
import { storageClasses } from '../api/storage/storage-class.ts';
import type { StorageClass } from '../api/storage/v1.gen.ts';
import type { Informers } from '../client/client.ts';
import { compareQuantity } from '../machinery/quantity.ts';
import { labelSelectorMatches } from '../machinery/selectors.ts';

export const noProvisioner = 'kubernetes.io/no-provisioner';

/** The claims that a pod's volumes are made of, ephemeral ones included. */
export function claimNames(pod: Pod): { name: string; ephemeral: boolean }[] {
  const names: { name: string; ephemeral: boolean }[] = [];
  for (const volume of pod.spec.volumes ?? []) {
    const claim = volume.persistentVolumeClaim;
    if (claim) names.push({ name: claim.claimName, ephemeral: false });
    else if (volume.ephemeral) names.push({ name: `${pod.metadata.name}-${volume.name}`, ephemeral: true });
  }
  return names;
}

/** What the scheduler asks about claims and volumes. */
export interface Volumes {
  claim(name: string, namespace: string): PersistentVolumeClaim | undefined;
  volume(name: string): PersistentVolume | undefined;
  storageClass(name: string | undefined): StorageClass | undefined;
  /** Volumes without a claim that would do for this one; the smallest first. */
  candidates(claim: PersistentVolumeClaim): PersistentVolume[];
}

/** A claim without a class of its own takes none. */
export const classOf = (claim: PersistentVolumeClaim): string =>
  claim.spec?.storageClassName ??
  claim.metadata.annotations?.['volume.beta.kubernetes.io/storage-class'] ??
  '';

export function volumeMatchesClaim(pv: PersistentVolume, claim: PersistentVolumeClaim): boolean {
  const { spec } = pv;
  const wanted = claim.spec!;
  const ref = spec!.claimRef;
  if (ref && !(ref.name === claim.metadata.name && ref.namespace === claim.metadata.namespace)) return false;
  if (ref?.uid && ref.uid !== claim.metadata.uid) return false;
  return (
    !pv.metadata.deletionTimestamp &&
    (ref !== undefined || pv.status?.phase === 'Available' || !pv.status?.phase) &&
    (spec!.storageClassName ?? '') === classOf(claim) &&
    (spec!.volumeMode ?? 'Filesystem') === (wanted.volumeMode ?? 'Filesystem') &&
    (wanted.accessModes ?? []).every((mode) => spec!.accessModes?.includes(mode)) &&
    (!wanted.selector || labelSelectorMatches(wanted.selector, pv.metadata.labels)) &&
    compareQuantity(spec!.capacity?.storage, wanted.resources?.requests?.storage) >= 0
  );
}

export function volumesOf(informers: Informers): Volumes {
  const claims = informers(persistentVolumeClaims);
  const volumes = informers(persistentVolumes);
  const classes = informers(storageClasses);
  return {
    claim: (name, namespace) => claims.get(name, namespace),
    volume: (name) => volumes.get(name),
    storageClass: (name) => (name ? classes.get(name) : undefined),
    candidates: (claim) =>
      volumes
        .list()
        .filter((pv) => volumeMatchesClaim(pv, claim))
        .sort((a, b) => compareQuantity(a.spec!.capacity?.storage, b.spec!.capacity?.storage)),
  };
}
