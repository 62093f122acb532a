import { fits, plugin, type Verdict } from '../framework.ts';
import type { NodeInfo } from '../node-info.ts';
import type { PodInfo } from '../pod-info.ts';

/** What the node lacks. `resolvable` unless the pod would not even fit on the empty node. */
function shortage(pod: PodInfo, node: NodeInfo): Verdict {
  const { requests } = pod;
  const { allocatable, requested } = node;
  const reasons: string[] = [];
  let hopeless = false;
  const check = (name: string, wanted: number, has: number, used: number) => {
    if (wanted <= 0 || wanted <= has - used) return;
    reasons.push(`Insufficient ${name}`);
    if (wanted > has) hopeless = true;
  };
  if (node.pods.size + 1 > node.allowedPods) {
    reasons.push('Too many pods');
    if (node.allowedPods < 1) hopeless = true;
  }
  check('cpu', requests.milliCpu, allocatable.milliCpu, requested.milliCpu);
  check('memory', requests.memoryBytes, allocatable.memoryBytes, requested.memoryBytes);
  check('ephemeral-storage', requests.ephemeralBytes, allocatable.ephemeralBytes, requested.ephemeralBytes);
  for (const [name, wanted] of requests.scalars ?? [])
    check(name, wanted, allocatable.scalars?.get(name) ?? 0, requested.scalars?.get(name) ?? 0);
  return reasons.length > 0 ? { reasons, resolvable: !hopeless } : fits;
}

const free = (wanted: number, has: number): number =>
  has === 0 || wanted > has ? 0 : ((has - wanted) * 100) / has;

/** What the pod asks for is there; nodes with the most left over are liked best. */
export const nodeResourcesFit = plugin({
  name: 'NodeResourcesFit',
  wakeOn: ['node/add', 'node/allocatable', 'pod/delete', 'pod/resize', 'pod/self'],
  filter(pod, node) {
    const { requests } = pod;
    const { allocatable, requested } = node;
    // The common case first, without making anything.
    if (
      requests.scalars === undefined &&
      node.pods.size < node.allowedPods &&
      requests.milliCpu <= allocatable.milliCpu - requested.milliCpu &&
      requests.memoryBytes <= allocatable.memoryBytes - requested.memoryBytes &&
      requests.ephemeralBytes <= allocatable.ephemeralBytes - requested.ephemeralBytes
    )
      return fits;
    return shortage(pod, node);
  },
  /** Least allocated: the mean of what would be left of cpu and of memory, in percent. */
  score({ scored }, { allocatable, scored: used }) {
    const cpu = free(used.milliCpu + scored.milliCpu, allocatable.milliCpu);
    const memory = free(used.memoryBytes + scored.memoryBytes, allocatable.memoryBytes);
    return Math.floor((Math.floor(cpu) + Math.floor(memory)) / 2);
  },
});
