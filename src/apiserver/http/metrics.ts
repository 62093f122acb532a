import type { Context } from '../context.ts';
import type { ApiServer } from '../server.ts';
import type { PathHandler } from './handler.ts';

const boundsSeconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

interface Duration {
  labels: string;
  buckets: number[];
  sum: number;
  count: number;
}

/** Counts of requests and how long they took, by what they asked for. */
export class Metrics {
  inFlight = 0;
  readonly #requests = new Map<string, number>();
  readonly #durations = new Map<string, Duration>();

  observe(context: Context | undefined, method: string, code: number, tookMs: number): void {
    const labels = labelsOf(context, method);
    const counted = `${labels},code="${code}"`;
    this.#requests.set(counted, (this.#requests.get(counted) ?? 0) + 1);
    if (context?.verb === 'watch') return;
    let duration = this.#durations.get(labels);
    if (!duration) {
      duration = { labels, buckets: boundsSeconds.map(() => 0), sum: 0, count: 0 };
      this.#durations.set(labels, duration);
    }
    const seconds = tookMs / 1000;
    duration.sum += seconds;
    duration.count++;
    const at = boundsSeconds.findIndex((bound) => seconds <= bound);
    if (at >= 0) duration.buckets[at]!++;
  }

  /** Lines in the text format of Prometheus. */
  lines(): string[] {
    const lines = ['# TYPE apiserver_request_total counter'];
    for (const [labels, n] of this.#requests) lines.push(`apiserver_request_total{${labels}} ${n}`);
    lines.push('# TYPE apiserver_request_duration_seconds histogram');
    for (const { labels, buckets, sum, count } of this.#durations.values()) {
      let below = 0;
      for (const [i, bound] of boundsSeconds.entries()) {
        below += buckets[i]!;
        lines.push(`apiserver_request_duration_seconds_bucket{${labels},le="${bound}"} ${below}`);
      }
      lines.push(`apiserver_request_duration_seconds_bucket{${labels},le="+Inf"} ${count}`);
      lines.push(`apiserver_request_duration_seconds_sum{${labels}} ${sum}`);
      lines.push(`apiserver_request_duration_seconds_count{${labels}} ${count}`);
    }
    lines.push('# TYPE apiserver_current_inflight_requests gauge');
    lines.push(`apiserver_current_inflight_requests ${this.inFlight}`);
    return lines;
  }
}

function labelsOf(context: Context | undefined, method: string): string {
  if (!context)
    return `verb="${/^[A-Z]{3,7}$/.test(method) ? method : 'other'}",group="",version="",resource="",subresource="",scope=""`;
  const { verb, group, version, plural, subresource, namespace, name } = context;
  const scope = name ? 'resource' : namespace ? 'namespace' : 'cluster';
  const known =
    subresource && Object.hasOwn(context.served.kind.subresources, subresource) ? subresource : '';
  const shown = verb === 'create' ? 'POST' : verb === 'update' ? 'PUT' : verb.toUpperCase();
  return `verb="${shown}",group="${group}",version="${version}",resource="${plural}",subresource="${known}",scope="${scope}"`;
}

/** Amounts that only the process knows, by the metric's name. */
export type ProcessMetrics = () => Record<string, { type: 'gauge' | 'counter'; value: number }>;

/** `/metrics`: requests, objects in the store, watchers, and what `ofProcess` adds. */
export const metricsPath =
  (ofProcess: ProcessMetrics): PathHandler =>
  (server, exchange) => {
    if (exchange.path !== '/metrics') return false;
    const lines = [...server.metrics.lines(), ...storage(server)];
    for (const [name, { type, value }] of Object.entries(ofProcess()))
      lines.push(`# TYPE ${name} ${type}`, `${name} ${value}`);
    exchange.respond(
      200,
      { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' },
      `${lines.join('\n')}\n`,
    );
    return true;
  };

function storage({ registry }: ApiServer): string[] {
  const { scheme, caches, store } = registry;
  const objects: string[] = [];
  const watchers: string[] = [];
  for (const { kind, storage, custom } of scheme.all()) {
    const cache = kind === storage || custom ? caches.of(storage, custom) : undefined;
    if (!cache || kind.version !== storage.version) continue;
    const resource = kind.group ? `${kind.plural}.${kind.group}` : kind.plural;
    objects.push(`apiserver_storage_objects{resource="${resource}"} ${cache.entries.size}`);
    const { group, version } = kind;
    if (cache.watchers)
      watchers.push(
        `apiserver_registered_watchers{group="${group}",version="${version}",kind="${kind.kind}"} ${cache.watchers}`,
      );
  }
  const { keys, bytes } = store.stats();
  return [
    '# TYPE apiserver_storage_objects gauge',
    ...objects,
    '# TYPE apiserver_registered_watchers gauge',
    ...watchers,
    '# TYPE apiserver_storage_size_bytes gauge',
    `apiserver_storage_size_bytes ${bytes}`,
    '# TYPE etcd_debugging_mvcc_keys_total gauge',
    `etcd_debugging_mvcc_keys_total ${keys}`,
    '# TYPE etcd_debugging_mvcc_current_revision gauge',
    `etcd_debugging_mvcc_current_revision ${store.revision}`,
  ];
}
