import type { User } from '../apiserver/context.ts';
import type { Exchange, ResponseStream } from '../apiserver/http/exchange.ts';
import { handle, type PathHandler } from '../apiserver/http/handler.ts';
import { openApiPaths } from '../apiserver/http/openapi.ts';
import { builtInPaths } from '../apiserver/http/paths.ts';
import type { ApiServer } from '../apiserver/server.ts';
import type { HttpClient, HttpRequest, HttpResponse } from '../client/http.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const bytesOf = (data: Uint8Array | string): Uint8Array =>
  typeof data === 'string' ? encoder.encode(data) : data;

/**
 * HTTP to an API server in this process, without a socket: requests go through all that they would over TLS, and whoever
 * asks is `user`. Lets kubectl run where there is no network.
 */
export function inProcessHttp(server: ApiServer, user: User): HttpClient {
  const closing = new AbortController();
  const paths: PathHandler[] = [...builtInPaths, openApiPaths()];
  return {
    server: 'https://in-process',
    close: () => closing.abort(),
    request: (request) =>
      new Promise((resolve) => {
        const exchange = exchangeFor(request, user, resolve, closing.signal);
        void handle(server, exchange, { paths, connectors: [], closing: closing.signal });
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
  const gone = signal ? AbortSignal.any([signal, closing]) : closing;
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
      const whole = Buffer.concat((Array.isArray(data) ? data : [data]).map(bytesOf));
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
      const { writer, pieces } = pipe(gone);
      exchange.code = code;
      const all = { ...exchange.extra, ...sent };
      const flat = Object.fromEntries(Object.entries(all).map(([k, v]) => [k, String(v)]));
      const bytes = async () => {
        const parts: Uint8Array[] = [];
        for await (const piece of pieces()) parts.push(piece);
        return bytesOf(parts.map((part) => decoder.decode(part)).join(''));
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

/** What the server writes, read by the client until the server ends or the client goes. */
function pipe(gone: AbortSignal): { writer: ResponseStream; pieces(): AsyncGenerator<Uint8Array> } {
  const pending: Uint8Array[] = [];
  let ended = false;
  let wake = () => {};
  const end = () => {
    ended = true;
    wake();
  };
  gone.addEventListener('abort', end, { once: true });
  return {
    writer: {
      write(chunk) {
        pending.push(bytesOf(chunk));
        wake();
      },
      pendingBytes: 0,
      drained: async () => {},
      end,
      destroy: end,
    },
    async *pieces() {
      for (;;) {
        const next = pending.shift();
        if (next && !gone.aborted) yield next;
        else if (ended) return;
        else
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
      }
    },
  };
}
