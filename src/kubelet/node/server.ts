// The kubelet's server: server.ts over TLS, for clients that show a certificate of the cluster.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { connect } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { TLSSocket } from 'node:tls';
import type { Asker, Delegated } from '../../client/delegated.ts';
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
  /** Whom the API server is asked about: bearers of tokens, and what others than group system:masters may. */
  delegated?: Delegated;
}

export interface KubeletServer extends AsyncDisposable {
  readonly port: number;
}

const list = (value: string | string[] | undefined): string[] => (value === undefined ? [] : [value].flat());

/** What a client's certificate says: CN is the user, O are the groups. */
function userOf(request: IncomingMessage): Asker | undefined {
  const socket = request.socket as TLSSocket;
  if (!socket.authorized) return undefined;
  const { CN, O } = socket.getPeerCertificate().subject ?? {};
  return { name: list(CN)[0] ?? '', groups: [...list(O), 'system:authenticated'] };
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

const verbs: Record<string, string> = { POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' };
/** What of a node a path is; any of them will do. Source: "Kubelet authentication/authorization". */
const partsOfNode: [RegExp, string[]][] = [
  [/^\/stats(\/|$)/, ['stats']],
  [/^\/metrics(\/|$)/, ['metrics']],
  [/^\/logs(\/|$)/, ['log']],
  [/^\/healthz(\/|$)/, ['healthz', 'proxy']],
  [/^\/(pods|runningpods)(\/|$)/, ['pods', 'proxy']],
  [/^\/configz(\/|$)/, ['configz', 'proxy']],
];

async function mayAsk(
  { delegated, api }: KubeletServerOptions,
  user: Asker,
  { url = '/', method = 'GET' }: IncomingMessage,
): Promise<boolean> {
  if (!delegated) return false;
  const path = url.replace(/\?.*/, '');
  const verb = verbs[method] ?? 'get';
  const parts = partsOfNode.find(([pattern]) => pattern.test(path))?.[1] ?? ['proxy'];
  for (const part of parts) if ((await delegated.node(user, verb, api.nodeName, part)).allowed) return true;
  return false;
}

/** Listens; throws the system's error when the port cannot be had. */
export async function serveKubelet(options: KubeletServerOptions): Promise<KubeletServer> {
  const { api, log, cert, key, clientCA } = options;
  const verdict = async (request: IncomingMessage): Promise<number> => {
    if (request.url === '/healthz') return 0;
    const token = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
    const user = userOf(request) ?? (token && (await options.delegated?.bearer(token)));
    if (!user) return 401;
    if (user.groups.includes('system:masters')) return 0;
    return (await mayAsk(options, user, request)) ? 0 : 403;
  };
  const server = createServer({ cert, key, ca: clientCA, requestCert: true, rejectUnauthorized: false });
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const refused = await verdict(request);
    if (!refused) return answer(api, request, response);
    response
      .writeHead(refused, { 'content-type': 'text/plain' })
      .end(refused === 401 ? 'Unauthorized' : 'Forbidden');
  };
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    serve(request, response).catch((error) => {
      log.debug('request to the kubelet broke off', { url: request.url, error });
      if (response.headersSent) response.destroy();
      else response.writeHead(500).end(messageOf(error));
    });
  });
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    socket.on('error', () => socket.destroy());
    const connect = async (): Promise<void> => {
      const refused = await verdict(request);
      if (refused) return refuse(socket, refused, refused === 401 ? 'Unauthorized' : 'Forbidden');
      const url = await streamUrl(api, request.url!);
      if (url) forward(request, head, socket, new URL(url));
      else refuse(socket, 404, '404 page not found');
    };
    connect().catch((error) =>
      refuse(socket, error instanceof StatusError ? error.code : 500, messageOf(error)),
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
