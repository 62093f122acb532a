import { pods } from '../api/core/pod.ts';
import type { Pod } from '../api/core/v1.gen.ts';
import type { Client, Informers } from '../client/client.ts';
import { createEventRecorder, type EventRecorder } from '../client/events.ts';
import { type Clock, type Random, sleep, time } from '../machinery/clock.ts';
import type { Log } from '../machinery/log.ts';
import type { MetricRegistry } from '../machinery/metrics.ts';
import { isNotFound } from '../machinery/status.ts';
import type { Tracer } from '../machinery/trace.ts';
import { bindVolumes } from './bind-volumes.ts';
import { Cycle, type Decision } from './cycle.ts';
import { type Diagnosis, diagnosisMessage, reasonCounts } from './diagnosis.ts';
import { type Explanation, explain } from './explain.ts';
import { SchedulerMetrics } from './metrics.ts';
import type { NodeInfo } from './node-info.ts';
import { plugins } from './plugins/index.ts';
import type { PodInfo } from './pod-info.ts';
import { type Candidate, Preemption } from './preemption.ts';
import type { Entry } from './queue.ts';
import { Reports } from './reports.ts';
import { resourceMetrics } from './resource-metrics.ts';
import { watchCluster } from './watch-cluster.ts';

export interface SchedulerOptions {
  client: Client;
  informers: Informers;
  clock: Clock;
  random: Random;
  log: Log;
  trace: Tracer;
  /** Which pods are ours, by `spec.schedulerName`. */
  schedulerName?: string;
  /** Share of the nodes that is scored, 1..100; adaptive unless given. */
  percentageOfNodesToScore?: number;
  /** Bindings under way at once. */
  maxBindings?: number;
  /** Where scheduling is counted, if anywhere. */
  metrics?: MetricRegistry;
}

export interface Scheduler extends AsyncDisposable {
  /** What each plugin says about each node for this pod, now. */
  explain(pod: Pod): Explanation;
  /** What pods ask for and may use, as `/metrics/resources` tells it. */
  resources(): string;
}

/** How long the loop may keep the thread before others get it. */
const sliceMs = 8;

/**
 * Starts the scheduler. Resolves when it is wired to the informers; it begins once those have synced.
 * One pod at a time is decided on, without waiting for anything; bindings then run side by side.
 */
export async function startScheduler(options: SchedulerOptions): Promise<Scheduler> {
  const { client, clock } = options;
  const schedulerName = options.schedulerName ?? 'default-scheduler';
  const log = options.log.child({ component: 'scheduler' });
  const events = createEventRecorder({ client, clock, log, component: schedulerName, concurrency: 16 });
  const running = new Running({ ...options, log, schedulerName }, events);
  return {
    explain: (pod) => running.explain(pod),
    resources: () => resourceMetrics(options.informers(pods).list()),
    [Symbol.asyncDispose]: () => running.stop(),
  };
}

class Running {
  readonly #options: SchedulerOptions & { schedulerName: string };
  readonly #events: EventRecorder;
  readonly #reports: Reports;
  readonly #cluster: ReturnType<typeof watchCluster>;
  readonly #cycle: Cycle;
  readonly #preemption: Preemption;
  readonly #stopping = new AbortController();
  readonly #bindings = new Set<Promise<void>>();
  readonly #evictions = new Set<Promise<void>>();
  readonly #loop: Promise<void>;
  #room: (() => void) | undefined;
  readonly #metrics: SchedulerMetrics | undefined;

