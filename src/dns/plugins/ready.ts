import { refuseBody } from '../corefile.ts';
import type { PluginKind } from '../plugin.ts';

/**
 * `ready`: HTTP at /ready for a readiness probe: 200 once all plugins can answer, 503 and the names of those that cannot
 * before. Once ready, always ready.
 *
 * Corefile: `ready [HOST:PORT]` (default :8181).
 */
export const ready: PluginKind = {
  name: 'ready',
  setup(directive, { host, notReady }) {
    refuseBody(directive);
    let server: AsyncDisposable | undefined;
    let wasReady = false;
    return {
      name: 'ready',
      async start() {
        server = await host.serveHttp(directive.args[0] ?? ':8181', (path) => {
          if (path !== '/ready') return { status: 404, body: 'not found' };
          const waiting = wasReady ? [] : notReady();
          wasReady ||= waiting.length === 0;
          return wasReady ? { status: 200, body: 'OK' } : { status: 503, body: waiting.join(',') };
        });
      },
      async stop() {
        await server?.[Symbol.asyncDispose]();
      },
    };
  },
};
