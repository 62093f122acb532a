import type { ApiRequest, Transport } from '../client/client.ts';
import { restTransport } from '../client/rest.ts';
import { clone, type WatchEvent } from '../machinery/meta.ts';
import { gone, isStatusError, StatusError } from '../machinery/status.ts';
import type { AuditTrail } from './audit/trail.ts';
import { attributesOf, demandRight } from './authz/demand.ts';
import type { Attributes } from './authz/rbac.ts';
import { freshFor } from './cache/fresh.ts';
import type { Context, User } from './context.ts';
import { inProcessHttp } from './in-process-http.ts';
import { perform, type Result } from './perform.ts';
import { cacheOf } from './registry/registry.ts';
import { watch } from './registry/watch.ts';
import type { ApiServer } from './server.ts';
import { recordWrite } from './trace.ts';

/** Events that one watcher may be behind before it is told to list again. */
const maxPending = 50_000;

const readOnly = new Set(['get', 'list', 'watch']);

/** What the audit log is told of a request that has no connection, and no URL but the one that it would have had. */
const audited = (server: ApiServer, context: Context, attributes: Attributes): AuditTrail | undefined =>
  server.auditor?.begin({
    auditId: server.registry.uuid(),
    beganMs: context.nowMs,
    attributes,
    context,
    uri: uriOf(context),
    userAgent: context.userAgent,
    sourceIPs: ['127.0.0.1'],
  });

function uriOf({ group, version, plural, namespace, name, subresource }: Context): string {
  const start = group ? `/apis/${group}/${version}` : `/api/${version}`;
  const parts = [...(namespace ? ['namespaces', namespace] : []), plural, name, subresource];
  return [start, ...parts.filter((part) => part !== undefined)].join('/');
}

/**
 * The same pipeline, identity and authorization as over a socket, without the socket and without encoding; what another
 * server serves is asked of that one.
 */
export function inProcessTransport(server: ApiServer, user: User, userAgent: string): Transport {
  const { registry } = server;
  const identity: User = user.groups.includes('system:authenticated')
    ? user
    : { ...user, groups: [...user.groups, 'system:authenticated'] };

  const http = restTransport(inProcessHttp(server, identity), { userAgent });
  const elsewhere = ({ group, version }: ApiRequest) => server.remotes.covers(group, version);

  function contextOf(request: ApiRequest): Context {
    const served = registry.scheme.resource(request.group, request.version, request.plural);
    if (!served) throw new StatusError(404, 'NotFound', 'the server could not find the requested resource');
    const context: Context = {
      ...request,
      user: identity,
      served,
      nowMs: registry.clock.now(),
      userAgent,
      warnings: [],
      code: 200,
    };
    return context;
  }

  /** Counts a request as one that comes over a socket; it takes seats, but is not made to wait for them. */
  async function counted<T>(context: Context, run: (trail?: AuditTrail) => Promise<T>): Promise<T> {
    const attributes = attributesOf(context);
    const { flow, metrics } = server;
    const cache = registry.caches.of(context.served.storage, context.served.custom);
    const ticket = flow.enter(flow.classify(attributes), attributes, context.options, cache);
    const { requests } = metrics;
    const inFlight = requests.inFlight[readOnly.has(context.verb) ? 'readOnly' : 'mutating'];
    inFlight.add(1, ticket.startedMs);
    const trail = server.auditor && audited(server, context, attributes);
    let code = 0;
    try {
      demandRight(server.authorizer, context);
      trail?.authorized(attributes, true);
      const catchingUp = freshFor(registry.caches, context);
      if (catchingUp) await catchingUp;
      return await run(trail);
    } catch (error) {
      code = isStatusError(error) ? error.code : 500;
      if (isStatusError(error)) trail?.failed(error.status);
      throw error;
    } finally {
      ticket.finish();
      trail?.complete(code || context.code);
      const now = registry.clock.now();
      inFlight.add(-1, now);
      requests.observe(context, code || context.code, now - context.nowMs, 0);
    }
  }
  return {
    async request(request) {
      if (elsewhere(request)) return http.request(request);
      const context = contextOf(request);
      const body = request.body === undefined ? undefined : clone(request.body);
      const result: Result = await counted(context, async (trail) => {
        trail?.requested(body);
        const performed = await perform(registry, server.handlers, context, body);
        trail?.resulted(context, performed);
        return performed;
      });
      recordWrite(registry, context, result);
      if (result.type === 'entry') return result.entry.object;
      if (result.type === 'object') return result.object;
      const { list } = result;
      return {
        metadata: {
          resourceVersion: String(list.revision),
          ...(list.continue ? { continue: list.continue } : {}),
          ...(list.remaining ? { remainingItemCount: list.remaining } : {}),
        },
        items: list.entries.map((entry) => entry.object),
      };
    },

    async *watch(request) {
      if (elsewhere(request)) return yield* http.watch(request);
      const context = contextOf(request);
      demandRight(server.authorizer, context);
      const catchingUp = freshFor(registry.caches, context);
      if (catchingUp) await catchingUp;
      const gauge = server.metrics.requests.longRunning(context);
      let pending: WatchEvent[] = [];
      let wake: (() => void) | undefined;
      let failure: unknown;
      const push = (event: WatchEvent) => {
        if (pending.length >= maxPending) failure ??= gone('the watcher is too slow: list again');
        else pending.push(event);
        wake?.();
      };
      const { ended } = context.served;
      const given = request.options.signal;
      const signal = ended ? AbortSignal.any([ended, ...(given ? [given] : [])]) : given;
      const { stop } = watch(cacheOf(registry, context), context, {
        initial: (entry) => push({ type: 'ADDED', object: entry.object }),
        event: (type, { entry }) => push({ type, object: entry.object }),
        bookmark: (revision, initialEnd) =>
          push({
            type: 'BOOKMARK',
            object: {
              metadata: {
                resourceVersion: String(revision),
                ...(initialEnd ? { annotations: { 'k8s.io/initial-events-end': 'true' } } : {}),
              },
            },
          }),
        fail(error) {
          failure ??= error;
          wake?.();
        },
      });
      const abort = () => wake?.();
      gauge.value++;
      signal?.addEventListener('abort', abort, { once: true });
      try {
        while (!signal?.aborted) {
          if (!pending.length) {
            if (failure) throw failure;
            await new Promise<void>((resolve) => (wake = resolve));
            wake = undefined;
            continue;
          }
          const batch = pending;
          pending = [];
          yield batch;
        }
      } finally {
        gauge.value--;
        stop();
        signal?.removeEventListener('abort', abort);
      }
    },
  };
}
