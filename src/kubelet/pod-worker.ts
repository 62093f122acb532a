// Looks after one pod, from the moment it is bound to this node until nothing of it is left.
//
//   running ----> stopping ----> cleaning ----> done
//   sync again    containers,    volumes,       the final status is written, and the API's object
//   and again     sandbox        cgroup         deleted when that was asked for
//
// One thing at a time: whatever happens meanwhile is seen by the next round. Only being told to stop interrupts a round.
import type { Pod, PodCondition, PodStatus } from '../api/core/v1.gen.ts';
import type { Timer } from '../machinery/clock.ts';
import { equal } from '../machinery/meta.ts';
import { messageOf } from './cri-calls.ts';
import { podNameOf, tell, traced } from './kubelet-parts.ts';
import { computePodActions } from './pod-actions.ts';
import type { PodContext } from './pod-context.ts';
import { planInput } from './pod-context.ts';
import { applyActions } from './pod-hands.ts';
import { PodResize } from './pod-resize.ts';
import { podCgroup, podCgroupSettings } from './pod-resources.ts';
import type { PodRuntime } from './pod-runtime.ts';
import { latest, podIPsOf } from './pod-runtime.ts';
import { allContainers, graceSecondsOf, isHostNetwork, isTerminalPhase } from './pod-spec.ts';
import { finalStatus, podStatus } from './pod-status.ts';
import type { StatusWriter } from './status-writer.ts';
import { stopPod } from './stop-pod.ts';
import { MountError, PodVolumes } from './volumes/pod-volumes.ts';

/** What the workers of one kubelet share. */
export interface WorkerShared extends Pick<PodContext, 'parts' | 'images' | 'view' | 'prober' | 'tokens'> {
  statuses: StatusWriter;
  /** Why pods cannot have a network yet; undefined when they can. */
  networkProblem(): string | undefined;
  /** The pods that hold resources here, as granted; without this one. */
  otherPods(uid: string): Pod[];
  /** It has come to its end. */
  done(worker: PodWorker): void;
}

type Stage = 'running' | 'stopping' | 'cleaning' | 'done';

export interface Eviction {
  reason: string;
  message: string;
}

const resyncMs = 60_000;
const errorRetryMs = 10_000;
const firstPeekMs = 100;
const lastPeekMs = 1000;

/** Whether a change of the object has anything to say to the kubelet. */
function concerns(before: Pod, now: Pod): boolean {
  const gates = (pod: Pod) =>
    (pod.spec!.readinessGates ?? []).map(
      ({ conditionType }) => pod.status?.conditions?.find(({ type }) => type === conditionType)?.status,
    );
  const { labels, annotations, deletionTimestamp, deletionGracePeriodSeconds } = before.metadata;
  const meta = now.metadata;
  return (
    deletionTimestamp !== meta.deletionTimestamp ||
    deletionGracePeriodSeconds !== meta.deletionGracePeriodSeconds ||
    isTerminalPhase(before.status?.phase) !== isTerminalPhase(now.status?.phase) ||
    !equal(before.spec, now.spec) ||
    !equal(labels, meta.labels) ||
    !equal(annotations, meta.annotations) ||
    !equal(gates(before), gates(now))
  );
}

export class PodWorker {
  readonly uid: string;
  readonly #shared: WorkerShared;
  readonly #context: PodContext;
  readonly #resize: PodResize;
  #pod: Pod;
  #stage: Stage = 'running';
  #eviction: Eviction | undefined;
  #prepared = false;
  #ready = false;
  #mountFailures = 0;
  #dirty = false;
  #running = false;
  #stopped = false;
  #abort = new AbortController();
  #peek: Timer | undefined;
  /** The API has it no more. */
  gone = false;
  /** When to look again although nothing has happened. */
  wakeAtMs = Number.POSITIVE_INFINITY;

