// https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-phase
import type { ContainerStatus, Pod } from '../api/core/v1.gen.ts';
import { initContainersOf, isSidecar } from './pod-spec.ts';
import { restartsAfter } from './restart-policy.ts';

export type Phase = 'Pending' | 'Running' | 'Succeeded' | 'Failed';

interface Counts {
  pendingInit: number;
  pendingSidecar: number;
  failedInit: number;
  running: number;
  waiting: number;
  unknown: number;
  stopped: number;
  succeeded: number;
  final: number;
}

function countInit(pod: Pod, statuses: Map<string, ContainerStatus>, counts: Counts): void {
  for (const container of initContainersOf(pod)) {
    const status = statuses.get(container.name);
    const { running, terminated, waiting } = status?.state ?? {};
    const ended = terminated ?? (waiting ? status?.lastState?.terminated : undefined);
    if (isSidecar(container)) {
      if (running) {
        counts.running++;
        if (!status!.started) counts.pendingSidecar++;
      } else if (waiting && !ended) {
        counts.pendingSidecar++;
        counts.waiting++;
      } else if (!ended) {
        counts.pendingSidecar += status ? 1 : 0;
        counts.unknown++;
      }
    } else if (!ended) counts.pendingInit++;
    else if (ended.exitCode !== 0 && !restartsAfter(pod, container, ended.exitCode)) counts.failedInit++;
    else if (ended.exitCode !== 0) counts.pendingInit++;
  }
}

function countRegular(pod: Pod, statuses: Map<string, ContainerStatus>, counts: Counts): void {
  for (const container of pod.spec!.containers) {
    const status = statuses.get(container.name);
    const { running, terminated, waiting } = status?.state ?? {};
    const ended = terminated ?? (waiting ? status?.lastState?.terminated : undefined);
    if (running) counts.running++;
    else if (ended) {
      counts.stopped++;
      if (!restartsAfter(pod, container, ended.exitCode)) counts.final++;
      if (terminated?.exitCode === 0) counts.succeeded++;
    } else if (waiting) counts.waiting++;
    else counts.unknown++;
  }
}

/**
 * The phase that the containers' statuses make. `terminal`: everything has been stopped for good. `initialized`: a regular
 * container has run, so a restarting sidecar does not put the pod back to Pending.
 */
export function podPhase(pod: Pod, all: ContainerStatus[], terminal: boolean, initialized: boolean): Phase {
  const statuses = new Map(all.map((status) => [status.name, status]));
  const zero = { pendingInit: 0, pendingSidecar: 0, failedInit: 0, running: 0, waiting: 0, unknown: 0 };
  const counts: Counts = { ...zero, stopped: 0, succeeded: 0, final: 0 };
  countInit(pod, statuses, counts);
  countRegular(pod, statuses, counts);
  const { running, waiting, unknown, stopped, succeeded } = counts;
  if (counts.failedInit > 0) return 'Failed';
  if (counts.pendingInit > 0 || (counts.pendingSidecar > 0 && !initialized) || waiting > 0) return 'Pending';
  if (running > 0 && unknown === 0) return 'Running';
  if (running > 0 || stopped === 0 || unknown > 0) return 'Pending';
  if (!terminal && stopped !== counts.final) return 'Running';
  return stopped === succeeded ? 'Succeeded' : 'Failed';
}
