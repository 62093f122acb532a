import { createServer } from 'node:http';
import type { Host } from '../plugin.ts';

/** A small HTTP server for probes and figures. `:8080` is all addresses. Rejects when the port is taken. */
export const serveHttp: Host['serveHttp'] = (address, respond) =>
  new Promise((resolve, reject) => {
    const colon = address.lastIndexOf(':');
    const host = address.slice(0, colon).replace(/^\[|\]$/g, '');
    const server = createServer((request, response) => {
      const url = URL.parse(request.url ?? '/', 'http://dns');
      const { status, body } = url ? respond(url.pathname) : { status: 400, body: 'bad request\n' };
      response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8' }).end(body);
    });
    server.once('error', reject);
    server.listen(Number(address.slice(colon + 1)), host || undefined, () =>
      resolve({
        [Symbol.asyncDispose]: () =>
          new Promise<void>((closed) => {
            server.close(() => closed());
            server.closeAllConnections();
          }),
      }),
    );
  });
