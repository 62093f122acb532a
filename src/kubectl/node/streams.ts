import type { HttpsOptions } from '../../client/node/https.ts';
import { portForward } from '../../client/streams/node/port-forward.ts';
import { attachStream, execStream } from '../../client/streams/node/remote.ts';
import type { StreamServer } from '../../client/streams/node/web-socket.ts';
import type { StreamOpener } from '../streams.ts';

/** exec, attach and port-forward with the credentials of a connection. */
export async function streamOpener(options: HttpsOptions): Promise<StreamOpener> {
  const { server, ca, cert, key, insecure, serverName, token, credentials, headers } = options;
  const request: StreamServer = {
    server,
    tls: { ca, cert, key, insecure, serverName },
    headers: {
      ...headers,
      ...(token ? { authorization: `Bearer ${token}` } : {}),
      ...(await credentials?.headers()),
    },
  };
  return {
    exec: (rest) => execStream({ request, ...rest }),
    attach: (rest) => attachStream({ request, ...rest }),
    async portForward(rest) {
      const forwarding = await portForward({ request, ...rest });
      return {
        closed: forwarding.closed,
        close: async () => forwarding[Symbol.asyncDispose](),
        async carry(port, local) {
          const remote = forwarding.connect(port);
          const up = (async () => {
            for await (const piece of local.stream()) {
              if (!remote.write(piece)) await new Promise((resolve) => remote.once('drain', resolve));
            }
            remote.end();
          })();
          // The remote side decides how it ended: a client that went away is no failure.
          up.catch(() => remote.destroy());
          try {
            for await (const piece of remote) await local.write(piece as Buffer);
            local.end();
          } finally {
            remote.destroy();
          }
        },
      };
    },
  };
}
