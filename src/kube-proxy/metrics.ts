import { exponentialBuckets, type MetricRegistry } from '../machinery/metrics.ts';

const seconds = exponentialBuckets(0.001, 2, 15);
const family = 'IPv4';
/** After this long with work that is not done, a proxy is not well. */
const lateMs = 60_000;

/** What a proxy says of itself: metrics by upstream's names (Source: "Kubernetes Metrics Reference", kubeproxy_*), and its health. */
export class ProxyMetrics {
  readonly #now: () => number;
  readonly #all;
  readonly #full;
  readonly #partial;
  readonly #last;
  readonly #queued;
  readonly #failures;
  readonly #partialFailures;
  readonly #changes;
  readonly #conntrack;
  readonly #dropped;
  readonly #health;
  #pendingSinceMs: number | undefined;
  #pending = { services: 0, endpoints: 0 };
  /** When rules were last written, or nothing was left to write. */
  lastUpdatedMs = 0;

  constructor(registry: MetricRegistry, now: () => number) {
    this.#now = now;
    const name = (rest: string) => `kubeproxy_${rest}`;
    const labels = ['ip_family'];
    const histogram = (rest: string, help: string) =>
      registry.histogram(name(rest), help, labels, seconds).with(family);
    const counter = (rest: string, help: string) => registry.counter(name(rest), help, labels).with(family);
    const gauge = (rest: string, help: string) => registry.gauge(name(rest), help, labels).with(family);
    this.#all = histogram('sync_proxy_rules_duration_seconds', 'SyncProxyRules latency in seconds');
    this.#full = histogram(
      'sync_full_proxy_rules_duration_seconds',
      'SyncProxyRules latency in seconds for full resyncs',
    );
    this.#partial = histogram(
      'sync_partial_proxy_rules_duration_seconds',
      'SyncProxyRules latency in seconds for partial resyncs',
    );
    this.#last = gauge(
      'sync_proxy_rules_last_timestamp_seconds',
      'The last time proxy rules were successfully synced',
    );
    this.#queued = gauge(
      'sync_proxy_rules_last_queued_timestamp_seconds',
      'The last time a sync of proxy rules was queued',
    );
    this.#failures = counter(
      'sync_proxy_rules_iptables_restore_failures_total',
      'Cumulative proxy iptables restore failures',
    );
    this.#partialFailures = counter(
      'sync_proxy_rules_iptables_partial_restore_failures_total',
      'Cumulative proxy iptables partial restore failures',
    );
    this.#conntrack = histogram(
      'conntrack_reconciler_sync_duration_seconds',
      'ReconcileConntrackFlowsLatency latency in seconds',
    );
    this.#dropped = counter(
      'conntrack_reconciler_deleted_entries_total',
      'Cumulative conntrack flows deleted by conntrack reconciler',
    );
    const change = (what: string, shown: string) => ({
      total: registry
        .counter(name(`sync_proxy_rules_${what}_changes_total`), `Cumulative proxy rules ${shown} changes`)
        .with(),
      pending: registry
        .gauge(name(`sync_proxy_rules_${what}_changes_pending`), `Pending proxy rules ${shown} changes`)
        .with(),
    });
    this.#changes = { services: change('service', 'Service'), endpoints: change('endpoint', 'Endpoint') };
    this.#health = {
      healthz: registry.counter(name('proxy_healthz_total'), 'Cumulative proxy healthz HTTP status', [
        'code',
      ]),
      livez: registry.counter(name('proxy_livez_total'), 'Cumulative proxy livez HTTP status', ['code']),
    };
    registry.beforeRender(() => {
      for (const what of ['services', 'endpoints'] as const)
        this.#changes[what].pending.set(this.#pending[what]);
    });
  }

  changed(what: 'services' | 'endpoints'): void {
    this.#changes[what].total.inc();
    this.#pending[what]++;
  }
  /** There is something to write. */
  queued(): void {
    const now = this.#now();
    this.#queued.set(now / 1000);
    this.#pendingSinceMs ??= now;
  }
  /** What is written now is no longer pending; gives it back when that fails. */
  begin(): { done(full: boolean): void; failed(full: boolean): void } {
    const [began, since, taken] = [this.#now(), this.#pendingSinceMs, this.#pending];
    this.#pending = { services: 0, endpoints: 0 };
    this.#pendingSinceMs = undefined;
    return {
      done: (full) => {
        this.lastUpdatedMs = this.#now();
        const took = (this.lastUpdatedMs - began) / 1000;
        this.#all.observe(took);
        (full ? this.#full : this.#partial).observe(took);
        this.#last.set(this.lastUpdatedMs / 1000);
      },
      failed: (full) => {
        (full ? this.#failures : this.#partialFailures).inc();
        this.#pendingSinceMs = since ?? this.#pendingSinceMs ?? began;
        this.#pending.services += taken.services;
        this.#pending.endpoints += taken.endpoints;
      },
    };
  }
  /** What was queued changes no rule. */
  nothingToDo(): void {
    this.#pending = { services: 0, endpoints: 0 };
    this.#pendingSinceMs = undefined;
  }
  flowsDropped(count: number, tookMs: number): void {
    this.#conntrack.observe(tookMs / 1000);
    this.#dropped.inc(count);
  }
  /** Nothing waits for longer than it should. */
  get healthy(): boolean {
    return this.#pendingSinceMs === undefined || this.#now() - this.#pendingSinceMs < lateMs;
  }
  asked(path: 'healthz' | 'livez', code: number): void {
    this.#health[path].with(String(code)).inc();
  }
}