  constructor(shared: WorkerShared, pod: Pod) {
    const { parts, images, view, prober, tokens } = shared;
    const name = podNameOf(pod);
    this.uid = name.uid;
    this.#shared = shared;
    this.#pod = pod;
    const volumes = new PodVolumes(parts.host, name.uid);
    const kept = { failures: new Map(), actuated: new Map(), allocation: {} };
    this.#context = { parts, name, images, view, prober, tokens, volumes, ...kept };
    this.#resize = new PodResize(this.#context, pod);
    traced(parts, name, 5, 'pod seen');
    if (pod.metadata.deletionTimestamp) this.#beginStop();
  }

  get pod(): Pod {
    return this.#pod;
  }
  get stage(): Stage {
    return this.#stage;
  }
  /** With the resources that were granted. */
  get granted(): Pod {
    return this.#resize.granted(this.#pod);
  }

  /** Room that others leave may let it go on. */
  get waitsForRoom(): boolean {
    return this.#resize.waiting;
  }

  update(pod: Pod): void {
    const before = this.#pod;
    const graceBefore = graceSecondsOf(before);
    const wasDeleted = this.#pod.metadata.deletionTimestamp !== undefined;
    this.#pod = pod;
    if (pod.metadata.deletionTimestamp && this.#stage === 'running') this.#beginStop();
    // Less patience than before: begin again with the new grace.
    else if (wasDeleted && this.#stage === 'stopping' && graceSecondsOf(pod) < graceBefore) this.#interrupt();
    // Our own writes come back here, too: they are no reason to look again.
    if (concerns(before, pod)) this.wake();
  }

  remove(last: Pod): void {
    this.gone = true;
    this.#pod = last;
    if (this.#stage === 'running') this.#beginStop();
    this.wake();
  }

  /** Stops the pod and marks it as failed. */
  evict(eviction: Eviction): void {
    if (this.#stage !== 'running') return;
    this.#eviction = eviction;
    this.#beginStop();
    this.wake();
  }

  wake(): void {
    this.#dirty = true;
    if (this.#running || this.#stopped || this.#stage === 'done') return;
    this.#running = true;
    void this.#loop().finally(() => {
      this.#running = false;
      if (this.#dirty) this.wake();
    });
  }

  /** Lets go of it; containers run on. */
  stop(): void {
    this.#stopped = true;
    this.#peek?.cancel();
    this.#abort.abort(new Error('the kubelet stops'));
  }

  #beginStop(): void {
    this.#stage = 'stopping';
    this.#interrupt();
  }

  #interrupt(): void {
    this.#abort.abort(new Error('the pod is being stopped'));
    this.#abort = new AbortController();
  }

  async #loop(): Promise<void> {
    const { parts } = this.#shared;
    while (this.#dirty && !this.#stopped && this.#stage !== 'done') {
      this.#dirty = false;
      const { signal } = this.#abort;
      const stage = this.#stage;
      try {
        this.wakeAtMs = parts.clock.now() + resyncMs * (1 + parts.random() / 2);
        if (stage === 'running') await this.#sync(signal);
        else if (stage === 'stopping') await this.#stop(signal);
        else await this.#clean();
      } catch (error) {
        if (signal.aborted) continue;
        const [first] = error instanceof AggregateError ? error.errors : [];
        if (!(first instanceof MountError)) {
          parts.log.warn('pod not synced, will retry', { ...this.#context.name, stage, error });
          this.#wakeIn(errorRetryMs * (0.5 + parts.random()));
        }
      }
    }
  }

  #wakeIn(ms: number): void {
    this.wakeAtMs = Math.min(this.wakeAtMs, this.#shared.parts.clock.now() + ms);
  }

  #status(pod: Pod, runtime: PodRuntime, terminal: boolean, resize: PodCondition[] = []): PodStatus {
    const { parts, prober, statuses } = this.#shared;
    const old = statuses.get(this.uid) ?? this.#pod.status ?? {};
    const before = new Map(
      [...(old.containerStatuses ?? []), ...(old.initContainerStatuses ?? [])].map((s) => [s.name, s]),
    );
    return podStatus({
      pod,
      runtime,
      old,
      terminal,
      failure: (name) => this.#context.failures.get(name),
      actuated: (name) => this.#context.actuated.get(name),
      started: (container, id) =>
        container.startupProbe && prober.verdict(this.uid, 'startup', id) === 'success'
          ? true
          : !container.startupProbe,
      // A container that ran before the kubelet started stays as it was until its probe has said something.
      ready: (container, id) =>
        container.readinessProbe &&
        (prober.verdict(this.uid, 'readiness', id) ??
          (before.get(container.name)?.ready ? 'success' : 'failure')) === 'success',
      hostIPs: parts.config.nodeIPs,
      nowMs: parts.clock.now(),
      resize,
      ...(this.#eviction ? { evicted: this.#eviction } : {}),
    });
  }

  #report(status: PodStatus, runtime: PodRuntime): void {
    const { parts, statuses } = this.#shared;
    statuses.set(this.#pod, status);
    const ready =
      status.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') ?? false;
    if (ready && !this.#ready) traced(parts, this.#context.name, 8, 'pod ready', { ips: podIPsOf(runtime) });
    this.#ready = ready;
  }

  async #sync(signal: AbortSignal): Promise<void> {
    const { parts, prober, view } = this.#shared;
    await this.#resize.restore();
    let runtime = await view.pod(this.uid);
    const pod = this.#resize.decide(this.#pod, this.#shared.otherPods(this.uid));
    prober.follow(pod, runtime);
    const status = this.#status(pod, runtime, false, this.#resize.conditions());
    if (isTerminalPhase(status.phase)) {
      this.#report(status, runtime);
      this.#beginStop();
      this.#dirty = true;
      return;
    }
    if (this.#pastDeadline(status)) return;
    this.#report(status, runtime);
    const problem = this.#shared.networkProblem();
    if (problem && !isHostNetwork(pod)) {
      tell(parts, pod, 'Warning', 'NetworkNotReady', `network is not ready: ${problem}`);
      this.#wakeIn(errorRetryMs);
      return;
    }
    await this.#prepare(pod, runtime);
    signal.throwIfAborted();
    const actions = computePodActions(pod, runtime, {
      liveness: (id) => prober.verdict(this.uid, 'liveness', id),
      startup: (id) => prober.verdict(this.uid, 'startup', id),
      actuated: (name) => this.#context.actuated.get(name),
    });
    const sandboxReady = async () => {
      const now = await view.pod(this.uid);
      this.#report(this.#status(pod, now, false, this.#resize.conditions()), now);
    };
    const outcome = await applyActions(this.#context, pod, runtime, actions, sandboxReady, signal);
    if (outcome.retryAtMs !== undefined) this.#wakeIn(outcome.retryAtMs - parts.clock.now());
    if (this.#resize.inProgress) await this.#applyCgroup(pod);
    await this.#resize.actuated(outcome.resizeError);
    if (this.#resize.waiting) this.#wakeIn(errorRetryMs);
    if (actions.createSandbox || outcome.acted) {
      runtime = await view.refresh(this.uid);
      prober.follow(pod, runtime);
    }
    // What was started may have ended already: look again at once, and then a few times soon.
    if (outcome.acted) {
      this.#dirty = true;
      this.#peekSoon(firstPeekMs);
    }
    this.#report(this.#status(pod, runtime, false, this.#resize.conditions()), runtime);
  }

  /**
   * A container that was just started may end sooner than the runtime is listed again, and another one may wait for it: one
   * looks after a tenth of a second, after twice that, and so on until the regular listing serves.
   */
  #peekSoon(delayMs: number): void {
    if (delayMs >= lastPeekMs || this.#stopped) return;
    this.#peek?.cancel();
    this.#peek = this.#shared.parts.clock.after(delayMs, () => {
      this.#peek = undefined;
      if (this.#stage !== 'running' || this.#stopped) return;
      const { view, parts } = this.#shared;
      view.look(this.uid).then(
        (changed) => (changed ? this.wake() : this.#peekSoon(delayMs * 2)),
        (error) => parts.log.debug('pod not looked at', { ...this.#context.name, error }),
      );
    });
  }

  #pastDeadline({ startTime }: PodStatus): boolean {
    const seconds = this.#pod.spec!.activeDeadlineSeconds;
    if (seconds === undefined || !startTime) return false;
    const leftMs = Date.parse(startTime) + seconds * 1000 - this.#shared.parts.clock.now();
    if (leftMs > 0) {
      this.#wakeIn(leftMs);
      return false;
    }
    const message = 'Pod was active on the node longer than the specified deadline';
    tell(this.#shared.parts, this.#pod, 'Normal', 'DeadlineExceeded', message);
    this.evict({ reason: 'DeadlineExceeded', message });
    return true;
  }

  /** Objects, cgroup, directories and volumes: what has to be there before the sandbox. */
  async #prepare(pod: Pod, runtime: PodRuntime): Promise<void> {
    const { parts } = this.#shared;
    await parts.objects.hold(pod, () => this.wake());
    if (!this.#prepared) {
      await this.#applyCgroup(pod);
      const containers = [...allContainers(pod)].map(([{ name }]) => name);
      await parts.host.preparePod({ ...this.#context.name, containers });
      this.#prepared = true;
    }
    try {
      await this.#context.volumes.ensure(planInput(this.#context, pod, podIPsOf(runtime)));
      this.#mountFailures = 0;
    } catch (error) {
      if (!(error instanceof AggregateError)) throw error;
      for (const { message } of error.errors) tell(parts, pod, 'Warning', 'FailedMount', message);
      parts.log.info('volumes not mounted', { ...this.#context.name, error: messageOf(error) });
      this.#wakeIn(Math.min(60_000, 500 * 2 ** this.#mountFailures++));
      // Running containers keep what they have; it is only not renewed.
      if (!runtime.containers.some(({ state }) => state === 'running')) throw error;
    }
  }

  async #applyCgroup(pod: Pod): Promise<void> {
    const { host, config } = this.#shared.parts;
    await host.applyCgroup(podCgroup(pod, config.cgroupRoot), podCgroupSettings(pod));
  }

  async #stop(signal: AbortSignal): Promise<void> {
    const { parts, prober, view } = this.#shared;
    const pod = this.granted;
    let runtime = await view.refresh(this.uid);
    prober.follow(pod, runtime, true);
    this.#report(this.#status(pod, runtime, false), runtime);
    try {
      await stopPod(parts, pod, runtime, { signal });
    } catch (error) {
      if (!signal.aborted)
        tell(parts, pod, 'Warning', 'FailedKillPod', `error killing pod: ${messageOf(error)}`);
      throw error;
    }
    prober.forget(this.uid);
    runtime = await view.refresh(this.uid);
    const alive = runtime.containers.filter(({ state }) => state === 'running').map(({ name }) => name);
    if (alive.length > 0) throw new Error(`containers run after they were stopped: ${alive.join(', ')}`);
    this.#report(this.#status(pod, runtime, true), runtime);
    this.#stage = 'cleaning';
    this.#dirty = true;
  }

  async #clean(): Promise<void> {
    const { parts, images, tokens, statuses } = this.#shared;
    await parts.host.removePod(this.uid);
    await parts.host.removeCgroup(podCgroup(this.#pod, parts.config.cgroupRoot));
    parts.objects.release(this.uid);
    tokens.forget(this.uid);
    images.forget(this.uid);
    parts.crashBackoff.forget(this.uid);
    this.#stage = 'done';
    if (this.gone) statuses.forget(this.uid);
    else
      statuses.set(this.#pod, finalStatus(this.#pod, statuses.get(this.uid) ?? this.#pod.status ?? {}), true);
    this.#shared.done(this);
  }

  /** Whether a container of it still writes its log. */
  async writes(containerName: string): Promise<boolean> {
    if (this.#stage === 'done') return false;
    const runtime = await this.#shared.view.pod(this.uid);
    return latest(runtime, containerName)?.state === 'running';
  }
}
