import { persistentVolumes } from '../../../api/core/persistent-volume.ts';
import { persistentVolumeClaims } from '../../../api/core/persistent-volume-claim.ts';
import type {
  PersistentVolume,
  PersistentVolumeClaim,
  PersistentVolumeClaimStatus,
} from '../../../api/core/v1.gen.ts';
import { storageClasses } from '../../../api/storage/storage-class.ts';
import type { StorageClass } from '../../../api/storage/v1.gen.ts';
import { equal, keyOf } from '../../../machinery/meta.ts';
import { type Action, event, setStatus, update } from '../../runtime/actions.ts';
import { controller, watch } from '../../runtime/controller.ts';
import { hostPathProvisioner, provisionHostPath } from './host-path.ts';
import {
  bindCompleted,
  boundByController,
  classOf,
  findVolume,
  isFor,
  provisionerKeys,
  selectedNode,
} from './matching.ts';

const noProvisioner = 'kubernetes.io/no-provisioner';

export interface Observed {
  volumes: PersistentVolume[];
  storageClass: StorageClass | undefined;
}

/** Binds claims to volumes. https://kubernetes.io/docs/concepts/storage/persistent-volumes/#binding */
export const persistentVolumeClaimController = controller<PersistentVolumeClaim, Observed>({
  name: 'persistentvolume-binder',
  component: 'persistentvolume-controller',
  for: persistentVolumeClaims,
  // One volume must not be given to two claims.
  workers: 1,
  watches: [
    watch(persistentVolumes, (volume, cache) => {
      const ref = volume.spec.claimRef;
      if (ref) return [`${ref.namespace}/${ref.name}`];
      const waiting = (claim: PersistentVolumeClaim) =>
        !claim.spec.volumeName || claim.spec.volumeName === volume.metadata.name;
      return cache.of(persistentVolumeClaims).list().filter(waiting).map(keyOf);
    }),
    watch(storageClasses, ({ metadata }, cache) =>
      cache
        .of(persistentVolumeClaims)
        .list()
        .filter((c) => classOf(c) === metadata.name && !c.spec.volumeName)
        .map(keyOf),
    ),
  ],
  observe: (claim, cache) => ({
    volumes: claim.spec.volumeName
      ? [cache.of(persistentVolumes).get(claim.spec.volumeName)].filter((v) => v !== undefined)
      : cache.of(persistentVolumes).list(),
    storageClass: cache.of(storageClasses).get(classOf(claim)),
  }),
  reconcile: (claim, observed) => reconcile(claim, observed),
});

export function reconcile(claim: PersistentVolumeClaim, { volumes, storageClass }: Observed): Action[] {
  if (claim.spec.volumeName) return settle(claim, volumes[0]);
  if (claim.metadata.deletionTimestamp) return [];
  const waits = storageClass?.volumeBindingMode === 'WaitForFirstConsumer';
  const node = claim.metadata.annotations?.[selectedNode];
  const volume = findVolume(claim, volumes, waits && !node);
  if (volume) return bind(claim, volume);
  const pending = phase(claim, 'Pending');
  if (waits && !node) {
    const message = 'waiting for first consumer to be created before binding';
    return [...pending, event('Normal', 'WaitForFirstConsumer', message)];
  }
  if (!storageClass) {
    const name = classOf(claim);
    const told = name
      ? event('Warning', 'ProvisioningFailed', `storageclass.storage.k8s.io "${name}" not found`)
      : event(
          'Normal',
          'FailedBinding',
          'no persistent volumes available for this claim and no storage class is set',
        );
    return [...pending, told];
  }
  return [...pending, ...provision(claim, storageClass)];
}

/** Makes a volume, or asks whoever can. */
function provision(claim: PersistentVolumeClaim, storageClass: StorageClass): Action[] {
  const { provisioner } = storageClass;
  if (provisioner === noProvisioner) return [];
  if (provisioner === hostPathProvisioner) return provisionHostPath(claim, storageClass);
  const annotations = { ...claim.metadata.annotations };
  for (const key of provisionerKeys) annotations[key] = provisioner;
  const message =
    `Waiting for a volume to be created either by the external provisioner '${provisioner}' or manually by the system ` +
    'administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered.';
  const told = event('Normal', 'ExternalProvisioning', message);
  if (equal(annotations, claim.metadata.annotations)) return [told];
  return [update(persistentVolumeClaims, { ...claim, metadata: { ...claim.metadata, annotations } }), told];
}

function phase(claim: PersistentVolumeClaim, value: string, volume?: PersistentVolume): Action[] {
  const status: PersistentVolumeClaimStatus = { ...claim.status, phase: value };
  if (volume) {
    status.accessModes = volume.spec.accessModes;
    // What was granted; growing it is another matter.
    status.capacity = claim.status?.capacity ?? volume.spec.capacity;
  }
  return [setStatus(persistentVolumeClaims, claim, status)];
}

/** Promises the volume to the claim first, then the other way round: a crash between leaves nothing given twice. */
function bind(claim: PersistentVolumeClaim, volume: PersistentVolume): Action[] {
  const { name, namespace, uid, resourceVersion } = claim.metadata;
  const actions: Action[] = [];
  if (!volume.spec.claimRef?.uid) {
    const own: Record<string, string> = volume.spec.claimRef ? {} : { [boundByController]: 'yes' };
    const annotations = { ...volume.metadata.annotations, ...own };
    const claimRef = {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      name,
      namespace,
      uid,
      resourceVersion,
    };
    actions.push(
      update(persistentVolumes, {
        ...volume,
        metadata: { ...volume.metadata, annotations },
        spec: { ...volume.spec, claimRef },
      }),
    );
  }
  const annotations = {
    ...claim.metadata.annotations,
    [bindCompleted]: 'yes',
    ...(claim.spec.volumeName ? {} : { [boundByController]: 'yes' }),
  };
  const bound = {
    ...claim,
    metadata: { ...claim.metadata, annotations },
    spec: { ...claim.spec, volumeName: volume.metadata.name },
  };
  const changes =
    claim.spec.volumeName !== volume.metadata.name || !claim.metadata.annotations?.[bindCompleted];
  if (changes) actions.push(update(persistentVolumeClaims, bound));
  return [...actions, ...phase(bound, 'Bound', volume)];
}

/** A claim that names its volume. */
function settle(claim: PersistentVolumeClaim, volume: PersistentVolume | undefined): Action[] {
  const wasBound = claim.metadata.annotations?.[bindCompleted] !== undefined;
  if (!volume) {
    if (!wasBound) return phase(claim, 'Pending');
    if (claim.status?.phase === 'Lost') return [];
    return [
      ...phase(claim, 'Lost'),
      event('Warning', 'ClaimLost', 'Bound claim has lost its PersistentVolume. Data on the volume is lost!'),
    ];
  }
  if (!volume.spec.claimRef || isFor(volume, claim)) return bind(claim, volume);
  if (!wasBound) {
    return [
      ...phase(claim, 'Pending'),
      event(
        'Warning',
        'FailedBinding',
        `volume "${volume.metadata.name}" already bound to a different claim.`,
      ),
    ];
  }
  return [
    ...phase(claim, 'Lost'),
    event(
      'Warning',
      'ClaimMisbound',
      'Two claims are bound to the same volume, this one is bound incorrectly',
    ),
  ];
}
