// The status of a pod, made anew from the runtime's state each time it is looked at. Pure.
import type { ContainerStatus, Pod, PodCondition, PodStatus } from '../api/core/v1.gen.ts';
import { time } from '../machinery/clock.ts';
import { clone } from '../machinery/meta.ts';
import type { StartFailure } from './container-status.ts';
import { bareId, containerStatuses, lostAtTermination } from './container-status.ts';
import { ownedConditions, podConditions } from './pod-conditions.ts';
import { podPhase } from './pod-phase.ts';
import { qosClass } from './pod-resources.ts';
import type { PodRuntime } from './pod-runtime.ts';
import { latest, podIPsOf } from './pod-runtime.ts';
import type { AnyContainer, ContainerKind } from './pod-spec.ts';
import {
  allContainers,
  ephemeralContainersOf,
  initContainersOf,
  isHostNetwork,
  isSidecar,
  isTerminalPhase,
} from './pod-spec.ts';
import type { Amounts } from './resize.ts';

/** What decides about a pod's status besides spec and runtime. */
export interface StatusInput {
  pod: Pod;
  runtime: PodRuntime;
  /** The status as last written, or the API's. */
  old: PodStatus;
  /** Everything has been stopped, for good. */
  terminal: boolean;
  failure(name: string): StartFailure | undefined;
  actuated(name: string): Amounts | undefined;
  /** What the startup probe says: undefined when it has none. */
  started(container: AnyContainer, id: string): boolean | undefined;
  /** What the readiness probe says: undefined when it has none. */
  ready(container: AnyContainer, id: string): boolean | undefined;
  hostIPs: string[];
  nowMs: number;
  /** The pod was stopped by the node: becomes phase Failed. */
  evicted?: { reason: string; message: string };
  resize?: PodCondition[];
}

const noneIfEmpty = <K extends string, V>(key: K, values: V[]): Partial<Record<K, V[]>> =>
  values.length ? ({ [key]: values } as Record<K, V[]>) : {};

/** A family's first address, the node's own family first: at most one of each. */
export function sortIPs(ips: string[], like: string | undefined): string[] {
  const v6 = like?.includes(':') ?? false;
  const first = ips.find((ip) => ip.includes(':') === v6);
  const second = ips.find((ip) => ip.includes(':') !== v6);
  return [first, second].filter((ip) => ip !== undefined);
}

function setReadiness(input: StatusInput, statuses: ContainerStatus[]): void {
  const byName = new Map([...allContainers(input.pod)].map(([c, kind]) => [c.name, [c, kind] as const]));
  for (const status of statuses) {
    const [container, kind] = byName.get(status.name) as [AnyContainer, ContainerKind];
    if (kind === 'ephemeral') continue;
    const id = bareId(status.containerID);
    const running = status.state?.running !== undefined;
    status.started = running && (input.started(container, id) ?? true);
    if (kind === 'init' && !isSidecar(container)) status.ready = status.state?.terminated?.exitCode === 0;
    else status.ready = running && status.started && (input.ready(container, id) ?? true);
  }
}

/** Keeps the time of a condition that has not changed. */
function withTimes(
  conditions: PodCondition[],
  old: PodCondition[] | undefined,
  nowMs: number,
): PodCondition[] {
  return conditions.map((condition) => {
    const before = old?.find(({ type }) => type === condition.type);
    const kept = before?.status === condition.status ? before.lastTransitionTime : undefined;
    return { ...condition, lastTransitionTime: kept ?? condition.lastTransitionTime ?? time(nowMs) };
  });
}

function phaseOf(
  input: StatusInput,
  all: ContainerStatus[],
): Pick<PodStatus, 'phase' | 'reason' | 'message'> {
  const { pod, runtime, old, evicted } = input;
  if (evicted) return { phase: 'Failed', ...evicted };
  const ran = pod.spec!.containers.some(({ name }) => {
    const state = latest(runtime, name)?.state;
    return state === 'running' || state === 'exited';
  });
  let phase: string = podPhase(pod, all, input.terminal, ran);
  // Nothing leads out of a terminal phase.
  for (const earlier of [old.phase, pod.status?.phase]) if (isTerminalPhase(earlier)) phase = earlier!;
  if (phase !== old.phase) return { phase };
  const reason = old.reason || pod.status?.reason;
  const message = old.message || pod.status?.message;
  return { phase, ...(reason ? { reason } : {}), ...(message ? { message } : {}) };
}

