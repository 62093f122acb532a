import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP, type Socket } from 'node:net';
import { SpdySession } from '../../../machinery/spdy/session.ts';
import type { StreamEndpoint } from '../../streams/kubelet-connection.ts';

/** The peer did not want to become what was asked: its answer. */
export class UpgradeRefused extends Error {
  readonly code: number;
  readonly headers: IncomingHttpHeaders;
  constructor(code: number, headers: IncomingHttpHeaders, text: string) {
    super(text.trim() || `the answer was ${code}`);
    this.code = code;
    this.headers = headers;
  }
}

/** A connection that has become another protocol; the peer's first bytes are back in the socket. */
export interface Upgraded {
  socket: Socket;
  /** Names and values in turn, as they came. */
  rawHeaders: string[];
  headers: IncomingHttpHeaders;
}

export interface UpgradeRequest {
  method: string;
  headers: Record<string, string | string[] | undefined>;
  signal: AbortSignal;
}

const connectMs = 30_000;
const maxRefusalBytes = 1 << 20;

/** Sends a request to upgrade. Rejects with UpgradeRefused, or with the system's error when nobody is there. */
export function upgradeRequest(
  { url, headers: own, tls }: StreamEndpoint,
  { method, headers, signal }: UpgradeRequest,
): Promise<Upgraded> {
  const { hostname, protocol } = new URL(url);
  const send = protocol === 'https:' ? httpsRequest : httpRequest;
  const servername = tls?.serverName ?? (isIP(hostname.replace(/^\[|\]$/g, '')) ? '' : hostname);
  const { ca, cert, key, insecure } = tls ?? {};
  const request = send(url, {
    ...{ method, headers: { ...headers, ...own }, agent: false, setHost: !headers.host },
    ...(protocol === 'https:' ? { ca, cert, key, rejectUnauthorized: !insecure, servername } : {}),
  });
  return new Promise((resolve, reject) => {
    const stop = (error: Error) => request.destroy(error);
    const abort = () => stop(new Error('the client is gone'));
    request.setTimeout(connectMs, () => stop(new Error(`no answer from ${url} within ${connectMs / 1000}s`)));
    signal.addEventListener('abort', abort, { once: true });
    const settle = () => signal.removeEventListener('abort', abort);
    request.on('upgrade', (response: IncomingMessage, socket: Socket, head: Buffer) => {
      settle();
      socket.setTimeout(0);
      socket.setNoDelay(true);
      socket.on('error', () => socket.destroy());
      readOnAfterFailedWrites(socket);
      if (head.length) socket.unshift(head);
      resolve({ socket, rawHeaders: response.rawHeaders, headers: response.headers });
    });
    request.on('response', (response) => {
      settle();
      const { statusCode = 0, headers: said } = response;
      if (statusCode >= 300 && statusCode <= 399 && said.location) {
        response.destroy();
        const why = 'the backend attempted to redirect this request, which is not permitted';
        return reject(new UpgradeRefused(502, {}, why));
      }
      readText(response).then(
        (text) => reject(new UpgradeRefused(response.statusCode!, response.headers, text)),
        reject,
      );
    });
    request.on('error', (error) => {
      settle();
      reject(error);
    });
    request.end();
    if (signal.aborted) abort();
  });
}

/**
 * A runtime that is done closes without having read all input. Our next write fails then, and a socket is destroyed by that,
 * with the last words of the runtime (the exit code) unread in it. So failures of writes are passed over: reading ends the
 * socket, when it has come to its end.
 */
function readOnAfterFailedWrites(socket: Socket): void {
  const [write, writev] = [socket._write.bind(socket), socket._writev?.bind(socket)];
  socket._write = (chunk, encoding, done) => write(chunk, encoding, () => done());
  if (writev) socket._writev = (chunks, done) => writev(chunks, () => done());
}

async function readText(response: IncomingMessage): Promise<string> {
  let text = '';
  for await (const part of response.setEncoding('utf8')) {
    text += part;
    if (text.length > maxRefusalBytes) break;
  }
  return text;
}

export interface SpdyConnection {
  session: SpdySession;
  /** When the connection is closed, and all streams are over. */
  closed: Promise<void>;
  destroy(): void;
}

/** SPDY/3.1 to a runtime's endpoint. `protocols` are those of X-Stream-Protocol-Version, the best first. */
export async function spdyTo(
  endpoint: StreamEndpoint,
  protocols: string[],
  signal: AbortSignal,
): Promise<SpdyConnection> {
  const { socket } = await upgradeRequest(endpoint, {
    method: 'POST',
    headers: { connection: 'Upgrade', upgrade: 'SPDY/3.1', 'x-stream-protocol-version': protocols },
    signal,
  });
  const session = new SpdySession({
    role: 'client',
    send(bytes) {
      if (socket.destroyed || socket.write(bytes)) return;
      return new Promise((resolve) => {
        const go = () => {
          socket.off('drain', go);
          socket.off('close', go);
          resolve();
        };
        socket.on('drain', go);
        socket.on('close', go);
      });
    },
  });
  const receive = async () => {
    try {
      for await (const chunk of socket) await session.receive(chunk);
    } catch {
      // What was missing shows in the streams, which end without having said that they are done.
    }
    socket.destroy();
    session.end();
  };
  return {
    session,
    closed: receive(),
    destroy: () => void socket.destroy(),
  };
}