  constructor(options: SchedulerOptions & { schedulerName: string }, events: EventRecorder) {
    const { client, clock, log, random, percentageOfNodesToScore } = options;
    this.#options = options;
    this.#events = events;
    this.#reports = new Reports(client, clock, log);
    this.#cluster = watchCluster({
      ...options,
      plugins,
      onQueued: (info) => this.#trace(info, 'pod queued', { priority: info.priority }),
      onGated: (info) =>
        this.#reports.add({
          info,
          reason: 'SchedulingGated',
          message: 'Scheduling is blocked due to non-empty scheduling gates',
        }),
      onGone: (uid) => this.#reports.drop(uid),
    });
    const { view, nominator, budgets } = this.#cluster;
    const metrics =
      options.metrics &&
      new SchedulerMetrics(
        options.metrics,
        () => clock.now(),
        () => ({
          queue: this.#cluster.queue,
          cache: view.cache.sizes,
          bindings: this.#bindings.size,
        }),
      );
    this.#metrics = metrics;
    if (metrics) this.#cluster.queue.onIncoming = (place, event) => metrics.incoming(place, event);
    this.#cycle = new Cycle(view, plugins, nominator, random, percentageOfNodesToScore, metrics);
    this.#preemption = new Preemption(this.#cycle, nominator, random, budgets);
    this.#loop = this.#run();
  }

  explain(pod: Pod): Explanation {
    return explain(this.#cycle, pod);
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('stopped'));
    this.#cluster.stop();
    this.#room?.();
    await this.#loop;
    await Promise.all([...this.#bindings, ...this.#evictions]);
    await this.#reports.flush();
    await this.#events.flush();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    const { clock, log } = this.#options;
    try {
      await this.#cluster.whenSynced(signal);
    } catch (error) {
      if (!signal.aborted) log.error('caches did not sync', { error });
      return;
    }
    let sliceEnd = clock.now() + sliceMs;
    while (!signal.aborted) {
      let entry = this.#cluster.queue.next();
      if (!entry) {
        entry = await this.#cluster.queue.pop();
        sliceEnd = clock.now() + sliceMs;
      }
      if (!entry || signal.aborted) return;
      try {
        this.#one(entry);
      } catch (error) {
        log.error('scheduling failed', { pod: entry.info.key, error });
        this.#cluster.queue.failed(entry);
      }
      if (this.#bindings.size >= (this.#options.maxBindings ?? 128)) {
        await new Promise<void>((resolve) => {
          this.#room = resolve;
        });
      }
      if (clock.now() >= sliceEnd) {
        await sleep(clock, 0, signal).catch(() => {});
        sliceEnd = clock.now() + sliceMs;
      }
    }
  }

  #one(entry: Entry): void {
    const { info } = entry;
    const { queue, view, nominator } = this.#cluster;
    if (view.cache.has(info.uid)) {
      queue.remove(info.uid);
      return;
    }
    const began = this.#options.clock.now();
    const result = this.#cycle.schedule(info);
    const tookMs = this.#options.clock.now() - began;
    this.#metrics?.searched(tookMs);
    if (!('node' in result)) {
      this.#metrics?.ended('unschedulable', tookMs);
      this.#unschedulable(entry, result);
      return;
    }
    const { node, feasible, evaluated, score, rejections } = result;
    this.#trace(info, 'node chosen', {
      node: node.name,
      feasible,
      evaluated,
      score,
      rejected: summary(rejections),
    });
    nominator.delete(info.uid);
    view.cache.assume(info, node);
    const binding = this.#bind(entry, result, began).finally(() => {
      this.#bindings.delete(binding);
      this.#room?.();
      this.#room = undefined;
    });
    this.#bindings.add(binding);
  }

  async #bind(entry: Entry, { node }: Decision, beganMs: number): Promise<void> {
    const { client, informers, clock, log } = this.#options;
    const { queue, view } = this.#cluster;
    const { info } = entry;
    const { name, namespace, uid } = info;
    const { signal } = this.#stopping;
    let point: 'PreBind' | 'Bind' = 'PreBind';
    let pointBegan = clock.now();
    try {
      if (info.pod.spec.volumes?.some((v) => v.persistentVolumeClaim || v.ephemeral)) {
        await bindVolumes(info, node, { client, informers, clock, volumes: view.volumes }, signal);
      }
      this.#metrics?.point('PreBind', 'Success', clock.now() - pointBegan);
      point = 'Bind';
      pointBegan = clock.now();
      const target = { apiVersion: 'v1', kind: 'Node', name: node.name };
      const body = { apiVersion: 'v1', kind: 'Binding', metadata: { name, namespace, uid }, target };
      await client(pods).createSubresource(name, 'binding', body, { namespace });
      this.#metrics?.point('Bind', 'Success', clock.now() - pointBegan);
    } catch (error) {
      view.cache.forget(uid);
      queue.wake('pod/delete');
      if (isNotFound(error) || signal.aborted) return queue.remove(uid);
      this.#metrics?.point(point, 'Error', clock.now() - pointBegan);
      this.#metrics?.ended('error', clock.now() - beganMs);
      log.warn('pod not bound', { pod: info.key, node: node.name, error });
      this.#tell(info, 'Warning', 'FailedScheduling', error instanceof Error ? error.message : String(error));
      return queue.failed(entry);
    }
    const now = clock.now();
    this.#metrics?.ended('scheduled', now - beganMs);
    this.#metrics?.bound(entry.attempts, now - entry.queuedAtMs);
    queue.remove(uid);
    this.#reports.drop(uid);
    this.#trace(info, 'pod bound', { node: node.name });
    this.#tell(info, 'Normal', 'Scheduled', `Successfully assigned ${info.key} to ${node.name}`);
  }

  #unschedulable(entry: Entry, diagnosis: Diagnosis): void {
    const { info } = entry;
    const { queue, nominator } = this.#cluster;
    const began = this.#options.clock.now();
    const found = diagnosis.totalNodes > 0 ? this.#preemption.find(info, diagnosis) : '';
    if (diagnosis.totalNodes > 0)
      this.#metrics?.point(
        'PostFilter',
        typeof found === 'string' ? 'Unschedulable' : 'Success',
        this.#options.clock.now() - began,
      );
    const message = diagnosisMessage(diagnosis, typeof found === 'string' ? found : '');
    // A cluster without nodes is waited out by every plugin.
    const rejectedBy = diagnosis.plugins.size > 0 ? diagnosis.plugins : new Set(plugins.map((p) => p.name));
    queue.unschedulable(entry, rejectedBy);
    if (typeof found !== 'string') this.#preempt(info, found);
    const nominatedNodeName = typeof found === 'string' ? undefined : found.node.name;
    this.#reports.add({ info, reason: 'Unschedulable', message, nominatedNodeName });
    this.#tell(info, 'Warning', 'FailedScheduling', message);
    this.#trace(info, 'no node found', {
      rejected: Object.fromEntries(reasonCounts(diagnosis)),
      nominatedNodeName,
    });
    if (nominatedNodeName) nominator.set(info, nominatedNodeName);
  }

  #preempt(info: PodInfo, { node, victims }: Candidate): void {
    const { nominator, queue } = this.#cluster;
    this.#metrics?.preempted(victims.length);
    // Less important pods that were to have the node must look elsewhere.
    for (const other of nominator.on(node.name, info.uid)) {
      if (other.priority >= info.priority) continue;
      nominator.delete(other.uid);
      queue.wakeOne(other.uid);
    }
    for (const victim of victims) {
      const eviction = this.#evict(info, victim, node).finally(() => this.#evictions.delete(eviction));
      this.#evictions.add(eviction);
    }
  }

  async #evict(preemptor: PodInfo, victim: PodInfo, node: NodeInfo): Promise<void> {
    const { client, clock, log, schedulerName } = this.#options;
    const { name, namespace, uid } = victim;
    if (victim.terminating) return;
    const condition = {
      type: 'DisruptionTarget',
      status: 'True',
      reason: 'PreemptionByScheduler',
      message: `${schedulerName}: preempting to accommodate a higher priority pod`,
      lastTransitionTime: time(clock.now()),
    };
    try {
      const body = { metadata: { uid }, status: { conditions: [condition] } };
      await client(pods).patch(name, body, { namespace, type: 'strategic', subresource: 'status' });
      await client(pods).delete(name, { namespace, preconditions: { uid } });
    } catch (error) {
      if (isNotFound(error)) return;
      log.warn('victim not removed', { victim: victim.key, preemptor: preemptor.key, error });
      this.#cluster.queue.wakeOne(preemptor.uid);
      return;
    }
    this.#tell(victim, 'Normal', 'Preempted', `Preempted by pod ${preemptor.uid} on node ${node.name}`);
  }

  #tell(info: PodInfo, type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.#events.event({ ...info.pod, apiVersion: 'v1', kind: 'Pod' }, type, reason, message);
  }

  #trace(info: PodInfo, event: string, detail: Record<string, unknown>): void {
    const { clock, trace } = this.#options;
    const { namespace, name, uid } = info;
    trace.record({
      at: clock.now(),
      step: 4,
      component: 'scheduler',
      event,
      resource: 'pods',
      namespace,
      name,
      uid,
      detail,
    });
  }
}

function summary(rejections: Decision['rejections']): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { reasons } of rejections)
    for (const reason of reasons) counts[reason] = (counts[reason] ?? 0) + 1;
  return counts;
}
