import type { Node, NodeCondition, Taint } from '../../../api/core/v1.gen.ts';
import { time } from '../../../machinery/clock.ts';

export const taintKey = {
  notReady: 'node.kubernetes.io/not-ready',
  unreachable: 'node.kubernetes.io/unreachable',
  unschedulable: 'node.kubernetes.io/unschedulable',
  memoryPressure: 'node.kubernetes.io/memory-pressure',
  diskPressure: 'node.kubernetes.io/disk-pressure',
  pidPressure: 'node.kubernetes.io/pid-pressure',
  networkUnavailable: 'node.kubernetes.io/network-unavailable',
};

const watched = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure'];

export const nodeCondition = (node: Node, type: string): NodeCondition | undefined =>
  node.status?.conditions?.find((c) => c.type === type);

/** `True`, `False`, or `Unknown` (also where the node never said). */
export const readiness = (node: Node): string => nodeCondition(node, 'Ready')?.status ?? 'Unknown';

/** Conditions of a node of which nothing is heard any more. Undefined when they say so already. */
export function lostConditions(node: Node, nowMs: number): NodeCondition[] | undefined {
  const before = node.status?.conditions ?? [];
  const now = time(nowMs);
  const lost = watched.map((type): NodeCondition => {
    const old = before.find((c) => c.type === type);
    if (old?.status === 'Unknown') return old;
    const never = { reason: 'NodeStatusNeverUpdated', message: 'Kubelet never posted node status.' };
    if (!old) {
      const lastHeartbeatTime = node.metadata.creationTimestamp;
      return { type, status: 'Unknown', ...never, lastHeartbeatTime, lastTransitionTime: now };
    }
    const reason = 'NodeStatusUnknown';
    return {
      ...old,
      status: 'Unknown',
      reason,
      message: 'Kubelet stopped posting node status.',
      lastTransitionTime: now,
    };
  });
  if (lost.every((c) => before.includes(c))) return undefined;
  return [...before.filter((c) => !watched.includes(c.type)), ...lost];
}

/** Taints by which a node's conditions keep new pods away. */
function noScheduleKeys(node: Node): Set<string> {
  const keys = new Set<string>();
  const is = (type: string, status: string) => nodeCondition(node, type)?.status === status;
  if (is('Ready', 'False')) keys.add(taintKey.notReady);
  if (is('Ready', 'Unknown')) keys.add(taintKey.unreachable);
  if (is('MemoryPressure', 'True')) keys.add(taintKey.memoryPressure);
  if (is('DiskPressure', 'True')) keys.add(taintKey.diskPressure);
  if (is('PIDPressure', 'True')) keys.add(taintKey.pidPressure);
  if (is('NetworkUnavailable', 'True')) keys.add(taintKey.networkUnavailable);
  if (node.spec.unschedulable) keys.add(taintKey.unschedulable);
  return keys;
}

const managedNoSchedule = new Set(Object.values(taintKey));
const managedNoExecute = new Set([taintKey.notReady, taintKey.unreachable]);

/**
 * The taints that a node should have; the very same array when it has them. `evict`: pods may be driven away (too many nodes
 * lost at once rather means that something else is broken).
 */
export function wantedTaints(node: Node, evict: boolean, nowMs: number): Taint[] {
  const before = node.spec.taints ?? [];
  const noSchedule = noScheduleKeys(node);
  const status = nodeCondition(node, 'Ready')?.status;
  const noExecute =
    status === 'False' ? taintKey.notReady : status === 'Unknown' ? taintKey.unreachable : undefined;
  const kept = before.filter((taint) => {
    if (taint.effect === 'NoSchedule' && managedNoSchedule.has(taint.key)) return noSchedule.has(taint.key);
    if (taint.effect === 'NoExecute' && managedNoExecute.has(taint.key)) return taint.key === noExecute;
    return true;
  });
  const has = (key: string, effect: string) => kept.some((t) => t.key === key && t.effect === effect);
  const timeAdded = time(nowMs);
  const added: Taint[] = [];
  for (const key of noSchedule)
    if (!has(key, 'NoSchedule')) added.push({ key, effect: 'NoSchedule', timeAdded });
  if (noExecute && evict && !has(noExecute, 'NoExecute'))
    added.push({ key: noExecute, effect: 'NoExecute', timeAdded });
  return kept.length === before.length && added.length === 0 ? before : [...kept, ...added];
}
