import { nodeTermsMatch } from '../../api/core/node-selection.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '../../api/core/v1.gen.ts';
import { fits, never, plugin, Rejected, skip, type View } from '../framework.ts';
import type { NodeInfo } from '../node-info.ts';
import type { PodInfo } from '../pod-info.ts';
import { claimNames, classOf, noProvisioner } from '../volumes.ts';

const wrongNode = never("node(s) didn't match PersistentVolume's node affinity");
const nothingToBind = never("node(s) didn't find available persistent volumes to bind");

export interface VolumePlan {
  bound: PersistentVolume[];
  /** Claims that wait for the pod's node before they are bound. */
  waiting: { claim: PersistentVolumeClaim; candidates: PersistentVolume[]; provisions: boolean }[];
}

export const allows = (volume: PersistentVolume, node: NodeInfo): boolean => {
  const terms = volume.spec?.nodeAffinity?.required?.nodeSelectorTerms;
  return !terms || nodeTermsMatch(terms, node.name, node.labels);
};

/** What the pod's claims ask of a node; a text where the pod cannot go anywhere yet. */
export function planVolumes(pod: PodInfo, { volumes }: Pick<View, 'volumes'>): VolumePlan | string {
  const plan: VolumePlan = { bound: [], waiting: [] };
  for (const { name, ephemeral } of claimNames(pod.pod)) {
    const claim = volumes.claim(name, pod.namespace);
    if (!claim) {
      if (ephemeral)
        return `waiting for ephemeral volume controller to create the persistentvolumeclaim "${name}"`;
      return `persistentvolumeclaim "${name}" not found`;
    }
    if (claim.metadata.deletionTimestamp) return `persistentvolumeclaim "${name}" is being deleted`;
    if (claim.status?.phase === 'Lost') {
      return `persistentvolumeclaim "${name}" bound to non-existent persistentvolume "${claim.spec?.volumeName}"`;
    }
    const isBound = claim.spec?.volumeName && claim.metadata.annotations?.['pv.kubernetes.io/bind-completed'];
    if (isBound) {
      const volume = volumes.volume(claim.spec!.volumeName!);
      if (!volume) return 'node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)';
      plan.bound.push(volume);
      continue;
    }
    const storageClass = volumes.storageClass(classOf(claim));
    if (storageClass?.volumeBindingMode !== 'WaitForFirstConsumer' || claim.spec?.volumeName) {
      return 'pod has unbound immediate PersistentVolumeClaims';
    }
    const provisions = storageClass.provisioner !== noProvisioner;
    plan.waiting.push({ claim, candidates: volumes.candidates(claim), provisions });
  }
  return plan;
}

/** The volume that each waiting claim would get on the node; undefined where one would get none. */
export function choose(
  plan: VolumePlan,
  node: NodeInfo,
): Map<PersistentVolumeClaim, PersistentVolume | 'provision'> | undefined {
  const chosen = new Map<PersistentVolumeClaim, PersistentVolume | 'provision'>();
  const taken = new Set<PersistentVolume>();
  for (const { claim, candidates, provisions } of plan.waiting) {
    const volume = candidates.find((v) => !taken.has(v) && allows(v, node));
    if (volume) taken.add(volume);
    else if (!provisions) return undefined;
    chosen.set(claim, volume ?? 'provision');
  }
  return chosen;
}

/** A node can have the pod's volumes: those bound already, and those that are bound once a node is known. */
export const volumeBinding = plugin<VolumePlan>({
  name: 'VolumeBinding',
  wakeOn: ['node/add', 'node/labels', 'volume'],
  preFilter(pod, view) {
    if (!pod.pod.spec.volumes?.some((v) => v.persistentVolumeClaim || v.ephemeral)) return skip;
    const plan = planVolumes(pod, view);
    return typeof plan === 'string' ? new Rejected(never(plan)) : plan;
  },
  filter(_pod, node, plan) {
    if (!plan.bound.every((volume) => allows(volume, node))) return wrongNode;
    return choose(plan, node) ? fits : nothingToBind;
  },
});
