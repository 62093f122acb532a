// How `kubectl get pods` shows a pod. The order of the cases matters: the first problem from the left is what one sees.
import { age, humanDuration } from '../define.ts';
import { isSidecar } from './containers.ts';
import type { ContainerStatus, Pod, PodStatus } from './v1.gen.ts';

interface Summary {
  reason: string;
  restarts: number;
  /** Milliseconds since the epoch, 0 when none restarted. */
  lastRestart: number;
  ready: number;
  total: number;
}

const NONE = '<none>';

const isTrue = (status: PodStatus, type: string): boolean =>
  status.conditions?.some((c) => c.type === type && c.status === 'True') ?? false;

class Restarts {
  count = 0;
  last = 0;
  add({ restartCount, lastState }: ContainerStatus): void {
    this.count += restartCount ?? 0;
    const finished = lastState?.terminated?.finishedAt;
    if (finished) this.last = Math.max(this.last, Date.parse(finished));
  }
}

/** `OOMKilled`, else `Signal:9`, else `ExitCode:1`. */
function endReason({ state }: ContainerStatus): string {
  const { reason, signal, exitCode } = state!.terminated!;
  return reason || (signal ? `Signal:${signal}` : `ExitCode:${exitCode}`);
}

/** The phase, or what keeps the pod from it: what one sees under STATUS, READY and RESTARTS. */
export function summarizePod({ spec, status = {}, metadata }: Pod): Summary {
  let reason = status.reason || status.phase || '';
  if (status.conditions?.some((c) => c.type === 'PodScheduled' && c.reason === 'SchedulingGated'))
    reason = 'SchedulingGated';
  const sidecars = new Set((spec.initContainers ?? []).filter(isSidecar).map((c) => c.name));
  const all = new Restarts();
  const ofSidecars = new Restarts();
  let ready = 0;
  let initializing = '';
  const inits = status.initContainerStatuses ?? [];
  for (let i = 0; i < inits.length && !initializing; i++) {
    const container = inits[i]!;
    all.add(container);
    if (sidecars.has(container.name)) ofSidecars.add(container);
    const { terminated, waiting } = container.state ?? {};
    if (terminated?.exitCode === 0) continue;
    if (sidecars.has(container.name) && container.started) {
      if (container.ready) ready++;
    } else if (terminated) initializing = `Init:${endReason(container)}`;
    else if (waiting?.reason && waiting.reason !== 'PodInitializing') initializing = `Init:${waiting.reason}`;
    else initializing = `Init:${i}/${spec.initContainers?.length ?? 0}`;
  }
  let restarts = all;
  if (initializing) reason = initializing;
  if (!initializing || isTrue(status, 'Initialized')) {
    restarts = ofSidecars;
    let running = false;
    for (const container of [...(status.containerStatuses ?? [])].reverse()) {
      restarts.add(container);
      const { waiting, terminated, running: runs } = container.state ?? {};
      if (waiting?.reason) reason = waiting.reason;
      else if (terminated) reason = endReason(container);
      else if (container.ready && runs) {
        running = true;
        ready++;
      }
    }
    if (reason === 'Completed' && running) reason = isTrue(status, 'Ready') ? 'Running' : 'NotReady';
  }
  const finished = status.phase === 'Succeeded' || status.phase === 'Failed';
  if (metadata.deletionTimestamp && status.reason === 'NodeLost') reason = 'Unknown';
  else if (metadata.deletionTimestamp && !finished) reason = 'Terminating';
  const total = (spec.containers?.length ?? 0) + sidecars.size;
  return { reason, restarts: restarts.count, lastRestart: restarts.last, ready, total };
}

function readinessGates({ spec, status }: Pod): string {
  const gates = spec.readinessGates ?? [];
  if (!gates.length) return NONE;
  const met = gates.filter(({ conditionType }) => status && isTrue(status, conditionType));
  return `${met.length}/${gates.length}`;
}

export const podColumns: Record<string, (pod: Pod, nowMs: number) => string> = {
  Ready: (pod) => {
    const { ready, total } = summarizePod(pod);
    return `${ready}/${total}`;
  },
  Status: (pod) => summarizePod(pod).reason,
  Restarts: (pod, nowMs) => {
    const { restarts, lastRestart } = summarizePod(pod);
    return restarts && lastRestart
      ? `${restarts} (${humanDuration(nowMs - lastRestart)} ago)`
      : String(restarts);
  },
  Age: age,
  IP: ({ status }) => status?.podIPs?.[0]?.ip || NONE,
  Node: ({ spec }) => spec.nodeName || NONE,
  'Nominated Node': ({ status }) => status?.nominatedNodeName || NONE,
  'Readiness Gates': readinessGates,
};
