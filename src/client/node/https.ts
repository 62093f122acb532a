import {
  type ClientRequest,
  type IncomingMessage,
  Agent as PlainAgent,
  request as plainRequest,
} from 'node:http';
import { Agent, type AgentOptions, request as tlsRequest } from 'node:https';
import { gunzip } from 'node:zlib';
import {
  ConnectionError,
  type Exchange,
  type HttpClient,
  type HttpRequest,
  type HttpResponse,
} from '../http.ts';
import { type Rest, restTransport } from '../rest.ts';
import type { ObserveRequest } from '../rest-metrics.ts';

/** What must be sent to be somebody; asked for before each request, so that tokens may change. */
export interface Credentials {
  headers(): Promise<Record<string, string>>;
  /** The server answered 401: forget what is cached. True when another try may do better. */
  refresh?(): Promise<boolean>;
}

export interface HttpsOptions {
  /** `https://host:port`, with a path where the API is behind one. */
  server: string;
  /** PEM. Without `ca` the system's authorities are trusted. */
  ca?: string;
  cert?: string;
  key?: string;
  /** A bearer token; `credentials` for anything that changes. */
  token?: string;
  credentials?: Credentials;
  headers?: Record<string, string>;
  /** The name that the server's certificate must carry, where it is not the host's. */
  serverName?: string;
  insecure?: boolean;
  /** Limit of a request that does not stream. */
  timeoutMs?: number;
  /** After this much a stream breaks off. */
  streamTimeoutMs?: number;
  /** Ask for gzip; pays where the network is slower than the processor. */
  compress?: boolean;
  userAgent?: string;
  onWarning?: (text: string) => void;
  /** Each exchange, for `--v`. */
  onExchange?: (exchange: Exchange) => void;
  /** Each try, for those who count. */
  observe?: ObserveRequest;
}

/** Connections kept for requests: enough for a busy component, few enough not to storm a server that restarts. */
const maxRequestSockets = 64;
const maxThrottledRetries = 10;

/** TLS options of a connection to this server, also for those who make one of their own (WebSockets). */
export const tlsOptions = (options: HttpsOptions): AgentOptions => ({
  ca: options.ca,
  cert: options.cert,
  key: options.key,
  servername: options.serverName,
  rejectUnauthorized: !options.insecure,
});

/** HTTP over TLS with kept connections: requests share a pool, each stream has a connection of its own. */
export function httpsClient(options: HttpsOptions): HttpClient {
  const url = new URL(options.server);
  const plain = url.protocol === 'http:';
  const base = url.pathname.replace(/\/$/, '');
  const settings: AgentOptions = {
    keepAlive: true,
    keepAliveMsecs: 30_000,
    ...(plain ? {} : { ...tlsOptions(options), maxCachedSessions: 100 }),
  };
  const makeAgent = (more: AgentOptions) =>
    plain ? new PlainAgent({ ...settings, ...more }) : new Agent({ ...settings, ...more });
  const requests = makeAgent({ maxSockets: maxRequestSockets });
  const streams = makeAgent({ maxFreeSockets: 4 });
  const start = plain ? plainRequest : tlsRequest;
  // A stream's socket that is free again has no timer of ours: Node drops it when the server does.

  const open = (request: HttpRequest, headers: Record<string, string>): Promise<HttpResponse> =>
    new Promise((resolve, reject) => {
      const { signal, stream, method, path, body } = request;
      if (signal?.aborted) return reject(signal.reason);
      let settled = false;
      const sent: ClientRequest = start(
        {
          agent: stream ? streams : requests,
          host: url.hostname.replace(/^\[|\]$/g, ''),
          port: url.port || (plain ? 80 : 443),
          method,
          path: base + path,
          headers: {
            ...headers,
            ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }),
          },
        },
        (response) => {
          settled = true;
          sent.setTimeout(0);
          if (options.streamTimeoutMs && stream) {
            const timer = setTimeout(() => response.destroy(timedOut()), options.streamTimeoutMs);
            response.on('close', () => clearTimeout(timer));
          }
          resolve(responseOf(response, options.server, signal));
        },
      );
      const abort = () => sent.destroy();
      signal?.addEventListener('abort', abort, { once: true });
      sent.on('close', () => signal?.removeEventListener('abort', abort));
      sent.on('socket', (socket) => {
        socket.setNoDelay(true);
        socket.setKeepAlive(true, 30_000);
      });
      const limitMs = stream ? options.streamTimeoutMs : options.timeoutMs;
      if (limitMs) sent.setTimeout(limitMs, () => sent.destroy(timedOut()));
      sent.on('error', (error: NodeJS.ErrnoException) => {
        if (settled) return; // the response reports it
        if (signal?.aborted) reject(signal.reason);
        else if (
          sent.reusedSocket &&
          (error.code === 'EPIPE' || (error.code === 'ECONNRESET' && method !== 'POST'))
        ) {
          // The server had closed a kept connection. That it did not create what a POST asks for is not certain.
          open(request, headers).then(resolve, reject);
        } else reject(new ConnectionError(options.server, messageOf(error), error.code, error));
      });
      sent.end(body);
    });

  async function headersFor(request: HttpRequest): Promise<Record<string, string>> {
    return {
      ...(options.compress ? { 'accept-encoding': 'gzip' } : {}),
      ...options.headers,
      ...(options.token ? { authorization: `Bearer ${options.token}` } : {}),
      ...(await options.credentials?.headers()),
      ...request.headers,
    };
  }

  return {
    server: options.server,
    async request(request) {
      let refreshed = false;
      for (let throttled = 0; ; ) {
        const started = performance.now();
        const headers = await headersFor(request);
        const took = (code: string) => options.observe?.(request.method, code, performance.now() - started);
        const response = await open(request, headers).catch((error: unknown) => {
          if (!request.signal?.aborted) took('<error>');
          throw error;
        });
        took(String(response.status));
        options.onExchange?.({
          method: request.method,
          url: options.server + request.path,
          status: response.status,
          milliseconds: Math.round(performance.now() - started),
          headers,
          answered: response.headers,
        });
        if (response.status === 401 && !refreshed && (await options.credentials?.refresh?.())) {
          refreshed = true;
          await response.bytes();
          continue;
        }
        const wait = retryAfterMs(response);
        if (wait === undefined || throttled++ >= maxThrottledRetries) return response;
        await response.bytes();
        await pause(wait, request.signal);
      }
    },
    close() {
      requests.destroy();
      streams.destroy();
    },
  };
}

