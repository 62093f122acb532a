import type { ClientHttp2Session } from 'node:http2';
import type { Wire } from '../wire.ts';

/** Opens many watches that have nothing to see, over few connections; gives what ends them. */
export async function idleWatches(wire: Wire, count: number): Promise<{ open: number; close(): void }> {
  const sessions: ClientHttp2Session[] = [];
  let open = 0;
  for (let begun = 0; begun < count; begun += 250) {
    const session = wire.session();
    session.setMaxListeners(0);
    sessions.push(session);
    await Promise.all(
      Array.from({ length: Math.min(250, count - begun) }, (_, i) => {
        const stream = session.request({
          ':path': `/api/v1/namespaces/idle-${begun + i}/configmaps?watch=1&timeoutSeconds=3600`,
        });
        stream.resume();
        return new Promise<void>((resolve) => {
          stream.on('response', (headers) => {
            if (headers[':status'] === 200) open++;
            resolve();
          });
          stream.on('error', () => resolve());
          stream.on('close', () => resolve());
        });
      }),
    );
  }
  return { open, close: () => sessions.forEach((session) => void session.destroy()) };
}
