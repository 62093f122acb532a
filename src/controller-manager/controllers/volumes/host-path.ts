import { persistentVolumes } from '../../../api/core/persistent-volume.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '../../../api/core/v1.gen.ts';
import type { StorageClass } from '../../../api/storage/v1.gen.ts';
import { isAlreadyExists } from '../../../machinery/status.ts';
import { type Action, create, event } from '../../runtime/actions.ts';
import { provisionedBy, selectedNode } from './matching.ts';

/** The provisioner that is built in: a directory on the node that the pod was scheduled to. */
export const hostPathProvisioner = 'wherry.io/host-path';

const defaultRoot = '/var/lib/wherry/volumes';

/**
 * A volume in a directory of the claim's node, below the class's parameter `root`. With a class that does not wait for a node
 * it is tied to none: then it is for clusters of one node.
 */
export function provisionHostPath(claim: PersistentVolumeClaim, storageClass: StorageClass): Action[] {
  const { name, namespace, uid, annotations } = claim.metadata;
  const volumeName = `pvc-${uid}`;
  const node = annotations?.[selectedNode];
  const volume: PersistentVolume = {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: volumeName, annotations: { [provisionedBy]: hostPathProvisioner } },
    spec: {
      accessModes: claim.spec.accessModes,
      capacity: { storage: claim.spec.resources?.requests?.storage ?? '1Gi' },
      claimRef: { apiVersion: 'v1', kind: 'PersistentVolumeClaim', name, namespace, uid },
      hostPath: {
        path: `${storageClass.parameters?.root ?? defaultRoot}/${volumeName}`,
        type: 'DirectoryOrCreate',
      },
      persistentVolumeReclaimPolicy: storageClass.reclaimPolicy ?? 'Delete',
      storageClassName: storageClass.metadata.name,
      ...(claim.spec.volumeMode ? { volumeMode: claim.spec.volumeMode } : {}),
      ...(node
        ? {
            nodeAffinity: {
              required: {
                nodeSelectorTerms: [
                  { matchFields: [{ key: 'metadata.name', operator: 'In', values: [node] }] },
                ],
              },
            },
          }
        : {}),
    },
  };
  const done = () => [
    event('Normal', 'ProvisioningSucceeded', `Successfully provisioned volume ${volumeName}`),
  ];
  return [create(persistentVolumes, volume, { tolerates: isAlreadyExists, done })];
}
