import type { ApiRequest, Transport } from '../client/client.ts';
import { clone, type WatchEvent } from '../machinery/meta.ts';
import { gone, StatusError } from '../machinery/status.ts';
import { demandRight } from './authz/demand.ts';
import type { Context, User } from './context.ts';
import { perform, type Result } from './perform.ts';
import { cacheOf } from './registry/registry.ts';
import { watch } from './registry/watch.ts';
import type { ApiServer } from './server.ts';
import { recordWrite } from './trace.ts';

/** Events that one watcher may be behind before it is told to list again. */
const maxPending = 50_000;

/** The same pipeline, identity and authorization as over a socket, without the socket and without encoding. */
export function inProcessTransport(server: ApiServer, user: User, userAgent: string): Transport {
  const { registry } = server;
  const identity: User = user.groups.includes('system:authenticated')
    ? user
    : { ...user, groups: [...user.groups, 'system:authenticated'] };

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
    demandRight(server.authorizer, context);
    return context;
  }
  return {
    async request(request) {
      const context = contextOf(request);
      const body = request.body === undefined ? undefined : clone(request.body);
      const result: Result = await perform(registry, server.handlers, context, body);
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
      const context = contextOf(request);
      let pending: WatchEvent[] = [];
      let wake: (() => void) | undefined;
      let failure: unknown;
      const push = (event: WatchEvent) => {
        if (pending.length >= maxPending) failure ??= gone('the watcher is too slow: list again');
        else pending.push(event);
        wake?.();
      };
      const { signal } = request.options;
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
        stop();
        signal?.removeEventListener('abort', abort);
      }
    },
  };
}
