import { persistentVolumes } from '../../../api/core/persistent-volume.ts';
import { persistentVolumeClaims } from '../../../api/core/persistent-volume-claim.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '../../../api/core/v1.gen.ts';
import { time } from '../../../machinery/clock.ts';
import { type Action, event, remove, setStatus, update } from '../../runtime/actions.ts';
import { controller, watch } from '../../runtime/controller.ts';
import { hostPathProvisioner } from './host-path.ts';
import { boundByController, provisionedBy } from './matching.ts';

/** The phase of each volume, and what becomes of it after its claim. */
export const persistentVolumeController = controller<PersistentVolume, PersistentVolumeClaim | undefined>({
  name: 'persistentvolume-binder',
  component: 'persistentvolume-controller',
  for: persistentVolumes,
  watches: [watch(persistentVolumeClaims, ({ spec }) => (spec.volumeName ? [spec.volumeName] : []))],
  observe(volume, cache) {
    const ref = volume.spec.claimRef;
    return ref && cache.of(persistentVolumeClaims).get(ref.name!, ref.namespace);
  },
  reconcile: (volume, claim, nowMs) => reconcile(volume, claim, nowMs),
});

export function reconcile(
  volume: PersistentVolume,
  claim: PersistentVolumeClaim | undefined,
  nowMs: number,
): Action[] {
  const ref = volume.spec.claimRef;
  const phase = (value: string): Action[] => {
    if (volume.status?.phase === value) return [];
    const status = { ...volume.status, phase: value, lastPhaseTransitionTime: time(nowMs) };
    return [setStatus(persistentVolumes, volume, status)];
  };
  // A volume may be promised to a claim that is still to come.
  if (!ref?.uid) return phase('Available');
  if (claim && claim.metadata.uid === ref.uid) {
    if (claim.spec.volumeName === volume.metadata.name) return phase('Bound');
    // Promised by us, but the claim took another.
    if (!claim.spec.volumeName) return phase('Available');
    return volume.metadata.annotations?.[boundByController] ? [unbind(volume)] : phase('Available');
  }
  return [...phase('Released'), ...reclaim(volume)];
}

function unbind(volume: PersistentVolume): Action {
  const { claimRef: _, ...spec } = volume.spec;
  const { [boundByController]: _by, ...annotations } = volume.metadata.annotations ?? {};
  return update(persistentVolumes, { ...volume, metadata: { ...volume.metadata, annotations }, spec });
}

/** `Retain` keeps it for a human; `Delete` is up to whoever made it. */
function reclaim(volume: PersistentVolume): Action[] {
  const policy = volume.spec.persistentVolumeReclaimPolicy ?? 'Retain';
  if (volume.metadata.deletionTimestamp || policy === 'Retain') return [];
  if (policy === 'Recycle') {
    return [
      event('Warning', 'RecyclingFailed', 'Recycling is not supported: delete the volume and make a new one'),
    ];
  }
  const maker = volume.metadata.annotations?.[provisionedBy];
  return maker === hostPathProvisioner ? [remove(persistentVolumes, volume)] : [];
}
