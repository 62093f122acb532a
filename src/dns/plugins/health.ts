import { sleep } from '../../machinery/clock.ts';
import { parseDuration, unknownWord } from '../corefile.ts';
import type { PluginKind } from '../plugin.ts';

/**
 * `health`: HTTP at /health for a liveness probe: 200 and OK as long as the process lives.
 *
 * Corefile: `health [HOST:PORT]` (default :8080), with `lameduck DURATION`: how long it goes on answering while it stops.
 */
export const health: PluginKind = {
  name: 'health',
  setup({ args, body }, { host, clock }) {
    let lameduckMs = 0;
    for (const line of body) {
      if (line.words[0] !== 'lameduck') throw unknownWord('health', line);
      lameduckMs = parseDuration(line.words[1], line.line);
    }
    let server: AsyncDisposable | undefined;
    return {
      name: 'health',
      async start() {
        server = await host.serveHttp(args[0] ?? ':8080', (path) =>
          path === '/health' ? { status: 200, body: 'OK' } : { status: 404, body: 'not found' },
        );
      },
      async stop() {
        if (lameduckMs > 0) await sleep(clock, lameduckMs);
        await server?.[Symbol.asyncDispose]();
      },
    };
  },
};
