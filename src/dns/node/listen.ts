import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram';
import { createServer, isIPv6, type Socket } from 'node:net';
import type { Log } from '../../machinery/log.ts';
import type { Server } from '../server.ts';
import type { Address } from '../start.ts';
import { readFrames } from './frames.ts';

export interface ListenOptions {
  readonly log: Log;
  /** Most questions under way; further ones over UDP are not answered (clients ask again), over TCP they wait. */
  readonly maxActive?: number;
  readonly maxConnections?: number;
  /** A TCP connection that says nothing for so long is closed. */
  readonly idleMs?: number;
}

/** UDP and TCP sockets at one address. Rejects when it is taken. */
export async function listen(
  server: Server,
  { host, port }: Address,
  options: ListenOptions,
): Promise<{ port: number; close(): Promise<void> }> {
  for (let attempt = 0; ; attempt++) {
    const udp = await listenUdp(server, host, port, options);
    const bound = udp.address().port;
    try {
      const tcp = await listenTcp(server, host, bound, options);
      return {
        port: bound,
        async close() {
          await Promise.all([new Promise<void>((resolve) => udp.close(() => resolve())), tcp.close()]);
        },
      };
    } catch (error) {
      await new Promise<void>((resolve) => udp.close(() => resolve()));
      // Any port: one that is free for UDP may be taken for TCP.
      if (port !== 0 || attempt >= 20) throw error;
    }
  }
}

function listenUdp(server: Server, host: string, port: number, options: ListenOptions): Promise<UdpSocket> {
  const { log, maxActive = 10_000 } = options;
  const socket = createSocket({ type: isIPv6(host) ? 'udp6' : 'udp4', recvBufferSize: 4 << 20 });
  let active = 0;
  let open = true;
  socket.on('close', () => {
    open = false;
  });
  const send = (bytes: Uint8Array, { port, address }: RemoteInfo) => {
    if (!open) return;
    socket.send(bytes, port, address, (error) => {
      // The client may have gone; for it, that is a lost packet.
      if (error) log.debug('answer not sent', { client: address, error: String(error) });
    });
  };
  socket.on('message', (bytes, from) => {
    const answer = server.respond(bytes, from.address, 'udp');
    if (!answer) return;
    if (!(answer instanceof Promise)) return send(answer, from);
    // Counted when there is something to wait for: what memory answers is over already.
    if (++active > maxActive) {
      active--;
      answer.catch(() => undefined);
      return;
    }
    void answer
      .then((late) => send(late, from))
      .catch((error) => log.debug('answer not sent', { client: from.address, error: String(error) }))
      .finally(() => active--);
  });
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind({ port, address: host, exclusive: true }, () => {
      socket.removeListener('error', reject);
      socket.on('error', (error) => log.warn('UDP socket', { host, error: String(error) }));
      resolve(socket);
    });
  });
}

async function listenTcp(
  server: Server,
  host: string,
  port: number,
  { log, maxConnections = 1000, idleMs = 10_000 }: ListenOptions,
): Promise<{ close(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const listener = createServer((socket) => {
    sockets.add(socket);
    socket.setNoDelay(true).setTimeout(idleMs, () => socket.destroy());
    socket.on('error', (error) => log.debug('TCP client', { error: String(error) }));
    socket.on('close', () => sockets.delete(socket));
    serveConnection(server, socket);
  });
  listener.maxConnections = maxConnections;
  await new Promise<void>((resolve, reject) => {
    listener.once('error', reject);
    listener.listen({ port, host }, () => {
      listener.removeListener('error', reject);
      listener.on('error', (error) => log.warn('TCP socket', { host, error: String(error) }));
      resolve();
    });
  });
  return {
    close: () =>
      new Promise((resolve) => {
        listener.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

/** Questions of one connection under way at once. */
const maxPipelined = 100;

/** Answers as they come, in any order: the client tells them apart by id. A client that does not read is not read from. */
function serveConnection(server: Server, socket: Socket): void {
  let active = 0;
  const settle = () => {
    active--;
    if (active < maxPipelined && !socket.writableNeedDrain) socket.resume();
  };
  const send = (bytes: Uint8Array | undefined) => {
    if (!bytes || socket.destroyed) return;
    const frame = Buffer.allocUnsafe(bytes.length + 2);
    frame.writeUInt16BE(bytes.length);
    frame.set(bytes, 2);
    if (!socket.write(frame)) socket.pause();
  };
  socket.on('drain', () => {
    if (active < maxPipelined) socket.resume();
  });
  readFrames(socket, (bytes) => {
    const answer = server.respond(bytes, socket.remoteAddress ?? '', 'tcp');
    if (!(answer instanceof Promise)) return send(answer);
    if (++active >= maxPipelined) socket.pause();
    void answer
      .then(send)
      .catch(() => socket.destroy())
      .finally(settle);
  });
}
