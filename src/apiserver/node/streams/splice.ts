import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Upgraded } from './upgrade-request.ts';

/** Tells the client that the upgrade is done, in the words of the one behind us, and joins the two connections. */
export async function splice(client: Socket, head: Buffer, { socket, rawHeaders }: Upgraded): Promise<void> {
  const lines: string[] = [];
  for (let i = 0; i < rawHeaders.length; i += 2) lines.push(`${rawHeaders[i]}: ${rawHeaders[i + 1]}\r\n`);
  client.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('')}\r\n`);
  if (head.length) socket.write(head);
  await join(client, socket);
}

/** Carries bytes both ways until one side is closed; what it wrote before still reaches the other. */
export async function join(a: Socket, b: Socket): Promise<void> {
  a.pipe(b);
  b.pipe(a);
  a.on('error', () => a.destroy());
  b.on('error', () => b.destroy());
  const over = (socket: Socket, other: Socket) =>
    new Promise<void>((resolve) => {
      const closed = () => {
        other.destroySoon();
        resolve();
      };
      if (socket.destroyed) closed();
      else socket.once('close', closed);
    });
  await Promise.all([over(a, b), over(b, a)]);
}

/** The header as the client sent it: one entry for each time that it came. */
export function headerLines(request: IncomingMessage, name: string): string[] {
  const lines: string[] = [];
  for (let i = 0; i < request.rawHeaders.length; i += 2)
    if (request.rawHeaders[i]!.toLowerCase() === name) lines.push(request.rawHeaders[i + 1]!);
  return lines;
}
