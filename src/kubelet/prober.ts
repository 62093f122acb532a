// Runs the probes of all containers of the node. One timer serves them all: it is set to the probe that is due first.
import type { Pod, Probe } from '../api/core/v1.gen.ts';
import { CriError } from '../cri/cri.ts';
import type { Timer } from '../machinery/clock.ts';
import { MetricRegistry } from '../machinery/metrics.ts';
import { goDuration } from './backoff.ts';
import { messageOf } from './cri-calls.ts';
import { staticEnvironment } from './environment.ts';
import { expandAll } from './expansion.ts';
import type { ProbeResult } from './host.ts';
import type { Parts } from './kubelet-parts.ts';
import { tell } from './kubelet-parts.ts';
import type { PodRuntime } from './pod-runtime.ts';
import { latest, podIPsOf } from './pod-runtime.ts';
import type { AnyContainer } from './pod-spec.ts';
import { initContainersOf, isHostNetwork, isSidecar, resolvePort } from './pod-spec.ts';
import type { ProbeKind, ProbeState } from './probe-state.ts';
import { afterProbe, firstState } from './probe-state.ts';

interface Worker {
  pod: Pod;
  container: AnyContainer;
  kind: ProbeKind;
  probe: Probe;
  containerId: string;
  startedAtMs: number;
  podIP: string;
  state: ProbeState;
  dueMs: number;
  busy: boolean;
  counts: { successful: number; failed: number; unknown: number };
}

const kinds = ['startup', 'readiness', 'liveness'] as const;
const probeOf = (container: AnyContainer, kind: ProbeKind): Probe | undefined => container[`${kind}Probe`];
const title = { startup: 'Startup', readiness: 'Readiness', liveness: 'Liveness' };
const tries = 3;
const mostOutput = 10_240;

const hasStarted: ProbeState = { verdict: 'success', last: undefined, run: 0, onHold: true };
/** Whether the API already says so: its startup probe is not run again after a restart of the kubelet. */
const hadStarted = ({ status }: Pod, id: string): boolean =>
  [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])].some(
    ({ containerID, started }) => started === true && containerID?.endsWith(id),
  );

export class Prober {
  readonly #parts: Parts;
  /** Told the pod's uid when a verdict has changed. */
  readonly #changed: (podUid: string) => void;
  readonly #startedMs: number;
  readonly #workers = new Map<string, Map<string, Worker>>();
  #timer: Timer | undefined;
  #timerMs = Number.POSITIVE_INFINITY;
  #stopped = false;

  constructor(parts: Parts, changed: (podUid: string) => void) {
    this.#parts = parts;
    this.#changed = changed;
    this.#startedMs = parts.clock.now();
  }

  /**
   * Probes the pod's containers as they are now: new ones from now on, those that are gone no more. Of a pod that is being
   * stopped only readiness is asked.
   */
  follow(pod: Pod, runtime: PodRuntime, stopping = false): void {
    const uid = pod.metadata.uid!;
    const before = this.#workers.get(uid);
    const now = new Map<string, Worker>();
    for (const container of [...initContainersOf(pod).filter(isSidecar), ...pod.spec!.containers]) {
      const state = latest(runtime, container.name);
      if (state?.state !== 'running') continue;
      for (const kind of kinds) {
        const probe = probeOf(container, kind);
        if (!probe || (stopping && kind !== 'readiness')) continue;
        const key = `${kind} ${state.id}`;
        const worker = before?.get(key);
        if (worker) {
          worker.pod = pod;
          now.set(key, worker);
          continue;
        }
        const known = state.startedAtMs < this.#startedMs - 10_000;
        const podIP = isHostNetwork(pod) ? this.#parts.config.nodeIPs[0]! : (podIPsOf(runtime)[0] ?? '');
        now.set(key, {
          ...{ pod, container, kind, probe, containerId: state.id, startedAtMs: state.startedAtMs, podIP },
          state:
            kind === 'startup' && known && hadStarted(pod, state.id) ? hasStarted : firstState(kind, known),
          dueMs: state.startedAtMs + (probe.initialDelaySeconds ?? 0) * 1000,
          busy: false,
          counts: { successful: 0, failed: 0, unknown: 0 },
        });
      }
    }
    if (now.size > 0) this.#workers.set(uid, now);
    else this.#workers.delete(uid);
    this.#arm();
  }

  forget(podUid: string): void {
    this.#workers.delete(podUid);
  }

  /** undefined: there is no such probe, or nothing is known yet of a container that ran before. */
  verdict(podUid: string, kind: ProbeKind, containerId: string): 'success' | 'failure' | undefined {
    return this.#workers.get(podUid)?.get(`${kind} ${containerId}`)?.state.verdict;
  }

  /** How probes of the containers that run now went, as `/metrics/probes` tells it. */
  metrics(): string {
    const registry = new MetricRegistry();
    const total = registry.counter(
      'prober_probe_total',
      'Cumulative number of a liveness, readiness or startup probe for a container by result.',
      ['probe_type', 'result', 'container', 'pod', 'namespace', 'pod_uid'],
      'BETA',
    );
    for (const [uid, workers] of this.#workers)
      for (const { kind, container, pod, counts } of workers.values())
        for (const [result, count] of Object.entries(counts)) {
          if (!count) continue;
          const { name = '', namespace = '' } = pod.metadata;
          total.with(title[kind], result, container.name, name, namespace, uid).inc(count);
        }
    return registry.render();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#workers.clear();
  }

  /** A startup probe holds the other two back. */
  #waits({ pod, kind, container, containerId }: Worker): boolean {
    if (kind === 'startup' || !container.startupProbe) return false;
    return this.verdict(pod.metadata.uid!, 'startup', containerId) !== 'success';
  }

