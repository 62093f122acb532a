import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import { decode } from '../codec/decode.ts';
import { encode } from '../codec/encode.ts';
import type { Message } from '../message.ts';
import { lower } from '../name.ts';
import type { Host } from '../plugin.ts';
import { readFrames } from './frames.ts';

/** Whether the message answers the question: a guessed one does not pass, nor a late one to an earlier question. */
function answers(answer: Message, asked: Message): boolean {
  const [ours] = asked.questions;
  const [theirs] = answer.questions;
  if (!answer.response || answer.id !== asked.id) return false;
  if (!theirs) return answer.rcode !== 0; // servers that could not read the question leave it out
  return theirs.type === ours!.type && lower(theirs.name) === lower(ours!.name);
}

function parse(bytes: Uint8Array, asked: Message): Message | undefined {
  try {
    const message = decode(bytes);
    return answers(message, asked) ? message : undefined;
  } catch {
    return undefined; // not an answer either: the right one may still come
  }
}

const describe = (host: string, port: number, what: string) => new Error(`${host}:${port} ${what}`);

/** One question, from a port of its own: the port is part of what an attacker has to guess. */
export const exchange: Host['exchange'] = ({ host, port }, asked, { protocol, timeoutMs }) =>
  protocol === 'udp' ? overUdp(host, port, asked, timeoutMs) : overTcp(host, port, asked, timeoutMs);

function overUdp(host: string, port: number, asked: Message, timeoutMs: number): Promise<Message> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
    let open = true;
    const end = (settle: () => void) => {
      if (!open) return;
      open = false;
      clearTimeout(timer);
      socket.removeAllListeners('error').on('error', () => {}); // it is closed: nothing more to say
      socket.close();
      settle();
    };
    const timer = setTimeout(() => end(() => reject(describe(host, port, 'does not answer'))), timeoutMs);
    socket.on('error', (error) => end(() => reject(error)));
    socket.on('message', (bytes) => {
      const message = parse(bytes, asked);
      if (message) end(() => resolve(message));
    });
    // Connected: only that server's packets come in, and its refusal (ICMP) does.
    socket.connect(port, host, () => {
      if (open) socket.send(encode(asked));
    });
  });
}

function overTcp(host: string, port: number, asked: Message, timeoutMs: number): Promise<Message> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    const end = (settle: () => void) => {
      clearTimeout(timer);
      socket.destroy();
      settle();
    };
    const timer = setTimeout(() => end(() => reject(describe(host, port, 'does not answer'))), timeoutMs);
    socket.on('error', (error) => end(() => reject(error)));
    socket.on('close', () => end(() => reject(describe(host, port, 'closed the connection'))));
    readFrames(socket, (bytes) => {
      const message = parse(bytes, asked);
      if (message) end(() => resolve(message));
    });
    const bytes = encode(asked);
    socket.write(Uint8Array.of(bytes.length >> 8, bytes.length & 255, ...bytes));
  });
}
