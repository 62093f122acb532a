import type { IncomingMessage } from 'node:http';
import { WebSocket } from 'ws';
import { fromStatus, StatusError } from '../../../machinery/status.ts';
import type { MessageSocket } from '../message-socket.ts';

/** Where an API server is and how to prove who we are. PEM texts. */
export interface StreamServer {
  /** `https://127.0.0.1:6443`, perhaps with a path that all others follow. */
  server: string;
  tls?: { ca?: string; cert?: string; key?: string; insecure?: boolean; serverName?: string };
  headers?: Record<string, string>;
}

/** Unsent bytes from which on a sender waits, and received ones from which on the peer does. */
const highWater = 1 << 20;
export const maxMessageBytes = 16 << 20;

/** The messages of a `ws` socket, of either side, with both directions held back when the other does not keep up. */
export function messageSocket(ws: WebSocket, protocol = ''): MessageSocket {
  ws.binaryType = 'nodebuffer';
  const queue: Uint8Array[] = [];
  let queued = 0;
  let wake: (() => void) | undefined;
  ws.on('message', (data: Buffer) => {
    queue.push(data);
    queued += data.length;
    if (queued > highWater) ws.pause();
    wake?.();
  });
  ws.on('error', () => {}); // 'close' follows, and says what there is to say
  const closed = new Promise<{ code: number; reason: string }>((resolve) =>
    ws.on('close', (code, reason) => resolve({ code, reason: reason.toString() })),
  );
  void closed.then(() => wake?.());
  return {
    protocol,
    closed,
    isOpen: () => ws.readyState === WebSocket.OPEN,
    send: (message) =>
      new Promise((resolve) => {
        if (ws.readyState !== WebSocket.OPEN) return resolve();
        const wait = ws.bufferedAmount > highWater;
        ws.send(message, { binary: typeof message !== 'string' }, () => resolve());
        if (!wait) resolve();
      }),
    async *messages() {
      for (;;) {
        const next = queue.shift();
        if (next) {
          queued -= next.length;
          if (ws.isPaused && queued < highWater / 2) ws.resume();
          yield next;
        } else if (ws.readyState === WebSocket.CLOSED) return;
        else {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
          wake = undefined;
        }
      }
    },
    close: (code = 1000, reason = '') => ws.close(code, reason),
    terminate: () => ws.terminate(),
  };
}

/**
 * Opens a WebSocket to an API server. Rejects with a StatusError: what the server answered, or 503 when it cannot be
 * reached.
 */
export async function openWebSocket(
  { server, tls = {}, headers }: StreamServer,
  path: string,
  protocols: string[],
  signal?: AbortSignal,
): Promise<MessageSocket> {
  signal?.throwIfAborted();
  const { ca, cert, key, insecure, serverName } = tls;
  const url = server.replace(/^http/, 'ws').replace(/\/$/, '') + path;
  // `SPDY/3.1+portforward.k8s.io` is no token as of RFC 6455, and `ws` refuses it: names of protocols go past it.
  const ws = new WebSocket(url, {
    ...{ ca, cert, key, rejectUnauthorized: !insecure, servername: serverName },
    headers: { ...headers, 'sec-websocket-protocol': protocols.join(', ') },
    ...{ perMessageDeflate: false, maxPayload: maxMessageBytes, followRedirects: false },
  });
  let protocol = '';
  ws.on('upgrade', (response) => {
    protocol = response.headers['sec-websocket-protocol'] ?? '';
    delete response.headers['sec-websocket-protocol'];
  });
  const socket = messageSocket(ws);
  const abort = () => ws.terminate();
  signal?.addEventListener('abort', abort, { once: true });
  const answered = new Promise<IncomingMessage | undefined>((resolve, reject) => {
    ws.once('open', () => resolve(undefined));
    ws.once('unexpected-response', (_request, response) => resolve(response));
    ws.once('error', (error: NodeJS.ErrnoException) => reject(unreachable(server, error)));
  });
  try {
    const refused = await answered;
    if (refused) throw await refusalOf(refused);
  } catch (error) {
    ws.terminate();
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', abort);
  }
  if (protocols.includes(protocol)) return { ...socket, protocol };
  ws.terminate();
  throw new StatusError(500, 'InternalError', `the server chose the protocol ${JSON.stringify(protocol)}`);
}

const unreachable = (server: string, error: NodeJS.ErrnoException): StatusError =>
  new StatusError(503, 'ServiceUnavailable', `${server}: ${error.message || error.code}`);

async function refusalOf(response: IncomingMessage): Promise<StatusError> {
  let text = '';
  for await (const part of response.setEncoding('utf8')) if (text.length < 1 << 16) text += part;
  try {
    const status = JSON.parse(text);
    if (status.kind === 'Status') return fromStatus(status);
  } catch {
    // A proxy's answer, or a kubelet's: it is its own explanation.
  }
  const said = text.trim() || response.statusMessage;
  return new StatusError(response.statusCode!, '', `unable to upgrade connection: ${said}`);
}
