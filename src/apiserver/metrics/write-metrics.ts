import type { Kind } from '../../machinery/kind.ts';
import type { Histogram, MetricRegistry } from '../../machinery/metrics.ts';
import type { Summary } from '../../machinery/summary.ts';
import { CustomMetrics } from './custom-metrics.ts';
import { ConditionMetrics, PodSecurityMetrics, PolicyMetrics } from './policy-metrics.ts';

const stepBounds = [0.005, 0.025, 0.1, 0.5, 1, 2.5];
const storeBounds = [
  0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60,
];

type Phase = 'mutate' | 'validate';
const typeOf = (phase: Phase): string => (phase === 'mutate' ? 'admit' : 'validate');
export type StoreOperation = 'create' | 'update' | 'delete' | 'list' | 'get';

/** What admission and the store take of a write's time. */
/** How a step of admission does: a histogram, and quantiles. */
interface Step {
  all: Histogram;
  lately: Summary;
}

export class WriteMetrics {
  readonly policies: PolicyMetrics;
  readonly conditions: ConditionMetrics;
  readonly custom: CustomMetrics;
  readonly podSecurity: PodSecurityMetrics;
  readonly #step;
  readonly #lately;
  readonly #now: () => number;
  readonly #steps = new Map<string, Step>();
  readonly #controller;
  readonly #requests;
  readonly #errors;
  readonly #kinds = new WeakMap<Kind<any>, Map<StoreOperation, Histogram>>();
  readonly #plugins = new Map<string, Histogram>();

  constructor(registry: MetricRegistry, now: () => number) {
    this.#now = now;
    this.policies = new PolicyMetrics(registry);
    this.conditions = new ConditionMetrics(registry);
    this.custom = new CustomMetrics(registry);
    this.podSecurity = new PodSecurityMetrics(registry);
    this.#step = registry.histogram(
      'apiserver_admission_step_admission_duration_seconds',
      'Admission sub-step latency histogram in seconds, broken out for each operation and API resource and step type (validate or admit).',
      ['type', 'operation', 'rejected'],
      stepBounds,
      'STABLE',
    );
    this.#lately = registry.summary(
      'apiserver_admission_step_admission_duration_seconds_summary',
      'Admission sub-step latency summary in seconds, broken out for each operation and API resource and step type (validate or admit).',
      ['type', 'operation', 'rejected'],
      { maxAgeMs: 5 * 3_600_000, now },
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
    const key = `${phase} ${operation} ${rejected}`;
    let step = this.#steps.get(key);
    if (!step) {
      const labels = [typeOf(phase), operation, String(rejected)];
      step = { all: this.#step.with(...labels), lately: this.#lately.with(...labels) };
      this.#steps.set(key, step);
    }
    step.all.observe(tookMs / 1000);
    step.lately.observe(tookMs / 1000, this.#now());
  }
  plugin(name: string, phase: Phase, operation: string, rejected: boolean, tookMs: number): void {
    const key = `${name} ${phase} ${operation} ${rejected}`;
    let histogram = this.#plugins.get(key);
    if (!histogram) {
      histogram = this.#controller.with(name, typeOf(phase), operation, String(rejected));
      this.#plugins.set(key, histogram);
    }
    histogram.observe(tookMs / 1000);
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
