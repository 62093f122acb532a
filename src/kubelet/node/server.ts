// The kubelet's server: server.ts over TLS, for clients that show a certificate of the cluster.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { connect } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { TLSSocket } from 'node:tls';
import type { Log } from '../../machinery/log.ts';
import { StatusError } from '../../machinery/status.ts';
import type { KubeletApi } from '../api.ts';
import { messageOf } from '../cri-calls.ts';
import { handle, streamUrl } from '../server.ts';

export interface KubeletServerOptions {
  api: KubeletApi;
  log: Log;
  /** The node's address, or 127.0.0.1. */
  host: string;
  /** 0: any. */
  port: number;
  /** PEM. */
  cert: string;
  key: string;
  /** Who issues the certificates of clients. */
  clientCA: string;
  /** Whether the bearer of a client certificate may ask; those of group system:masters unless told. */
  mayAsk?: (user: { name: string; groups: string[] }) => boolean;
}

export interface KubeletServer extends AsyncDisposable {
  readonly port: number;
}

const list = (value: string | string[] | undefined): string[] => (value === undefined ? [] : [value].flat());

/** What a client's certificate says: CN is the user, O are the groups. */
function userOf(request: IncomingMessage): { name: string; groups: string[] } | undefined {
  const socket = request.socket as TLSSocket;
  if (!socket.authorized) return undefined;
  const { CN, O } = socket.getPeerCertificate().subject ?? {};
  return { name: list(CN)[0] ?? '', groups: list(O) };
}

async function answer(api: KubeletApi, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  const asked = new Request(new URL(request.url!, 'https://kubelet'), {
    method: request.method!,
    signal: gone.signal,
  });
  const { status, headers, body } = await handle(api, asked);
  response.writeHead(status, Object.fromEntries(headers));
  response.flushHeaders();
  if (body) await pipeline(Readable.fromWeb(body as Parameters<typeof Readable.fromWeb>[0]), response);
  else response.end();
}

/** Repeats the client's request to the runtime's endpoint, and joins the two connections. */
function forward(request: IncomingMessage, head: Buffer, client: Socket, target: URL): void {
  const runtime = connect(Number(target.port), target.hostname, () => {
    const lines = [`${request.method} ${target.pathname}${target.search} HTTP/1.1`, `Host: ${target.host}`];
    for (let i = 0; i < request.rawHeaders.length; i += 2)
      if (request.rawHeaders[i]!.toLowerCase() !== 'host')
        lines.push(`${request.rawHeaders[i]}: ${request.rawHeaders[i + 1]}`);
    runtime.write(`${lines.join('\r\n')}\r\n\r\n`);
    runtime.write(head);
    client.pipe(runtime);
    runtime.pipe(client);
  });
  // Either end's death ends both.
  for (const [one, other] of [
    [client, runtime],
    [runtime, client],
  ] as const) {
    one.on('error', () => other.destroy());
    one.on('close', () => other.destroy());
  }
}

const refuse = (socket: Socket, code: number, message: string): void => {
  socket.end(
    `HTTP/1.1 ${code} Refused\r\nContent-Type: text/plain\r\nContent-Length: ${Buffer.byteLength(message)}\r\nConnection: close\r\n\r\n${message}`,
  );
};

/** Listens; throws the system's error when the port cannot be had. */
export async function serveKubelet(options: KubeletServerOptions): Promise<KubeletServer> {
  const { api, log, cert, key, clientCA } = options;
  const mayAsk = options.mayAsk ?? (({ groups }) => groups.includes('system:masters'));
  const verdict = (request: IncomingMessage): number => {
    const user = userOf(request);
    if (request.url === '/healthz') return 0;
    return user ? (mayAsk(user) ? 0 : 403) : 401;
  };
  const server = createServer({ cert, key, ca: clientCA, requestCert: true, rejectUnauthorized: false });
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const refused = verdict(request);
    if (refused) {
      response
        .writeHead(refused, { 'content-type': 'text/plain' })
        .end(refused === 401 ? 'Unauthorized' : 'Forbidden');
      return;
    }
    answer(api, request, response).catch((error) => {
      log.debug('request to the kubelet broke off', { url: request.url, error });
      if (response.headersSent) response.destroy();
      else response.writeHead(500).end(messageOf(error));
    });
  });
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    socket.on('error', () => socket.destroy());
    const refused = verdict(request);
    if (refused) return refuse(socket, refused, refused === 401 ? 'Unauthorized' : 'Forbidden');
    streamUrl(api, request.url!).then(
      (url) =>
        url ? forward(request, head, socket, new URL(url)) : refuse(socket, 404, '404 page not found'),
      (error) => refuse(socket, error instanceof StatusError ? error.code : 500, messageOf(error)),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