export function podStatus(input: StatusInput): PodStatus {
  const { pod, runtime, old, hostIPs, nowMs } = input;
  const of = (kind: ContainerKind, containers: AnyContainer[], before: ContainerStatus[] | undefined) =>
    containerStatuses({ ...input, kind, containers, old: before ?? [] });
  const regular = of('container', pod.spec!.containers, old.containerStatuses);
  const init = of('init', initContainersOf(pod), old.initContainerStatuses);
  const ephemeral = of('ephemeral', ephemeralContainersOf(pod), old.ephemeralContainerStatuses);
  // The phase of a pod with sidecars depends on whether they have started.
  setReadiness(input, [...regular, ...init]);
  const phase = phaseOf(input, [...regular, ...init]);
  const kept = (pod.status?.conditions ?? []).filter(({ type }) => !ownedConditions.includes(type));
  for (const condition of old.conditions ?? [])
    if (condition.type === 'DisruptionTarget' && !kept.some(({ type }) => type === condition.type))
      kept.push(condition);
  kept.push(...(input.resize ?? []));
  const conditions = podConditions({
    pod,
    runtime,
    statuses: [...init, ...regular],
    phase: phase.phase!,
    kept,
  });
  let ips = sortIPs(podIPsOf(runtime), hostIPs[0]);
  // A pod that has ended keeps the address that it had.
  if (ips.length === 0 && input.terminal) ips = (old.podIPs ?? []).map(({ ip }) => ip);
  if (ips.length === 0 && isHostNetwork(pod)) ips = hostIPs;
  return {
    ...(pod.metadata.generation ? { observedGeneration: pod.metadata.generation } : {}),
    ...phase,
    conditions: withTimes(conditions, old.conditions, nowMs),
    hostIP: hostIPs[0],
    hostIPs: hostIPs.map((ip) => ({ ip })),
    ...(ips.length ? { podIP: ips[0], podIPs: ips.map((ip) => ({ ip })) } : {}),
    startTime: old.startTime ?? pod.status?.startTime ?? time(nowMs),
    ...noneIfEmpty('initContainerStatuses', init),
    containerStatuses: regular,
    ...noneIfEmpty('ephemeralContainerStatuses', ephemeral),
    qosClass: qosClass(pod),
  };
}

/** The last status of a pod of which nothing is left: whoever has not been seen to end is called lost, the phase is final. */
export function finalStatus(pod: Pod, status: PodStatus): PodStatus {
  const final = clone(status);
  const inits = final.initContainerStatuses ?? [];
  const ranAny = final.containerStatuses?.some((s) => s.lastState?.terminated || !s.state?.waiting);
  const lastInit = inits.at(-1);
  const initialized = inits.length === 0 || ranAny || lastInit?.state?.terminated?.exitCode === 0;
  if (initialized) {
    for (const container of final.containerStatuses ?? [])
      if (!container.state?.terminated) container.state = lostAtTermination;
  }
  const reached = inits.findLastIndex(
    (s) => s.state?.terminated || s.state?.running || s.lastState?.terminated,
  );
  for (const [i, container] of inits.entries())
    if (i <= reached && !container.state?.terminated) container.state = lostAtTermination;
  for (const container of [...inits, ...(final.containerStatuses ?? [])]) {
    if (container.state?.terminated) container.started = false;
    const spec = initContainersOf(pod).find(({ name }) => name === container.name);
    container.ready = spec !== undefined && !isSidecar(spec) && container.state?.terminated?.exitCode === 0;
  }
  if (!isTerminalPhase(final.phase)) final.phase = 'Failed';
  for (const condition of final.conditions ?? []) {
    if (condition.status !== 'True' || !['Ready', 'ContainersReady'].includes(condition.type)) continue;
    condition.status = 'False';
    condition.reason = final.phase === 'Failed' ? 'PodFailed' : 'PodCompleted';
  }
  return final;
}
