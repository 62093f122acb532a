import { X509Certificate } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import {
  createSecureServer,
  type Http2SecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Session,
} from 'node:http2';
import { Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { TLSSocket } from 'node:tls';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { badRequest } from '../../machinery/status.ts';
import type { User } from '../context.ts';
import type { Body, Exchange, ResponseStream } from '../http/exchange.ts';
import { isLeft, isUnread, leaveUnread, readAll } from './body.ts';
import { Outbox, rounds } from './pacing.ts';

export interface HttpsOptions {
  host: string;
  port: number;
  /** PEM: the server's certificate and key, and the authority of client certificates. */
  cert: string;
  key: string;
  clientCA: string;
  /** PEM: the authority of proxies that say for whom they ask. */
  proxyCA?: string;
  handle(exchange: Exchange): Promise<void>;
  /** Told of each connection that came to nothing. */
  onHandshakeError?(): void;
  /** Connections that ask to become something else: WebSocket, SPDY. */
  upgrade(exchange: Exchange, request: IncomingMessage, socket: Socket, head: Buffer): Promise<void>;
}

export interface HttpsServer {
  port: number;
  /** Ends it at once; what is under way has a moment. */
  close(): Promise<void>;
  /**
   * Ends it without a request lost: no new connections from now on, clients are asked to leave those that they have, and
   * what still comes on them is served. Resolves when all is done and quiet, or after `limitMs`.
   */
  drain(idle: () => boolean, limitMs: number): Promise<void>;
}

/** A connection on which nothing came for so long is not about to be used. */
const quietMs = 300;
const compress = promisify(gzip);
const gzipFrom = 128 * 1024;
/** Bytes of a request's line and headers: room for long selectors. */
const maxHeaderSize = 64 * 1024;
/** Bytes that a slow client may be behind before a writer is told to wait. */
const highWater = 1 << 20;

/** HTTP/1.1 and HTTP/2 over TLS on one port. Throws the system's error when the port cannot be had. */
export async function serveHttps(options: HttpsOptions): Promise<HttpsServer> {
  const { cert, key, clientCA, proxyCA } = options;
  const trusted: Trusted = {
    clients: authoritiesOf(clientCA),
    proxies: proxyCA ? authoritiesOf(proxyCA) : [],
  };
  const server: Http2SecureServer = createSecureServer({
    cert,
    key,
    ca: proxyCA ? [clientCA, proxyCA] : clientCA,
    requestCert: true,
    rejectUnauthorized: false,
    allowHTTP1: true,
    minVersion: 'TLSv1.2',
    settings: { maxConcurrentStreams: 1000, initialWindowSize: 1 << 20 },
    sessionTimeout: 3600,
    // How long a client may take to say hello, and what it wants. What it sends then is timed where it is read.
    handshakeTimeout: 20_000,
    ...{ headersTimeout: 32_000, requestTimeout: 0, connectionsCheckingInterval: 5000, maxHeaderSize },
  });
  const sockets = new Set<Socket>();
  const sessions = new Set<ServerHttp2Session>();
  server.on('session', (session) => {
    sessions.add(session);
    session.on('close', () => sessions.delete(session));
  });
  let lastRequestMs = 0;
  let draining = false;
  server.on('secureConnection', (socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
  });
  server.on('tlsClientError', (_error, socket) => {
    options.onHandshakeError?.();
    socket.destroy();
  });
  server.on('sessionError', () => {});
  server.on('request', (request, response) => {
    request.on('error', () => {});
    response.on('error', () => {});
    lastRequestMs = performance.now();
    if (request.httpVersionMajor === 1 && isLeft(request.socket)) return;
    const exchange = exchangeOf(request, response, trusted);
    if (draining && request.httpVersionMajor === 1) exchange.extra.connection = 'close';
    void options.handle(exchange);
  });
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    socket.on('error', () => socket.destroy());
    void options.upgrade(upgradeExchange(request, socket, trusted), request, socket, head);
  });
  server.setTimeout(0);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const address = server.address();
  const cutOff = () => sockets.forEach((socket) => void socket.destroy());
  return {
    port: typeof address === 'object' && address ? address.port : options.port,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      setTimeout(cutOff, 200).unref();
      await closed;
    },
    async drain(idle, limitMs) {
      draining = true;
      // The server's own `close` would also cut connections that are idle, with the next request on its way to us.
      const closed = new Promise<void>((resolve) => Server.prototype.close.call(server, () => resolve()));
      // It names the last stream that is served: clients know that later ones were not, and ask again elsewhere.
      for (const session of sessions) if (!session.closed) session.goaway();
      const until = performance.now() + limitMs;
      const busy = () => !idle() || (sockets.size > 0 && performance.now() - lastRequestMs < quietMs);
      while (busy() && performance.now() < until) await sleep(20);
      server.close();
      for (const session of sessions) session.close();
      setTimeout(cutOff, 200).unref();
      await closed;
    },
  };
}

