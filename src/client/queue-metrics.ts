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
}

const seconds = exponentialBuckets(1e-8, 10, 10);

/** The metrics of the queue of this name. Source: "Kubernetes Metrics Reference", workqueue_*. */
export function queueMetrics(registry: MetricRegistry, name: string): QueueMetrics {
  const label = ['name'];
  return {
    depth: registry.gauge('workqueue_depth', 'Current depth of workqueue', label).with(name),
    adds: registry
      .counter('workqueue_adds_total', 'Total number of adds handled by workqueue', label)
      .with(name),
    retries: registry
      .counter('workqueue_retries_total', 'Total number of retries handled by workqueue', label)
      .with(name),
    waited: registry
      .histogram(
        'workqueue_queue_duration_seconds',
        'How long in seconds an item stays in workqueue before being requested.',
        label,
        seconds,
      )
      .with(name),
    worked: registry
      .histogram(
        'workqueue_work_duration_seconds',
        'How long in seconds processing an item from workqueue takes.',
        label,
        seconds,
      )
      .with(name),
  };
}
