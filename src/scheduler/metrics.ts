import { exponentialBuckets, type MetricRegistry } from '../machinery/metrics.ts';
import type { SchedulingQueue } from './queue.ts';

const attemptBounds = exponentialBuckets(0.001, 2, 15);
const sliBounds = exponentialBuckets(0.01, 2, 20);
const profile = 'default-scheduler';

/** What is counted of scheduling, by upstream's names. Source: "Kubernetes Metrics Reference", scheduler_*. */
export class SchedulerMetrics {
  readonly #attempts;
  readonly #durations;
  readonly #algorithm;
  readonly #sli;
  readonly #tries;
  readonly #preemptions;
  readonly #victims;

  constructor(registry: MetricRegistry, queue: () => Pick<SchedulingQueue, 'sizes'>) {
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
      const { active, backoff, unschedulable, gated } = queue().sizes;
      for (const [name, size] of Object.entries({ active, backoff, unschedulable, gated }))
        pending.with(name).set(size);
    });
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
