import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Upgraded } from './upgrade-request.ts';

/** What a client's socket emits once it speaks another protocol. */
export const upgradedEvent = 'wherry:upgraded';

/** Tells the client that the upgrade is done, in the words of the one behind us, and joins the two connections. */
export async function splice(client: Socket, head: Buffer, { socket, rawHeaders }: Upgraded): Promise<void> {
  const lines: string[] = [];
  for (let i = 0; i < rawHeaders.length; i += 2) lines.push(`${rawHeaders[i]}: ${rawHeaders[i + 1]}\r\n`);
  client.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('')}\r\n`);
  client.emit(upgradedEvent);
  if (head.length) socket.write(head);
  await join(client, socket);
}

/** How long a side may take to close after the other has. */
const lingerMs = 5000;

/** Carries bytes both ways until one side is closed; what it wrote before still reaches the other. */
export async function join(a: Socket, b: Socket): Promise<void> {
  a.pipe(b);
  b.pipe(a);
  await Promise.all([closed(a).then(() => linger(b)), closed(b).then(() => linger(a))]);
}

function closed(socket: Socket): Promise<void> {
  socket.on('error', () => socket.destroy());
  return new Promise((resolve) => {
    if (socket.destroyed) resolve();
    else socket.once('close', () => resolve());
  });
}

/**
 * Ends a socket whose peer may still be sending: to close it with bytes unread would take away from the peer what we sent
 * last. So they are read, until the peer closes too.
 */
async function linger(socket: Socket): Promise<void> {
  if (socket.destroyed) return;
  const timer = setTimeout(() => socket.destroy(), lingerMs);
  socket.end();
  socket.resume();
  await closed(socket);
  clearTimeout(timer);
}

/** The header as the client sent it: one entry for each time that it came. */
export function headerLines(request: IncomingMessage, name: string): string[] {
  const lines: string[] = [];
  for (let i = 0; i < request.rawHeaders.length; i += 2)
    if (request.rawHeaders[i]!.toLowerCase() === name) lines.push(request.rawHeaders[i + 1]!);
  return lines;
}