/** Whom we believe. */
interface Trusted {
  clients: readonly X509Certificate[];
  proxies: readonly X509Certificate[];
}

const authoritiesOf = (pem: string): X509Certificate[] =>
  (pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map(
    (one) => new X509Certificate(one),
  );

/** Whom a connection's certificate names. */
interface Peer {
  user?: User;
  /** Until when the certificate holds. */
  endsMs?: number;
  proxyName?: string;
  bad: boolean;
}
const peers = new WeakMap<object, Peer>();
const nobody: Peer = { bad: false };

/** The user that a verified client certificate names: common name, and organizations as groups. */
function peerOf(socket: unknown, trusted: Trusted): Peer {
  const tls = socket as TLSSocket;
  if (!(socket instanceof TLSSocket) && !tls?.getPeerX509Certificate) return nobody;
  let peer = peers.get(tls);
  if (!peer) {
    const certificate = tls.getPeerX509Certificate();
    peer = certificate ? identified(certificate, tls.authorized, trusted) : nobody;
    peers.set(tls, peer);
  }
  return peer;
}

function identified(certificate: X509Certificate, authorized: boolean, trusted: Trusted): Peer {
  const { name, groups } = parseSubject(certificate);
  if (!authorized || !name) return { bad: true };
  const endsMs = Date.parse(certificate.validTo);
  if (!trusted.proxies.length) return { user: { name, groups }, endsMs, bad: false };
  return {
    endsMs,
    ...(isIssuedBy(certificate, trusted.clients) ? { user: { name, groups } } : {}),
    ...(isIssuedBy(certificate, trusted.proxies) ? { proxyName: name } : {}),
    bad: false,
  };
}

/** Whether one of the authorities stands above a certificate. Of the chain, there is what the client has sent: often nothing. */
function isIssuedBy(certificate: X509Certificate, authorities: readonly X509Certificate[]): boolean {
  let at: X509Certificate | undefined = certificate;
  for (let depth = 0; at && depth < 10; depth++) {
    const issued = at;
    if (authorities.some((ca) => issued.checkIssued(ca) && issued.verify(ca.publicKey))) return true;
    at = at.issuerCertificate;
  }
  return false;
}

function parseSubject(certificate: X509Certificate): { name: string | undefined; groups: string[] } {
  const fields = (certificate.subject ?? '').split('\n').map((line) => {
    const at = line.indexOf('=');
    return [line.slice(0, at), line.slice(at + 1)] as const;
  });
  return {
    name: fields.find(([key]) => key === 'CN')?.[1],
    groups: fields.filter(([key]) => key === 'O').map(([, value]) => value),
  };
}

type Request = Http2ServerRequest | IncomingMessage;
type Response = Http2ServerResponse;

type Known =
  | 'method'
  | 'path'
  | 'query'
  | 'search'
  | 'header'
  | 'headers'
  | 'certificate'
  | 'certificateEndsMs'
  | 'proxyName'
  | 'badCertificate'
  | 'remote';

function base(request: Request, socket: any, trusted: Trusted): Pick<Exchange, Known> {
  const url = request.url ?? '/';
  const mark = url.indexOf('?');
  const { user, proxyName, bad, endsMs } = peerOf(socket, trusted);
  return {
    method: request.method ?? 'GET',
    path: mark < 0 ? url : url.slice(0, mark),
    query: new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1)),
    search: mark < 0 ? '' : url.slice(mark),
    header: (name) => {
      const value = request.headers[name];
      return Array.isArray(value) ? value.join(',') : value;
    },
    headers: () => request.headers,
    certificate: user,
    certificateEndsMs: endsMs,
    proxyName,
    badCertificate: bad,
    remote: socket?.remoteAddress ?? '',
  };
}

/** No failure of ours: it is not logged, and its answer is read by nobody. */
const clientGone = badRequest('the client is gone');

const sockets = new WeakMap<object, unknown>();
/** A session's socket is a proxy that hides the TLS methods: the session knows the real one. */
function socketOf(session: any): unknown {
  let socket = sockets.get(session);
  if (!socket) {
    const symbol = Object.getOwnPropertySymbols(session).find((s) => s.description === 'socket');
    socket = (symbol && session[symbol]) ?? session.socket;
    if (socket) sockets.set(session, socket as object);
  }
  return socket;
}

