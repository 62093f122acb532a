// What an etcd server tells over plain HTTP. Source: etcd's "Monitoring etcd" and "Metrics".
import type { RequestListener } from 'node:http';
import { type Counter, MetricRegistry } from '../../machinery/metrics.ts';
import type { MvccStore } from '../mvcc.ts';

/** Names of gRPC's codes, as its metrics have them. */
const codeNames = [
  ...['OK', 'Canceled', 'Unknown', 'InvalidArgument', 'DeadlineExceeded', 'NotFound', 'AlreadyExists'],
  ...['PermissionDenied', 'ResourceExhausted', 'FailedPrecondition', 'Aborted', 'OutOfRange'],
  ...['Unimplemented', 'Internal', 'Unavailable', 'DataLoss', 'Unauthenticated'],
];

/** Calls of one method. */
export interface CallCounts {
  /** A field to add to. */
  readonly started: Counter;
  readonly ok: Counter;
  failed(code: number): void;
}

export class EtcdMetrics {
  readonly registry = new MetricRegistry();
  readonly #started;
  readonly #handled;

  constructor(store: MvccStore, version: string) {
    const { registry } = this;
    const gauge = (name: string, help: string) => registry.gauge(name, help).with();
    gauge('etcd_server_has_leader', 'Whether or not a leader exists. 1 is existence, 0 is not.').set(1);
    gauge('etcd_server_is_leader', 'Whether or not this member is a leader. 1 if is, 0 otherwise.').set(1);
    registry.counter('etcd_server_leader_changes_seen_total', 'The number of leader changes seen.').with();
    registry
      .gauge(
        'etcd_server_version',
        "Which version is running. 1 for 'server_version' label with current version.",
        ['server_version'],
      )
      .with(version)
      .set(1);
    const keys = gauge('etcd_debugging_mvcc_keys_total', 'Total number of keys.');
    const revision = gauge('etcd_debugging_mvcc_current_revision', 'The current revision of store.');
    const compacted = gauge(
      'etcd_debugging_mvcc_compact_revision',
      'The revision of the last compaction in store.',
    );
    const total = gauge(
      'etcd_mvcc_db_total_size_in_bytes',
      'Total size of the underlying database physically allocated in bytes.',
    );
    const inUse = gauge(
      'etcd_mvcc_db_total_size_in_use_in_bytes',
      'Total size of the underlying database logically in use in bytes.',
    );
    registry.beforeRender(() => {
      const stats = store.stats();
      keys.set(stats.keys);
      revision.set(store.revision);
      compacted.set(store.compactRevision);
      total.set(stats.bytes);
      inUse.set(stats.inUse);
    });
    const labels = ['grpc_type', 'grpc_service', 'grpc_method'];
    this.#started = registry.counter(
      'grpc_server_started_total',
      'Total number of RPCs started on the server.',
      labels,
    );
    this.#handled = registry.counter(
      'grpc_server_handled_total',
      'Total number of RPCs completed on the server, regardless of success or failure.',
      [...labels, 'grpc_code'],
    );
  }

  callsOf(service: string, method: string, type: 'unary' | 'bidi_stream' | 'server_stream'): CallCounts {
    const labels = [type, service, method];
    return {
      started: this.#started.with(...labels),
      ok: this.#handled.with(...labels, 'OK'),
      failed: (code) => this.#handled.with(...labels, codeNames[code] ?? 'Unknown').inc(),
    };
  }
}

/** What etcd tells beside gRPC, on the same port. `ofProcess` adds to the metrics. */
export const plainHttp =
  (metrics: EtcdMetrics, versions: object, ofProcess: () => string): RequestListener =>
  (request, response) => {
    const send = (body: string, type = 'text/plain; charset=utf-8', status = 200) =>
      response.writeHead(status, { 'content-type': type }).end(body);
    const url = URL.parse(request.url ?? '/', 'http://etcd');
    if (!url) return send('400 bad request\n', undefined, 400);
    const verbose = url.searchParams.has('verbose');
    switch (url.pathname) {
      case '/health':
        return send('{"health":"true","reason":""}', 'application/json');
      case '/livez':
      case '/readyz': {
        const checks =
          url.pathname === '/livez'
            ? ['serializable_read']
            : ['data_corruption', 'serializable_read', 'linearizable_read'];
        return send(`${verbose ? checks.map((name) => `[+]${name} ok\n`).join('') : ''}ok\n`);
      }
      case '/version':
        return send(JSON.stringify(versions), 'application/json');
      case '/metrics':
        return send(metrics.registry.render() + ofProcess(), 'text/plain; version=0.0.4; charset=utf-8');
      default:
        return send('404 page not found\n', undefined, 404);
    }
  };
