import { persistentVolumes } from '../../../api/core/persistent-volume.ts';
import { persistentVolumeClaims } from '../../../api/core/persistent-volume-claim.ts';
import { pods } from '../../../api/core/pod.ts';
import type { PersistentVolume, PersistentVolumeClaim, Pod } from '../../../api/core/v1.gen.ts';
import type { Kind } from '../../../machinery/kind.ts';
import type { KubeObject } from '../../../machinery/meta.ts';
import { type Action, update } from '../../runtime/actions.ts';
import { controller, watch } from '../../runtime/controller.ts';
import { isTerminal } from '../pod-state.ts';

const byClaim = 'podsByClaim';

/** The claims that a pod uses, as keys. */
const claimsOf = (pod: Pod): string[] =>
  (pod.spec.volumes ?? []).flatMap(({ name, persistentVolumeClaim, ephemeral }) => {
    const claim =
      persistentVolumeClaim?.claimName ?? (ephemeral ? `${pod.metadata.name}-${name}` : undefined);
    return claim ? [`${pod.metadata.namespace}/${claim}`] : [];
  });

/** Guards an object by a finalizer for as long as it is in use: being deleted, it goes once nobody uses it any more. */
function guard<T extends KubeObject>(kind: Kind<T>, object: T, finalizer: string, inUse: boolean): Action[] {
  const finalizers: string[] = object.metadata.finalizers ?? [];
  const guarded = finalizers.includes(finalizer);
  const leaving = !!object.metadata.deletionTimestamp;
  if (leaving ? !guarded || inUse : guarded) return [];
  const changed = leaving ? finalizers.filter((f) => f !== finalizer) : [...finalizers, finalizer];
  return [update(kind, { ...object, metadata: { ...object.metadata, finalizers: changed } })];
}

export const claimProtectionController = controller<PersistentVolumeClaim, boolean>({
  name: 'pvc-protection',
  component: 'pvc-protection-controller',
  for: persistentVolumeClaims,
  watches: [
    watch(pods, (pod, _cache, { type }) => (type === 'delete' || isTerminal(pod) ? claimsOf(pod) : [])),
  ],
  indexes: ({ informers }) => informers(pods).index(byClaim, claimsOf),
  observe(claim, cache) {
    if (!claim.metadata.deletionTimestamp) return true;
    const key = `${claim.metadata.namespace}/${claim.metadata.name}`;
    // A pod without a node has never used it.
    return cache
      .of(pods)
      .byIndex(byClaim, key)
      .some((pod) => !isTerminal(pod) && !!pod.spec.nodeName);
  },
  reconcile: (claim, inUse) => guard(persistentVolumeClaims, claim, 'kubernetes.io/pvc-protection', inUse),
});

export const volumeProtectionController = controller<PersistentVolume, undefined>({
  name: 'pv-protection',
  component: 'pv-protection-controller',
  for: persistentVolumes,
  observe: () => undefined,
  reconcile: (volume) =>
    guard(persistentVolumes, volume, 'kubernetes.io/pv-protection', volume.status?.phase === 'Bound'),
});
