import { isTolerated } from '../../api/core/node-selection.ts';
import type { Toleration } from '../../api/core/v1.gen.ts';
import { fits, never, plugin, skip } from '../framework.ts';

const rejection = never('node(s) had untolerated taint(s)');

/** Taints keep pods away that do not tolerate them; PreferNoSchedule only makes a node less liked. */
export const taintToleration = plugin<undefined, Toleration[]>({
  name: 'TaintToleration',
  wakeOn: ['node/add', 'node/taints', 'pod/self'],
  filter(pod, node) {
    for (const taint of node.taints) if (!isTolerated(pod.pod.spec.tolerations, taint)) return rejection;
    return fits;
  },
  preScore(pod, _nodes, { cache }) {
    if (!cache.hasSoftTaints) return skip;
    return (pod.pod.spec.tolerations ?? []).filter((t) => !t.effect || t.effect === 'PreferNoSchedule');
  },
  score(_pod, node, tolerations) {
    let bad = 0;
    for (const taint of node.softTaints) if (!isTolerated(tolerations, taint)) bad++;
    return bad;
  },
  normalize: 'lowest-wins',
  weight: 3,
});
