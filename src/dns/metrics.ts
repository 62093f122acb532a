import { exponentialBuckets, MetricRegistry } from '../machinery/metrics.ts';

/** What CoreDNS calls the server of a block: this one answers as the cluster's. */
export const serverLabel = 'dns://:53';
const seconds = exponentialBuckets(0.00025, 2, 16);

/** What is counted of names, by CoreDNS' names and labels. Source: its plugins prometheus, cache and forward. */
export class Metrics {
  readonly registry: MetricRegistry;
  readonly requests;
  readonly responses;
  readonly durations;
  readonly cacheRequests;
  readonly cacheHits;
  readonly cacheMisses;
  readonly forwarded;
  readonly plugins;

  constructor(registry = new MetricRegistry()) {
    this.registry = registry;
    const block = ['server', 'zone', 'view'];
    const dns = (rest: string) => `coredns_dns_${rest}`;
    this.requests = registry.counter(
      dns('requests_total'),
      'Counter of DNS requests made per zone, protocol and family.',
      [...block, 'proto', 'family', 'type'],
    );
    this.responses = registry.counter(dns('responses_total'), 'Counter of response status codes.', [
      ...block,
      'rcode',
      'plugin',
    ]);
    this.durations = registry.histogram(
      dns('request_duration_seconds'),
      'Histogram of the time (in seconds) each request took per zone.',
      block,
      seconds,
    );
    const cache = ['server', 'zones', 'view'];
    this.cacheRequests = registry.counter(
      'coredns_cache_requests_total',
      'The count of cache requests.',
      cache,
    );
    this.cacheHits = registry.counter('coredns_cache_hits_total', 'The count of cache hits.', [
      ...['server', 'type', 'zones', 'view'],
    ]);
    this.cacheMisses = registry.counter(
      'coredns_cache_misses_total',
      'The count of cache misses. Deprecated, derive misses from cache hits/requests counters.',
      cache,
    );
    this.forwarded = registry.histogram(
      'coredns_proxy_request_duration_seconds',
      'Histogram of the time each request took.',
      ['proxy_name', 'to', 'rcode'],
      seconds,
    );
    this.plugins = registry.gauge(
      'coredns_plugin_enabled',
      'A metric that indicates whether a plugin is enabled on per server and zone basis.',
      [...block, 'name'],
    );
    registry.counter('coredns_panics_total', 'A metrics that counts the number of panics.').with();
  }
  text(): string {
    return this.registry.render();
  }
}
