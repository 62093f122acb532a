import type { PathHandler } from '../http/handler.ts';
import type { HealthPath } from './health.ts';

const paths: readonly string[] = ['healthz', 'livez', 'readyz'] satisfies HealthPath[];
const headers = { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' };

/** `/livez`, with `?verbose` and `?exclude=NAME`, and `/livez/NAME`; likewise the two others. */
export const healthPaths: PathHandler = async (server, exchange) => {
  const [, first = '', ...rest] = exchange.path.split('/');
  if (!paths.includes(first)) return false;
  const path = first as HealthPath;
  const name = rest.join('/');
  if (name) {
    const found = await server.health.one(path, name);
    if (!found) return false;
    if (found.problem === undefined) exchange.respond(200, headers, 'ok');
    else exchange.respond(500, headers, `internal server error: ${found.problem}\n`);
    return true;
  }
  const { healthy, text } = await server.health.all(path, exchange.query.getAll('exclude'));
  exchange.respond(healthy ? 200 : 500, headers, healthy && !exchange.query.has('verbose') ? 'ok' : text);
  return true;
};
