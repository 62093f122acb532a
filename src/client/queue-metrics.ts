import {
  type Counter,
  exponentialBuckets,
  type Gauge,
  type Histogram,
  type MetricRegistry,
} from '../machinery/metrics.ts';

/** What is counted of a work queue, by upstream's names. */
export interface QueueMetrics {
  depth: Gauge;
  adds: Counter;
  retries: Counter;
  waited: Histogram;
  worked: Histogram;
  /** Called before each rendering: since when keys are worked on, of each. */
  watch(startedMs: () => Iterable<number>, now: () => number): void;
}

const seconds = exponentialBuckets(1e-8, 10, 10);

/** The metrics of the queue of this name. Source: "Kubernetes Metrics Reference", workqueue_*. */
export function queueMetrics(registry: MetricRegistry, name: string): QueueMetrics {
  const label = ['name'];
  const unfinished = registry
    .gauge(
      'workqueue_unfinished_work_seconds',
      "How many seconds of work has done that is in progress and hasn't been observed by work_duration. Large values indicate stuck threads. One can deduce the number of stuck threads by observing the rate at which this increases.",
      label,
      'BETA',
    )
    .with(name);
  const longest = registry
    .gauge(
      'workqueue_longest_running_processor_seconds',
      'How many seconds has the longest running processor for workqueue been running.',
      label,
      'BETA',
    )
    .with(name);
  return {
    depth: registry.gauge('workqueue_depth', 'Current depth of workqueue', label, 'BETA').with(name),
    adds: registry
      .counter('workqueue_adds_total', 'Total number of adds handled by workqueue', label, 'BETA')
      .with(name),
    retries: registry
      .counter('workqueue_retries_total', 'Total number of retries handled by workqueue', label, 'BETA')
      .with(name),
    waited: registry
      .histogram(
        'workqueue_queue_duration_seconds',
        'How long in seconds an item stays in workqueue before being requested.',
        label,
        seconds,
        'BETA',
      )
      .with(name),
    worked: registry
      .histogram(
        'workqueue_work_duration_seconds',
        'How long in seconds processing an item from workqueue takes.',
        label,
        seconds,
        'BETA',
      )
      .with(name),
    watch(startedMs, now) {
      registry.beforeRender(() => {
        let [sum, most] = [0, 0];
        for (const started of startedMs()) {
          const seconds = (now() - started) / 1000;
          sum += seconds;
          most = Math.max(most, seconds);
        }
        unfinished.set(sum);
        longest.set(most);
      });
    },
  };
}
