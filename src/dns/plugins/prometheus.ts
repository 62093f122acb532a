import { refuseBody } from '../corefile.ts';
import { rcodeName, typeName } from '../message.ts';
import { after, type PluginKind } from '../plugin.ts';

/**
 * `prometheus`: counts questions and answers and how long they took, and serves the figures at /metrics under CoreDNS'
 * names, so that its dashboards work: coredns_dns_requests_total, coredns_dns_responses_total,
 * coredns_dns_request_duration_seconds, coredns_cache_hits_total, coredns_cache_misses_total.
 *
 * Corefile: `prometheus [HOST:PORT]` (default localhost:9153).
 */
export const prometheus: PluginKind = {
  name: 'prometheus',
  setup(directive, { host, metrics, clock }) {
    refuseBody(directive);
    let server: AsyncDisposable | undefined;
    return {
      name: 'prometheus',
      handle(request, next) {
        const start = clock.now();
        const { zone, protocol: proto } = request;
        // Any number may be asked for: those without a name are one label.
        const known = typeName(request.type);
        const type = known.startsWith('TYPE') ? 'other' : known;
        metrics.count('coredns_dns_requests_total', { zone, proto, type });
        return after(next(request), (message) => {
          metrics.count('coredns_dns_responses_total', { zone, rcode: rcodeName(message.rcode) });
          metrics.observe('coredns_dns_request_duration_seconds', { zone }, (clock.now() - start) / 1000);
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
