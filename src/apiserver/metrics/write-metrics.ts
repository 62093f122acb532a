import type { Kind } from '../../machinery/kind.ts';
import type { Histogram, MetricRegistry } from '../../machinery/metrics.ts';

const stepBounds = [0.005, 0.025, 0.1, 0.5, 1, 2.5];
const storeBounds = [
  0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60,
];

type Phase = 'mutate' | 'validate';
export type StoreOperation = 'create' | 'update' | 'delete' | 'list' | 'get';

/** What admission and the store take of a write's time. */
export class WriteMetrics {
  readonly #step;
  readonly #controller;
  readonly #requests;
  readonly #errors;
  readonly #kinds = new WeakMap<Kind<any>, Map<StoreOperation, Histogram>>();
  readonly #plugins = new Map<string, Histogram>();

  constructor(registry: MetricRegistry) {
    this.#step = registry.histogram(
      'apiserver_admission_step_admission_duration_seconds',
      'Admission sub-step latency histogram in seconds, broken out for each operation and API resource and step type (validate or admit).',
      ['type', 'operation', 'rejected'],
      stepBounds,
      'STABLE',
    );
    this.#controller = registry.histogram(
      'apiserver_admission_controller_admission_duration_seconds',
      'Admission controller latency histogram in seconds, identified by name and broken out for each operation and API resource and type (validate or admit).',
      ['name', 'type', 'operation', 'rejected'],
      stepBounds,
      'STABLE',
    );
    const byKind = ['operation', 'group', 'resource'];
    this.#requests = registry.histogram(
      'etcd_request_duration_seconds',
      'Etcd request latency in seconds for each operation and object type.',
      byKind,
      storeBounds,
    );
    const total = registry.counter(
      'etcd_requests_total',
      'Etcd request counts for each operation and object type.',
      byKind,
    );
    this.#errors = registry.counter(
      'etcd_request_errors_total',
      'Etcd failed request counts for each operation and object type.',
      byKind,
    );
    registry.beforeRender(() => {
      for (const { values, metric } of this.#requests.children.values())
        total.with(...values).value = metric.count;
    });
  }
  step(phase: Phase, operation: string, rejected: boolean, tookMs: number): void {
    this.#admission(this.#step, '', phase, operation, rejected).observe(tookMs / 1000);
  }
  plugin(name: string, phase: Phase, operation: string, rejected: boolean, tookMs: number): void {
    this.#admission(this.#controller, name, phase, operation, rejected).observe(tookMs / 1000);
  }
  #admission(family: any, name: string, phase: Phase, operation: string, rejected: boolean): Histogram {
    const key = `${name} ${phase} ${operation} ${rejected}`;
    let histogram = this.#plugins.get(key);
    if (!histogram) {
      const rest = [phase === 'mutate' ? 'admit' : 'validate', operation, String(rejected)];
      histogram = family.with(...(name ? [name, ...rest] : rest)) as Histogram;
      this.#plugins.set(key, histogram);
    }
    return histogram;
  }
  store(kind: Kind<any>, operation: StoreOperation, tookMs: number, failed = false): void {
    const { group, plural } = kind;
    let ofKind = this.#kinds.get(kind);
    if (!ofKind) this.#kinds.set(kind, (ofKind = new Map()));
    let histogram = ofKind.get(operation);
    if (!histogram) ofKind.set(operation, (histogram = this.#requests.with(operation, group, plural)));
    histogram.observe(tookMs / 1000);
    if (failed) this.#errors.with(operation, group, plural).inc();
  }
}
