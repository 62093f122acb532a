import type { Clock } from '../../machinery/clock.ts';
import { MetricRegistry } from '../../machinery/metrics.ts';
import type { Store } from '../../machinery/store.ts';
import type { Caches } from '../cache/caches.ts';
import type { Scheme } from '../scheme.ts';
import { RequestMetrics } from './request-metrics.ts';
import { WriteMetrics } from './write-metrics.ts';

/** The metrics of an API server: what is counted as it happens, and what is looked up when somebody asks. */
export class ServerMetrics {
  readonly registry = new MetricRegistry();
  readonly requests: RequestMetrics;
  readonly writes: WriteMetrics;

  constructor(clock: Clock) {
    this.requests = new RequestMetrics(this.registry, () => clock.now());
    this.writes = new WriteMetrics(this.registry, () => clock.now());
    this.registry
      .gauge(
        'kubernetes_build_info',
        "A metric with a constant '1' value labeled by major, minor, git version, git commit, git tree state, build date, Go version, and compiler from which Kubernetes was built, and platform on which it is running.",
        ['major', 'minor', 'git_version', 'platform'],
      )
      .with('1', '36', 'v1.36.2', 'linux/amd64')
      .set(1);
  }

  /** What the store and the caches hold, looked up for each rendering. */
  followStorage(scheme: Scheme, caches: Caches, store: Store): void {
    const { registry } = this;
    const objects = registry.gauge(
      'apiserver_storage_objects',
      '[DEPRECATED, consider using apiserver_resource_objects instead] Number of stored objects at the time of last check split by kind. In case of a fetching error, the value will be -1.',
      ['resource'],
      'STABLE',
    );
    const byResource = ['group', 'resource'];
    const resources = registry.gauge(
      'apiserver_resource_objects',
      'Number of stored objects at the time of last check split by kind. In case of a fetching error, the value will be -1.',
      byResource,
    );
    const watchers = registry.gauge(
      'apiserver_registered_watchers',
      'Number of currently registered watchers for a given resources',
      ['group', 'version', 'kind'],
    );
    const versions = registry.gauge(
      'apiserver_watch_cache_resource_version',
      'Current resource version of watch cache broken by resource type. This is truncated to the 15 least significant digits.',
      byResource,
    );
    const size = registry.gauge(
      'apiserver_storage_size_bytes',
      'Size of the storage database file physically allocated in bytes.',
      ['storage_cluster_id'],
      'STABLE',
    );
    const keys = registry.gauge('etcd_debugging_mvcc_keys_total', 'Total number of keys.');
    const revision = registry.gauge('etcd_debugging_mvcc_current_revision', 'The current revision of store.');
    registry.beforeRender(() => {
      for (const family of [objects, resources, watchers, versions]) family.clear();
      for (const { kind, storage, custom } of scheme.all()) {
        const cache = kind === storage || custom ? caches.of(storage, custom) : undefined;
        if (!cache || kind.version !== storage.version) continue;
        const { group, plural, version } = kind;
        objects.with(group ? `${plural}.${group}` : plural).set(cache.entries.size);
        resources.with(group, plural).set(cache.entries.size);
        versions.with(group, plural).set(cache.changed % 1e15);
        if (cache.watchers) watchers.with(group, version, kind.kind).set(cache.watchers);
      }
      const stats = store.stats();
      size.with('etcd').set(stats.bytes);
      keys.with().set(stats.keys);
      revision.with().set(store.revision);
    });
  }
}
