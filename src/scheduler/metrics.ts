import {
  type Counter,
  exponentialBuckets,
  type Histogram,
  type MetricRegistry,
} from '../machinery/metrics.ts';
import type { CycleObserver, ExtensionPoint, PointStatus } from './cycle.ts';
import type { Place, SchedulingQueue } from './queue.ts';

const attemptBounds = exponentialBuckets(0.001, 2, 15);
const sliBounds = exponentialBuckets(0.01, 2, 20);
const profile = 'default-scheduler';

/** What is looked up when somebody asks. */
export interface Standing {
  queue: Pick<SchedulingQueue, 'sizes' | 'rejections'>;
  cache: { nodes: number; pods: number; assumed: number };
  bindings: number;
}

/** What is counted of scheduling, by upstream's names. Source: "Kubernetes Metrics Reference", scheduler_*. */
export class SchedulerMetrics implements CycleObserver {
  readonly #attempts;
  readonly #durations;
  readonly #algorithm;
  readonly #sli;
  readonly #tries;
  readonly #preemptions;
  readonly #victims;
  readonly #points;
  readonly #evaluations;
  readonly #incoming;
  readonly #ofPoint = new Map<string, Histogram>();
  readonly #ofPlugin = new Map<string, Counter>();
  readonly now: () => number;

  constructor(registry: MetricRegistry, now: () => number, standing: () => Standing) {
    this.now = now;
    this.#points = registry.histogram(
      'scheduler_framework_extension_point_duration_seconds',
      'Latency for running all plugins of a specific extension point.',
      ['extension_point', 'status', 'profile'],
      exponentialBuckets(0.0001, 2, 12),
      'STABLE',
    );
    this.#evaluations = registry.counter(
      'scheduler_plugin_evaluation_total',
      'Number of attempts to schedule pods by each plugin and the extension point (available only in PreFilter, Filter, PreScore, and Score).',
      ['plugin', 'extension_point', 'profile'],
      'BETA',
    );
    this.#incoming = registry.counter(
      'scheduler_queue_incoming_pods_total',
      'Number of pods added to scheduling queues by event and queue type.',
      ['queue', 'event'],
      'STABLE',
    );
    const rejected = registry.gauge(
      'scheduler_unschedulable_pods',
      'The number of unschedulable pods broken down by plugin name. A pod will increment the gauge for all plugins that caused it to not schedule and so this metric have meaning only when broken down by plugin.',
      ['plugin', 'profile'],
      'BETA',
    );
    const goroutines = registry.gauge(
      'scheduler_goroutines',
      'Number of running goroutines split by the work they do such as binding.',
      ['operation'],
      'BETA',
    );
    const cacheSize = registry.gauge(
      'scheduler_cache_size',
      'Number of nodes, pods, and assumed (bound) pods in the scheduler cache.',
      ['type'],
    );
    const labels = ['profile', 'result'];
    this.#attempts = registry.counter(
      'scheduler_schedule_attempts_total',
      "Number of attempts to schedule pods, by the result. 'unschedulable' means a pod could not be scheduled, while 'error' means an internal scheduler problem.",
      labels,
      'STABLE',
    );
    this.#durations = registry.histogram(
      'scheduler_scheduling_attempt_duration_seconds',
      'Scheduling attempt latency in seconds (scheduling algorithm + binding)',
      labels,
      attemptBounds,
      'STABLE',
    );
    this.#algorithm = registry
      .histogram(
        'scheduler_scheduling_algorithm_duration_seconds',
        'Scheduling algorithm latency in seconds',
        [],
        attemptBounds,
      )
      .with();
    this.#sli = registry.histogram(
      'scheduler_pod_scheduling_sli_duration_seconds',
      'E2e latency for a pod being scheduled, from the time the pod enters the scheduling queue and might involve multiple scheduling attempts.',
      ['attempts'],
      sliBounds,
      'BETA',
    );
    this.#tries = registry
      .histogram(
        'scheduler_pod_scheduling_attempts',
        'Number of attempts to successfully schedule a pod.',
        [],
        [1, 2, 4, 8, 16],
        'STABLE',
      )
      .with();
    this.#preemptions = registry
      .counter(
        'scheduler_preemption_attempts_total',
        'Total preemption attempts in the cluster till now',
        [],
        'STABLE',
      )
      .with();
    this.#victims = registry
      .histogram(
        'scheduler_preemption_victims',
        'Number of selected preemption victims',
        [],
        exponentialBuckets(1, 2, 7),
        'STABLE',
      )
      .with();
    const pending = registry.gauge(
      'scheduler_pending_pods',
      "Number of pending pods, by the queue type. 'active' means number of pods in activeQ; 'backoff' means number of pods in backoffQ; 'unschedulable' means number of pods in unschedulablePods that the scheduler attempted to schedule and failed; 'gated' is the number of unschedulable pods that the scheduler never attempted to schedule because they are gated.",
      ['queue'],
      'STABLE',
    );
    registry.beforeRender(() => {
      const { queue, cache, bindings } = standing();
      const { active, backoff, unschedulable, gated } = queue.sizes;
      for (const [name, size] of Object.entries({ active, backoff, unschedulable, gated }))
        pending.with(name).set(size);
      rejected.clear();
      for (const [plugin, count] of queue.rejections) rejected.with(plugin, profile).set(count);
      goroutines.with('binding').set(bindings);
      cacheSize.with('nodes').set(cache.nodes);
      cacheSize.with('pods').set(cache.pods);
      cacheSize.with('assumed_pods').set(cache.assumed);
    });
  }

  point(name: ExtensionPoint, status: PointStatus, tookMs: number): void {
    const key = name + status;
    let histogram = this.#ofPoint.get(key);
    if (!histogram) this.#ofPoint.set(key, (histogram = this.#points.with(name, status, profile)));
    histogram.observe(tookMs / 1000);
  }
  evaluated(plugin: string, point: ExtensionPoint, times: number): void {
    const key = plugin + point;
    let counter = this.#ofPlugin.get(key);
    if (!counter) this.#ofPlugin.set(key, (counter = this.#evaluations.with(plugin, point, profile)));
    counter.value += times;
  }
  incoming(place: Place, event: string): void {
    this.#incoming.with(place, event).inc();
  }
  /** A node was looked for. */
  searched(tookMs: number): void {
    this.#algorithm.observe(tookMs / 1000);
  }
  ended(result: 'scheduled' | 'unschedulable' | 'error', tookMs: number): void {
    this.#attempts.with(profile, result).inc();
    this.#durations.with(profile, result).observe(tookMs / 1000);
  }
  /** A pod has its node, after so many attempts, so long after it came. */
  bound(attempts: number, sinceQueuedMs: number): void {
    this.#tries.observe(attempts);
    this.#sli.with(attempts >= 16 ? '16+' : String(attempts)).observe(sinceQueuedMs / 1000);
  }
  preempted(victims: number): void {
    this.#preemptions.inc();
    this.#victims.observe(victims);
  }
}
