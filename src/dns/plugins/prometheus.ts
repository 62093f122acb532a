import type { Counter } from '../../machinery/metrics.ts';
import { refuseBody } from '../corefile.ts';
import { rcodeName, typeName } from '../message.ts';
import { serverLabel } from '../metrics.ts';
import { after, type PluginKind } from '../plugin.ts';

/**
 * `prometheus`: counts questions and answers and how long they took, and serves the figures at /metrics under CoreDNS'
 * names, so that its dashboards work: coredns_dns_requests_total, coredns_dns_responses_total,
 * coredns_dns_request_duration_seconds, coredns_cache_requests_total, coredns_cache_hits_total, coredns_cache_misses_total,
 * coredns_proxy_request_duration_seconds, coredns_plugin_enabled. Which plugin has answered is not told.
 *
 * Corefile: `prometheus [HOST:PORT]` (default localhost:9153).
 */
export const prometheus: PluginKind = {
  name: 'prometheus',
  setup(directive, { host, metrics, clock, zones }) {
    refuseBody(directive);
    let server: AsyncDisposable | undefined;
    const { requests, responses, durations, plugins } = metrics;
    for (const zone of zones) plugins.with(serverLabel, zone, '', 'prometheus').set(1);
    const counters = new Map<string, Counter>();
    /** The same few over and over. */
    const counterOf = (key: string, make: () => Counter): Counter => {
      let counter = counters.get(key);
      if (!counter) counters.set(key, (counter = make()));
      return counter;
    };
    return {
      name: 'prometheus',
      handle(request, next) {
        const start = clock.now();
        const { zone, protocol: proto } = request;
        // Any number may be asked for: those without a name are one label.
        const known = typeName(request.type);
        const type = known.startsWith('TYPE') ? 'other' : known;
        const family = request.client.includes(':') ? '2' : '1';
        const asked = counterOf(`${zone} ${proto} ${family} ${type}`, () =>
          requests.with(serverLabel, zone, '', proto, family, type),
        );
        asked.value++;
        return after(next(request), (message) => {
          const { rcode } = message;
          const answered = counterOf(`${zone} ${rcode}`, () =>
            responses.with(serverLabel, zone, '', rcodeName(rcode), ''),
          );
          answered.value++;
          durations.with(serverLabel, zone, '').observe((clock.now() - start) / 1000);
          return message;
        });
      },
      async start() {
        server = await host.serveHttp(directive.args[0] ?? 'localhost:9153', (path) =>
          path === '/metrics' ? { status: 200, body: metrics.text() } : { status: 404, body: 'not found' },
        );
      },
      async stop() {
        await server?.[Symbol.asyncDispose]();
      },
    };
  },
};
