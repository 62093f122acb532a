// The conditions of a pod that the kubelet owns.
// https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-conditions
import type { ContainerStatus, Pod, PodCondition } from '../api/core/v1.gen.ts';
import type { PodRuntime } from './pod-runtime.ts';
import { judgeSandbox } from './pod-runtime.ts';
import { initContainersOf, isHostNetwork, isSidecar, isTerminalPhase } from './pod-spec.ts';

export const ownedConditions = [
  'PodReadyToStartContainers',
  'Initialized',
  'Ready',
  'ContainersReady',
  'PodScheduled',
  'PodResizePending',
  'PodResizeInProgress',
];

type Verdict = Pick<PodCondition, 'status' | 'reason' | 'message'>;
const isTrue: Verdict = { status: 'True' };
const isFalse = (reason: string, message?: string): Verdict => ({
  status: 'False',
  reason,
  ...(message ? { message } : {}),
});

const list = (names: string[]): string => `[${names.join(' ')}]`;
const complaint = (unknown: string[], poor: string[], word: string): string =>
  [
    ...(unknown.length ? [`containers with unknown status: ${list(unknown)}`] : []),
    ...(poor.length ? [`containers with ${word} status: ${list(poor)}`] : []),
  ].join(', ');

const ended = (phase: string): Verdict => isFalse(phase === 'Failed' ? 'PodFailed' : 'PodCompleted');

function containersReady(pod: Pod, statuses: Map<string, ContainerStatus>, phase: string): Verdict {
  const counted = [...initContainersOf(pod).filter(isSidecar), ...pod.spec!.containers].map(
    ({ name }) => name,
  );
  const unknown = counted.filter((name) => !statuses.has(name));
  const unready = counted.filter((name) => statuses.get(name)?.ready === false);
  if (phase === 'Failed' || (phase === 'Succeeded' && unknown.length === 0)) return ended(phase);
  const message = complaint(unknown, unready, 'unready');
  return message ? isFalse('ContainersNotReady', message) : isTrue;
}

function ready(pod: Pod, containers: Verdict, conditions: PodCondition[]): Verdict {
  if (containers.status !== 'True') return containers;
  const missing = (pod.spec!.readinessGates ?? []).flatMap(({ conditionType }) => {
    const condition = conditions.find(({ type }) => type === conditionType);
    if (!condition)
      return [`corresponding condition of pod readiness gate "${conditionType}" does not exist.`];
    if (condition.status === 'True') return [];
    return [`the status of pod readiness gate "${conditionType}" is not "True", but ${condition.status}`];
  });
  return missing.length ? isFalse('ReadinessGatesNotReady', missing.join(', ')) : isTrue;
}

function initialized(pod: Pod, statuses: Map<string, ContainerStatus>, phase: string): Verdict {
  const unknown: string[] = [];
  const incomplete: string[] = [];
  for (const container of initContainersOf(pod)) {
    const status = statuses.get(container.name);
    if (!status) unknown.push(container.name);
    else if (isSidecar(container) ? !status.started : !status.ready) incomplete.push(container.name);
  }
  if (phase === 'Succeeded' && unknown.length === 0) return { status: 'True', reason: 'PodCompleted' };
  const ran = pod.spec!.containers.some(({ name }) => {
    const status = statuses.get(name);
    return (
      status?.started || status?.state?.running || status?.state?.terminated || status?.lastState?.terminated
    );
  });
  const message = complaint(unknown, incomplete, 'incomplete');
  return ran || !message ? isTrue : isFalse('ContainersNotInitialized', message);
}

export interface ConditionInput {
  pod: Pod;
  runtime: PodRuntime;
  statuses: ContainerStatus[];
  phase: string;
  /** Conditions of others (readiness gates, disruption), which are kept. */
  kept: PodCondition[];
}

/** All conditions, without times. A pod that has ended is not ready, whatever its containers say. */
export function podConditions({ pod, runtime, statuses, phase, kept }: ConditionInput): PodCondition[] {
  const byName = new Map(statuses.map((status) => [status.name, status]));
  const observedGeneration = pod.metadata.generation;
  const made = (type: string, verdict: Verdict): PodCondition => ({
    type,
    ...verdict,
    ...(observedGeneration ? { observedGeneration } : {}),
  });
  let containers = containersReady(pod, byName, phase);
  let all = ready(pod, containers, kept);
  if (isTerminalPhase(phase) && containers.status === 'True') containers = all = ended(phase);
  const network = judgeSandbox(runtime, isHostNetwork(pod)).changed ? { status: 'False' } : isTrue;
  return [
    ...kept,
    made('PodReadyToStartContainers', network),
    made('Initialized', initialized(pod, byName, phase)),
    made('Ready', all),
    made('ContainersReady', containers),
    made('PodScheduled', isTrue),
  ];
}