  #arm(): void {
    if (this.#stopped) return;
    let due = Number.POSITIVE_INFINITY;
    for (const workers of this.#workers.values())
      for (const worker of workers.values())
        if (!worker.busy && !worker.state.onHold && !this.#waits(worker)) due = Math.min(due, worker.dueMs);
    if (due === this.#timerMs) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#timerMs = due;
    if (due === Number.POSITIVE_INFINITY) return;
    this.#timer = this.#parts.clock.after(Math.max(0, due - this.#parts.clock.now()), () => {
      this.#timerMs = Number.POSITIVE_INFINITY;
      this.#runDue();
      this.#arm();
    });
  }

  #runDue(): void {
    const now = this.#parts.clock.now();
    for (const workers of this.#workers.values()) {
      for (const worker of workers.values()) {
        if (worker.busy || worker.state.onHold || worker.dueMs > now || this.#waits(worker)) continue;
        worker.busy = true;
        worker.dueMs = now + (worker.probe.periodSeconds ?? 10) * 1000;
        this.#run(worker)
          .catch((error) => this.#parts.log.error('probe broke', { kind: worker.kind, error }))
          .finally(() => {
            worker.busy = false;
            // A probe that took longer than its period is due again at once.
            this.#arm();
          });
      }
    }
  }

  async #run(worker: Worker): Promise<void> {
    const { pod, container, kind } = worker;
    const uid = pod.metadata.uid!;
    const answer = await this.#attempt(worker);
    worker.counts[!answer ? 'unknown' : answer.result === 'failure' ? 'failed' : 'successful']++;
    // The container may have gone, or the pod been deleted, while the probe ran.
    if (this.#workers.get(uid)?.get(`${kind} ${worker.containerId}`) !== worker || !answer) return;
    const warn = (reason: string, text: string) =>
      tell(this.#parts, worker.pod, 'Warning', reason, text, container.name);
    if (answer.result === 'failure') warn('Unhealthy', `${title[kind]} probe failed: ${answer.output}`);
    else if (answer.result === 'warning')
      warn('ProbeWarning', `${title[kind]} probe warning: ${answer.output}`);
    const before = worker.state;
    worker.state = afterProbe(
      before,
      kind,
      worker.probe,
      answer.result === 'failure' ? 'failure' : 'success',
    );
    if (worker.state.verdict !== before.verdict) this.#changed(uid);
  }

  /** undefined when the probe itself could not be carried out: this says nothing about the container. */
  async #attempt(worker: Worker): Promise<ProbeResult | undefined> {
    let failure: unknown;
    for (let i = 0; i < tries; i++) {
      try {
        return await this.#once(worker);
      } catch (error) {
        failure = error;
      }
    }
    const text = `${title[worker.kind]} probe errored and resulted in unknown state: ${messageOf(failure)}`;
    tell(this.#parts, worker.pod, 'Warning', 'Unhealthy', text, worker.container.name);
    return undefined;
  }

  #once({ probe, container, containerId, podIP }: Worker): Promise<ProbeResult> {
    const { host } = this.#parts;
    const timeoutMs = (probe.timeoutSeconds ?? 1) * 1000;
    const { exec, httpGet, tcpSocket, grpc } = probe;
    if (exec)
      return this.#exec(containerId, expandAll(exec.command, staticEnvironment(container)), timeoutMs);
    if (httpGet) {
      const scheme = (httpGet.scheme ?? 'HTTP').toLowerCase() as 'http' | 'https';
      const port = resolvePort(httpGet.port, container);
      const headers = httpGet.httpHeaders ?? [];
      const path = httpGet.path ?? '/';
      return host.httpProbe({
        scheme,
        host: httpGet.host || podIP,
        port,
        path,
        headers,
        timeoutMs,
        agent: 'kube-probe',
      });
    }
    if (tcpSocket)
      return host.tcpProbe(tcpSocket.host || podIP, resolvePort(tcpSocket.port, container), timeoutMs);
    if (grpc) return host.grpcProbe(podIP, grpc.port, grpc.service ?? '', timeoutMs);
    throw new Error('missing probe handler');
  }

  async #exec(containerId: string, cmd: string[], timeoutMs: number): Promise<ProbeResult> {
    const timeout = Math.ceil(timeoutMs / 1000);
    try {
      const { exitCode, stdout, stderr } = await this.#parts.runtime.execSync({ containerId, cmd, timeout });
      const decoder = new TextDecoder();
      const output = (decoder.decode(stdout) + decoder.decode(stderr)).slice(0, mostOutput);
      return { result: exitCode === 0 ? 'success' : 'failure', output };
    } catch (error) {
      if (error instanceof CriError && error.code === 'DEADLINE_EXCEEDED')
        return {
          result: 'failure',
          output: `command timed out: "${cmd.join(' ')}" timed out after ${goDuration(timeoutMs)}`,
        };
      throw error;
    }
  }
}
