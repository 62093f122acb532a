import { persistentVolumes } from '../../api/core/persistent-volume.ts';
import { persistentVolumeClaims } from '../../api/core/persistent-volume-claim.ts';
import type { PersistentVolume, Pod, Volume } from '../../api/core/v1.gen.ts';
import type { Client } from '../../client/client.ts';
import { isNotFound } from '../../machinery/status.ts';
import type { HostVolume } from '../host.ts';

/** The claim that a volume stands for, if any: named, or made for the pod from the volume's template. */
export const claimNameOf = (pod: Pod, volume: Volume): string | undefined =>
  volume.persistentVolumeClaim?.claimName ??
  (volume.ephemeral ? `${pod.metadata.name}-${volume.name}` : undefined);

function pathOf({ metadata, spec }: PersistentVolume): { path: string; check: string } {
  if (spec.hostPath) return { path: spec.hostPath.path, check: spec.hostPath.type ?? '' };
  if (spec.local) return { path: spec.local.path, check: 'Directory' };
  throw new Error(`persistent volume "${metadata.name}" is of a type that this node cannot mount`);
}

/** The directory behind a bound claim. Throws while it is not bound, or for kinds of volumes that a node cannot mount. */
export async function claimVolume(
  client: Client,
  pod: Pod,
  volume: Volume,
  claimName: string,
): Promise<HostVolume & { type: 'path' }> {
  const { namespace, uid } = pod.metadata;
  const claim = await client(persistentVolumeClaims)
    .get(claimName, { namespace: namespace! })
    .catch((error) => {
      throw isNotFound(error) ? new Error(`persistentvolumeclaim "${claimName}" not found`) : error;
    });
  if (volume.ephemeral && !claim.metadata.ownerReferences?.some((owner) => owner.uid === uid))
    throw new Error(
      `PVC ${namespace}/${claimName} was not created for pod ${namespace}/${pod.metadata.name} (pod is not owner)`,
    );
  const volumeName = claim.spec?.volumeName;
  if (claim.status?.phase !== 'Bound' || !volumeName)
    throw new Error(`PVC ${namespace}/${claimName} is not bound`);
  const bound = await client(persistentVolumes).get(volumeName);
  if (bound.spec.claimRef?.uid !== claim.metadata.uid)
    throw new Error(`PV ${volumeName} is not bound to PVC ${namespace}/${claimName}`);
  const { fsGroup, fsGroupChangePolicy } = pod.spec!.securityContext ?? {};
  return {
    type: 'path',
    name: volume.name,
    ...pathOf(bound),
    ...(fsGroup !== undefined && bound.spec.local
      ? { gid: fsGroup, gidPolicy: fsGroupChangePolicy === 'OnRootMismatch' ? 'OnRootMismatch' : 'Always' }
      : {}),
  };
}
