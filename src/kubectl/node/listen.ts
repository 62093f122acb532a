import { createServer as createHttpServer } from 'node:http';
import { createServer, type Socket as NetSocket } from 'node:net';
import type { Listener, ProxyHandler, Socket } from '../environment.ts';

type Where = { host: string; port: number } | { path: string };

const listening = (server: import('node:net').Server, where: Where): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(where, () => {
      server.off('error', reject);
      const address = server.address();
      resolve(typeof address === 'object' && address ? address.port : 0);
    });
  });

function socketOf(socket: NetSocket): Socket {
  return {
    async *stream() {
      try {
        for await (const piece of socket) yield piece as Buffer;
      } catch (error) {
        // A peer that resets has ended: what came before counts.
        if ((error as NodeJS.ErrnoException).code !== 'ECONNRESET') throw error;
      }
    },
    write: (data) =>
      new Promise((resolve, reject) => {
        socket.write(data, (error) => (error ? reject(error) : resolve()));
      }),
    end: () => void socket.end(),
    destroy: () => void socket.destroy(),
  };
}

/** Accepts TCP (or Unix socket) connections. Rejects with the system's error where the port cannot be had. */
export async function listenOn(where: Where, accept: (socket: Socket) => Promise<void>): Promise<Listener> {
  const open = new Set<NetSocket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    socket.on('error', () => socket.destroy());
    void accept(socketOf(socket)).finally(() => socket.destroy());
  });
  const port = await listening(server, where);
  return {
    port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
  };
}

/** Serves HTTP. */
export async function serveOn(where: Where, handle: ProxyHandler): Promise<Listener> {
  const server = createHttpServer((request, response) => {
    const gone = new AbortController();
    response.on('close', () => gone.abort());
    const answer = async () => {
      const parts: Buffer[] = [];
      for await (const part of request) parts.push(part as Buffer);
      const reply = await handle({
        method: request.method ?? 'GET',
        url: request.url ?? '/',
        headers: request.headers as Record<string, string>,
        body: Buffer.concat(parts),
        remote: request.socket.remoteAddress ?? '',
        signal: gone.signal,
      });
      response.writeHead(reply.status, reply.headers);
      response.flushHeaders();
      const { body } = reply;
      if (typeof body === 'string' || body instanceof Uint8Array) response.end(body);
      else {
        for await (const piece of body) response.write(piece);
        response.end();
      }
    };
    answer().catch((error) => {
      if (!response.headersSent) response.writeHead(502, { 'content-type': 'text/plain' });
      response.end(gone.signal.aborted ? '' : `${(error as Error).message}\n`);
    });
  });
  const port = await listening(server, where);
  return {
    port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
