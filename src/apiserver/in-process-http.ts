import { ConnectionError, type HttpClient, type HttpRequest, type HttpResponse } from '../client/http.ts';
import type { User } from './context.ts';
import type { Body, Exchange, ResponseStream } from './http/exchange.ts';
import { handle, type PathHandler } from './http/handler.ts';
import { builtInPaths } from './http/paths.ts';
import type { ApiServer } from './server.ts';

/** Bytes that a reader may be behind before whoever writes is told to wait. */
const highWater = 1 << 20;

const address = 'https://in-process';
const encoder = new TextEncoder();
const decoder = new TextDecoder();
const bytesOf = (data: Uint8Array | string): Uint8Array =>
  typeof data === 'string' ? encoder.encode(data) : data;

function concat(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/**
 * HTTP to an API server in this process, without a socket: requests go through all that they would over TLS, and whoever
 * asks is `user`. For what has no other form than HTTP: discovery, and what another server answers.
 */
export function inProcessHttp(
  server: ApiServer,
  user: User,
  paths: PathHandler[] = builtInPaths,
): HttpClient {
  const closing = new AbortController();
  return {
    server: address,
    close: () => closing.abort(),
    request: (request) =>
      new Promise((resolve, reject) => {
        const exchange = exchangeFor(request, user, resolve, closing.signal);
        handle(server, exchange, { paths, connectors: [], closing: closing.signal }).catch(reject);
      }),
  };
}

function exchangeFor(
  { method, path, headers = {}, body, signal }: HttpRequest,
  user: User,
  answer: (response: HttpResponse) => void,
  closing: AbortSignal,
): Exchange {
  const mark = path.indexOf('?');
  const search = mark < 0 ? '' : path.slice(mark);
  const left = new AbortController();
  const gone = AbortSignal.any([left.signal, closing, ...(signal ? [signal] : [])]);
  const payload = bytesOf(body ?? '');
  const exchange: Exchange = {
    extra: {},
    code: 0,
    sent: 0,
    method,
    path: mark < 0 ? path : path.slice(0, mark),
    query: new URLSearchParams(search),
    search,
    header: (name) => headers[name],
    headers: () => headers,
    body: async () => payload,
    async *bodyStream() {
      yield payload;
    },
    certificate: user,
    remote: '127.0.0.1',
    signal: gone,
    respond(code, sent, data) {
      const whole = wholeOf(data);
      exchange.code = code;
      exchange.sent = whole.length;
      answer({
        status: code,
        headers: { ...exchange.extra, ...sent },
        bytes: async () => whole,
        text: async () => decoder.decode(whole),
        async *stream() {
          yield whole;
        },
      });
    },
    stream(code, sent) {
      const { writer, pieces } = pipe(gone, () => left.abort());
      exchange.code = code;
      const all = { ...exchange.extra, ...sent };
      const flat = Object.fromEntries(Object.entries(all).map(([k, v]) => [k, String(v)]));
      const bytes = async () => {
        const parts: Uint8Array[] = [];
        for await (const piece of pieces()) parts.push(piece);
        return concat(parts);
      };
      answer({
        status: code,
        headers: flat,
        bytes,
        text: async () => decoder.decode(await bytes()),
        stream: pieces,
      });
      return writer;
    },
  };
  return exchange;
}

const wholeOf = (data: Body): Uint8Array =>
  typeof data === 'string' || data instanceof Uint8Array ? bytesOf(data) : concat(data);

/** What the server writes, read by the client until the server ends or the client goes: then `left` is called. */
function pipe(
  gone: AbortSignal,
  left: () => void,
): { writer: ResponseStream; pieces(): AsyncGenerator<Uint8Array> } {
  const pending: Uint8Array[] = [];
  let pendingBytes = 0;
  let state: 'open' | 'ended' | 'cut' = 'open';
  let wakeReader = () => {};
  let wakeWriter = () => {};
  const end = (how: 'ended' | 'cut'): void => {
    if (state === 'open') state = how;
    wakeReader();
    wakeWriter();
  };
  gone.addEventListener('abort', () => end('ended'), { once: true });
  return {
    writer: {
      write(chunk) {
        if (state !== 'open') return;
        const bytes = bytesOf(chunk);
        pending.push(bytes);
        pendingBytes += bytes.length;
        wakeReader();
      },
      get pendingBytes() {
        return pendingBytes;
      },
      async drained() {
        while (pendingBytes >= highWater && state === 'open')
          await new Promise<void>((resolve) => (wakeWriter = resolve));
      },
      end: () => end('ended'),
      destroy: () => end('cut'),
    },
    async *pieces() {
      try {
        for (;;) {
          if (gone.aborted) return;
          const next = pending.shift();
          if (next) {
            pendingBytes -= next.length;
            wakeWriter();
            yield next;
          } else if (state === 'cut') {
            throw new ConnectionError(address, 'the connection was cut', undefined);
          } else if (state === 'ended') return;
          else await new Promise<void>((resolve) => (wakeReader = resolve));
        }
      } finally {
        end('ended');
        left();
      }
    },
  };
}