const timedOut = () => Object.assign(new Error('request timed out'), { code: 'ETIMEDOUT' });

/** A server that says 429 or 5xx with Retry-After asks to be asked again. */
function retryAfterMs({ status, headers }: HttpResponse): number | undefined {
  if (status !== 429 && status < 500) return undefined;
  const seconds = Number(headers['retry-after']);
  return headers['retry-after'] && Number.isInteger(seconds) ? Math.min(seconds, 60) * 1000 : undefined;
}

const pause = (ms: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal!.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', abort);
      resolve();
    }, ms);
    signal?.addEventListener('abort', abort, { once: true });
  });

/** An AggregateError (every address failed) has its words inside. */
function messageOf(error: NodeJS.ErrnoException): string {
  const inner = (error as { errors?: Error[] }).errors?.[0]?.message;
  return error.message || inner || error.code || 'the connection failed';
}

function responseOf(response: IncomingMessage, server: string, signal?: AbortSignal): HttpResponse {
  const headers: Record<string, string> = {};
  for (const name in response.headers) {
    const value = response.headers[name];
    headers[name] = Array.isArray(value) ? value.join(', ') : value!;
  }
  const broken = (error: unknown) =>
    signal?.aborted
      ? signal.reason
      : new ConnectionError(
          server,
          messageOf(error as NodeJS.ErrnoException),
          (error as NodeJS.ErrnoException).code,
          error,
        );
  async function bytes(): Promise<Buffer> {
    const parts: Buffer[] = [];
    try {
      for await (const part of response) parts.push(part as Buffer);
    } catch (error) {
      throw broken(error);
    }
    const all = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
    return headers['content-encoding'] === 'gzip' ? inflate(all) : all;
  }
  return {
    status: response.statusCode ?? 0,
    headers,
    bytes,
    text: async () => (await bytes()).toString('utf8'),
    async *stream() {
      try {
        for await (const part of response) yield part as Buffer;
      } catch (error) {
        if (!signal?.aborted) throw broken(error);
      }
    },
  };
}

const inflate = (bytes: Buffer): Promise<Buffer> =>
  new Promise((resolve, reject) => gunzip(bytes, (error, plain) => (error ? reject(error) : resolve(plain))));

/**
 * A Transport over HTTPS. Failures are StatusErrors; a server that cannot be reached is a ConnectionError, which is one.
 * A watch whose connection breaks ends quietly, so that its reader goes on from the last resource version that it saw.
 */
export function httpsTransport(options: HttpsOptions): Rest {
  return restTransport(httpsClient(options), options);
}