function exchangeOf(request: Http2ServerRequest, response: Response, trusted: Trusted): Exchange {
  const session = (request as { stream?: { session?: object } }).stream?.session;
  const socket = session ? socketOf(session) : request.socket;
  let gone: AbortController | undefined;
  const acceptsGzip = /\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''));
  const exchange: Exchange = {
    ...base(request, socket, trusted),
    extra: {},
    code: 0,
    sent: 0,
    // Most requests are over before anybody asks for it.
    get signal() {
      if (!gone) {
        const controller = (gone = new AbortController());
        if ((response as { destroyed?: boolean }).destroyed) controller.abort(clientGone);
        else response.on('close', () => controller.abort(clientGone));
      }
      return gone.signal;
    },
    body: (limit) => readAll(request, limit),
    bodyStream: () => request as AsyncIterable<Uint8Array>,
    respond(code, headers, body) {
      if (response.headersSent || response.writableEnded) return;
      const parts = partsOf(body);
      const length = parts.reduce((sum, part) => sum + part.length, 0);
      exchange.code = code;
      exchange.sent = length;
      const merged: Record<string, string | number> = { ...exchange.extra, ...headers };
      const unread = isUnread(request);
      if (unread && request.httpVersionMajor === 1) merged.connection = 'close';
      if (acceptsGzip && length >= gzipFrom) {
        const small = compress(parts.length === 1 ? parts[0]! : Buffer.concat(parts), { level: 1 });
        small.then(
          (bytes) => {
            if (response.destroyed) return;
            response.writeHead(code, {
              ...merged,
              'content-encoding': 'gzip',
              'content-length': bytes.length,
            });
            response.end(bytes);
          },
          (error) => void response.destroy(error),
        );
        return;
      }
      merged['content-length'] = length;
      response.writeHead(code, merged);
      for (const part of parts.slice(0, -1)) response.write(part);
      response.end(parts.at(-1)!);
      if (unread) leaveUnread(request, response);
    },
    stream(code, headers, { paced = false } = {}) {
      exchange.code = code;
      return streamOf(response, code, { ...exchange.extra, ...headers }, paced);
    },
  };
  return exchange;
}

const partsOf = (body: Body): readonly Uint8Array[] =>
  typeof body === 'string' ? [Buffer.from(body)] : body instanceof Uint8Array ? [body] : body;

const watchRounds = rounds();

function streamOf(
  response: Response,
  code: number,
  headers: Record<string, string | string[]>,
  paced: boolean,
): ResponseStream {
  response.writeHead(code, headers);
  (response as unknown as { flushHeaders?: () => void }).flushHeaders?.();
  const writable = response as unknown as NodeJS.WritableStream & {
    writableLength: number;
    destroyed: boolean;
    destroy(): void;
    writableNeedDrain: boolean;
  };
  const outbox = new Outbox();
  const send = () => {
    const bytes = outbox.take();
    if (bytes && !writable.destroyed) writable.write(bytes);
  };
  return {
    write(chunk) {
      if (writable.destroyed) return;
      if (!paced) return void writable.write(chunk as string);
      outbox.add(chunk);
      watchRounds.join(send);
    },
    get pendingBytes() {
      return ((response as any).stream?.writableLength ?? writable.writableLength ?? 0) + outbox.bytes;
    },
    async drained() {
      if (this.pendingBytes < highWater || writable.destroyed) return;
      await new Promise<void>((resolve) => {
        response.once('drain', resolve);
        response.once('close', resolve);
      });
    },
    end() {
      send();
      if (!writable.destroyed) writable.end();
    },
    destroy: () =>
      (response as any).stream?.destroy
        ? (response as any).stream.destroy()
        : (response as any).socket?.destroy(),
  };
}

/** An exchange whose answer, if there is one, is written to the bare socket. */
function upgradeExchange(request: IncomingMessage, socket: Socket, trusted: Trusted): Exchange {
  const gone = new AbortController();
  socket.on('close', () => gone.abort());
  const exchange: Exchange = {
    ...base(request, socket, trusted),
    extra: {},
    code: 0,
    sent: 0,
    signal: gone.signal,
    body: () => Promise.resolve(new Uint8Array()),
    bodyStream: () => request as AsyncIterable<Uint8Array>,
    respond(code, headers, body) {
      const bytes = Buffer.concat(partsOf(body));
      exchange.code = code;
      exchange.sent = bytes.length;
      const lines = Object.entries({
        ...exchange.extra,
        ...headers,
        'content-length': String(bytes.length),
        connection: 'close',
      })
        .map(([k, v]) => `${k}: ${v}\r\n`)
        .join('');
      socket.end(Buffer.concat([Buffer.from(`HTTP/1.1 ${code} ${code}\r\n${lines}\r\n`), bytes]));
    },
    stream: () => {
      throw new Error('an upgraded connection has no response stream');
    },
  };
  return exchange;
}
