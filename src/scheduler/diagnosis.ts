import type { Rejection } from './framework.ts';
import type { NodeInfo } from './node-info.ts';

export interface NodeRejection extends Rejection {
  node: NodeInfo;
  plugin: string;
}

/** Why no node takes a pod. */
export interface Diagnosis {
  totalNodes: number;
  /** Rejected before any node was looked at; then `nodes` is empty. */
  whole?: Rejection;
  nodes: NodeRejection[];
  /** Nodes left out because a plugin named the only ones that can do; these plugins. */
  leftOutBy: string[];
  plugins: Set<string>;
}

/** `1 Insufficient cpu, 2 node(s) were unschedulable`, in the order of the text. */
function histogram(reasons: Iterable<[string, number]>): string {
  return [...reasons]
    .map(([reason, n]) => `${n} ${reason}`)
    .sort((a, b) => (a < b ? -1 : 1))
    .join(', ');
}

export const available = (total: number, reasons: string): string =>
  `0/${total} nodes are available:${reasons ? ` ${reasons}.` : ''}`;

/** How many nodes were rejected for what. */
export function reasonCounts(diagnosis: Diagnosis): Map<string, number> {
  const counts = new Map<string, number>();
  const count = (reason: string, n: number) => counts.set(reason, (counts.get(reason) ?? 0) + n);
  for (const { reasons } of diagnosis.nodes) for (const reason of reasons) count(reason, 1);
  const leftOut = diagnosis.totalNodes - diagnosis.nodes.length;
  if (diagnosis.leftOutBy.length > 0 && leftOut > 0) {
    count(`node(s) didn't satisfy plugin(s) [${diagnosis.leftOutBy.join(' ')}]`, leftOut);
  }
  return counts;
}

/** The message of the FailedScheduling event and of the PodScheduled condition. */
export function diagnosisMessage(diagnosis: Diagnosis, preemption: string): string {
  if (diagnosis.totalNodes === 0) return 'no nodes available to schedule pods';
  const reasons = diagnosis.whole ? diagnosis.whole.reasons.join(', ') : histogram(reasonCounts(diagnosis));
  return available(diagnosis.totalNodes, reasons) + (preemption ? ` ${preemption}` : '');
}

/** What preemption has to say, node by node. */
export const preemptionMessage = (total: number, reasons: Map<string, number>): string =>
  `preemption: ${available(total, histogram(reasons))}`;
