import type { Clock } from '../../machinery/clock.ts';
import { MetricRegistry } from '../../machinery/metrics.ts';
import type { Store } from '../../machinery/store.ts';
import type { Caches } from '../cache/caches.ts';
import type { Scheme } from '../scheme.ts';
import { buildInfo } from './build-info.ts';
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
    buildInfo(this.registry);
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
    const counter = (name: string, help: string, stability: 'ALPHA' | 'BETA' = 'ALPHA') =>
      registry.counter(name, help, byResource, stability);
    const stored = counter(
      'apiserver_storage_events_received_total',
      'Number of etcd events received split by kind.',
      'BETA',
    );
    const received = counter(
      'apiserver_watch_cache_events_received_total',
      'Counter of events received in watch cache broken by resource type.',
    );
    const dispatched = counter(
      'apiserver_watch_cache_events_dispatched_total',
      'Counter of events dispatched in watch cache broken by resource type.',
    );
    const initialized = counter(
      'apiserver_watch_cache_initializations_total',
      'Counter of watch cache initializations broken by resource type.',
    );
    const capacity = registry.gauge(
      'watch_cache_capacity',
      'Total capacity of watch cache broken by resource type.',
      byResource,
    );
    const byIndex = ['group', 'index', 'resource'];
    const lists = registry.counter(
      'apiserver_cache_list_total',
      'Number of LIST requests served from watch cache',
      byIndex,
    );
    const fetched = registry.counter(
      'apiserver_cache_list_fetched_objects_total',
      'Number of objects read from watch cache in the course of serving a LIST request',
      byIndex,
    );
    const returned = counter(
      'apiserver_cache_list_returned_objects_total',
      'Number of objects returned for a LIST request from watch cache',
    );
    const all = [objects, resources, watchers, versions, stored, received, dispatched, initialized];
    registry.beforeRender(() => {
      for (const family of [...all, capacity, lists, fetched, returned]) family.clear();
      for (const { kind, storage, custom } of scheme.all()) {
        const cache = kind === storage || custom ? caches.of(storage, custom) : undefined;
        if (!cache || kind.version !== storage.version) continue;
        const { group, plural, version } = kind;
        objects.with(group ? `${plural}.${group}` : plural).set(cache.entries.size);
        resources.with(group, plural).set(cache.entries.size);
        versions.with(group, plural).set(cache.changed % 1e15);
        const { counts } = cache;
        for (const family of [stored, received, dispatched]) family.with(group, plural).inc(counts.events);
        initialized.with(group, plural).inc();
        capacity.with(group, plural).set(cache.capacity);
        if (counts.lists) {
          lists.with(group, '', plural).inc(counts.lists);
          fetched.with(group, '', plural).inc(counts.fetched);
          returned.with(group, plural).inc(counts.returned);
        }
        if (cache.watchers) watchers.with(group, version, kind.kind).set(cache.watchers);
      }
      const stats = store.stats();
      size.with('etcd').set(stats.bytes);
      keys.with().set(stats.keys);
      revision.with().set(store.revision);
    });
    const registered = registry.counter(
      'registered_metrics_total',
      'The count of registered metrics broken by stability level and deprecation version.',
      ['stability_level', 'deprecated_version'],
      'BETA',
    );
    registry.counter('hidden_metrics_total', 'The count of hidden metrics.', [], 'BETA').with();
    registry.counter('disabled_metrics_total', 'The count of disabled metrics.', [], 'BETA').with();
    registry.beforeRender(() => {
      registered.clear();
      for (const level of registry.stabilities()) registered.with(level, '').inc();
    });
  }
}
