import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { Connection, type Router } from './connection.ts';

export interface Listener {
  /** With the port that was taken. */
  url: string;
  /** Ends what is under way within `graceMs`. */
  close(graceMs: number): Promise<void>;
}

export interface ListenOptions {
  /** `http://127.0.0.1:2379`, `https://…` (needs `tls`), `unix:///path`. Port 0 takes a free one. */
  url: string;
  /** PEM. With `clientCA`, only clients whose certificate it has signed are let in. */
  tls?: { cert: Buffer; key: Buffer; clientCA?: Buffer } | undefined;
  route: Router;
  /** Answers HTTP/1.1 on the same port. */
  http: RequestListener;
}

/** Listens for gRPC (over HTTP/2, with TLS or without) and HTTP/1.1. Rejects with a sentence. */
export async function listen({ url, tls, route, http }: ListenOptions): Promise<Listener> {
  const { protocol, hostname, port, pathname } = new URL(url);
  if (protocol === 'https:' && !tls) throw new Error(`${url} needs a certificate and its key`);
  if (!['http:', 'https:', 'unix:'].includes(protocol))
    throw new Error(
      `"${url}" is no URL to listen at: use http://ADDRESS:PORT, https://ADDRESS:PORT or unix:///PATH`,
    );
  const connections = new Set<Connection>();
  const sockets = new Set<Socket>();
  const older = createHttpServer(http);
  const speak = (socket: Duplex): void => {
    const connection = new Connection(socket, route);
    connections.add(connection);
    socket.on('close', () => connections.delete(connection));
  };
  const plain = (socket: Socket): void => {
    socket.once('data', (first: Buffer) => {
      socket.pause();
      socket.unshift(first);
      // HTTP/2 begins with a method that HTTP/1.1 does not have.
      if (first.toString('latin1', 0, 3) === 'PRI') speak(socket);
      else older.emit('connection', socket);
      socket.resume();
    });
    socket.on('error', () => socket.destroy()); // before it is known who speaks: nobody waits for an answer
  };
  const server: Server = tls
    ? createTlsServer(
        {
          ...{ cert: tls.cert, key: tls.key, ALPNProtocols: ['h2', 'http/1.1'] },
          ...(tls.clientCA ? { ca: tls.clientCA, requestCert: true, rejectUnauthorized: true } : {}),
        },
        (socket: TLSSocket) => (socket.alpnProtocol === 'h2' ? speak(socket) : plain(socket)),
      )
    : createServer(plain);
  server.on('connection', (socket: Socket) => {
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 30_000);
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(new Error(`cannot listen at ${url}: ${error.message}`)));
    if (protocol === 'unix:') server.listen(pathname, resolve);
    else server.listen({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 2379) }, resolve);
  });
  const taken = server.address();
  return {
    url: typeof taken === 'object' && taken ? `${protocol}//${hostname}:${taken.port}` : url,
    async close(graceMs) {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const connection of connections) connection.leave();
      older.closeAllConnections();
      const timer = setTimeout(() => {
        for (const socket of sockets) socket.destroy();
      }, graceMs);
      await closed;
      clearTimeout(timer);
    },
  };
}
