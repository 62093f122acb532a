import type { Pod } from '../../api/core/v1.gen.ts';
import { isReady, readySince } from './pod-state.ts';

const phaseRank: Record<string, number> = { Pending: 0, Unknown: 1, Running: 2 };

/** The `controller.kubernetes.io/pod-deletion-cost` annotation; 0 where it is absent or not a number. */
function deletionCost(pod: Pod): number {
  const text = pod.metadata.annotations?.['controller.kubernetes.io/pod-deletion-cost'];
  return text && /^(0|[+-]?[1-9]\d*)$/.test(text) ? Number(text) : 0;
}

const restarts = (pod: Pod): number =>
  Math.max(0, ...(pod.status?.containerStatuses ?? []).map((c) => c.restartCount ?? 0));

/** Ages in powers of two: pods of about the same age are not told apart by it. */
const ageRank = (sinceMs: number, nowMs: number): number =>
  Math.floor(Math.log2(Math.max(1, nowMs - sinceMs)));

/**
 * Whom a scale-down takes first. The criteria in order, each only where the ones before are equal:
 * unassigned before assigned; pending, unknown, running; not ready before ready; lower deletion cost; more siblings on the
 * same node; ready for less long; more restarts; younger.
 * https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/#scaling-a-replicaset
 */
export function byDeletionPreference(
  siblingsByNode: Map<string, number>,
  nowMs: number,
): (a: Pod, b: Pod) => number {
  const siblings = (pod: Pod) => siblingsByNode.get(pod.spec.nodeName ?? '') ?? 0;
  const criteria: ((pod: Pod) => number)[] = [
    (pod) => (pod.spec.nodeName ? 1 : 0),
    (pod) => phaseRank[pod.status?.phase ?? 'Pending'] ?? 0,
    (pod) => (isReady(pod) ? 1 : 0),
    deletionCost,
    (pod) => -siblings(pod),
    (pod) => (isReady(pod) ? ageRank(readySince(pod), nowMs) : 0),
    (pod) => -restarts(pod),
    (pod) => ageRank(Date.parse(pod.metadata.creationTimestamp ?? '') || nowMs, nowMs),
  ];
  return (a, b) => {
    for (const criterion of criteria) {
      const difference = criterion(a) - criterion(b);
      if (difference !== 0) return difference;
    }
    return (a.metadata.uid ?? '') < (b.metadata.uid ?? '') ? -1 : 1;
  };
}
