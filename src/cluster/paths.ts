import type { Exchange } from '../apiserver/http/exchange.ts';
import type { PathHandler } from '../apiserver/http/handler.ts';
import { contentType } from '../apiserver/metrics/paths.ts';
import { sendSnapshot } from './node/snapshot.ts';
import type { Cluster } from './start.ts';
import { traceOf } from './trace.ts';

const json = (exchange: Exchange, body: unknown): true => {
  exchange.respond(200, { 'content-type': 'application/json' }, JSON.stringify(body));
  return true;
};

/**
 * What Wherry tells of itself beside Kubernetes' API: `/wherry/status`, `/wherry/trace/NAMESPACE/POD`,
 * `/wherry/why/NAMESPACE/POD`, `/wherry/snapshot`. Subject to RBAC like every path outside the resources.
 */
export const wherryPaths =
  (cluster: () => Cluster | undefined): PathHandler =>
  async (_server, exchange) => {
    const [, wherry, what, namespace, name] = exchange.path.split('/').map(decodeURIComponent);
    const running = cluster();
    if (wherry !== 'wherry' || !running) return false;
    if (what === 'status') return json(exchange, await running.status());
    if (what === 'trace' && namespace && name) return json(exchange, traceOf(running, namespace, name));
    if (what === 'why' && namespace && name) return json(exchange, await running.why(namespace, name));
    if (what === 'snapshot' && exchange.method === 'GET') {
      await sendSnapshot(running, exchange);
      return true;
    }
    return false;
  };

/** `/metrics/resources`, which a scheduler alone tells at its own port. */
export const resourcePaths =
  (resources: () => string): PathHandler =>
  async (_server, exchange) => {
    if (exchange.path !== '/metrics/resources') return false;
    exchange.respond(200, { 'content-type': contentType }, resources());
    return true;
  };
