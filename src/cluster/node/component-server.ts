// The HTTP server of a component that runs alone: its health and its metrics. Over HTTPS whoever asks must say who he is, but
// for what everybody may see. Source: "kube-scheduler", "kube-controller-manager" and "kube-proxy", their flags.
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Health, HealthPath } from '../../apiserver/health/health.ts';
import { buildInfo } from '../../apiserver/metrics/build-info.ts';
import { contentType, processText } from '../../apiserver/metrics/paths.ts';
import { type Asker, anonymous, type Delegated } from '../../client/delegated.ts';
import type { KubeProxy } from '../../kube-proxy/start.ts';
import type { Log } from '../../machinery/log.ts';
import { MetricRegistry } from '../../machinery/metrics.ts';
import { processMetrics } from './platform.ts';

export interface Page {
  status?: number;
  type?: string;
  body: string;
}
/** What is at a path, when somebody asks. */
export type Pages = Record<string, (query: URLSearchParams) => Page | Promise<Page>>;

export interface Protection {
  /** PEM. */
  cert: string;
  key: string;
  /** Issuers of clients' certificates, PEM; asked for again and again. */
  clientCA: () => Promise<string | undefined>;
  delegated: Delegated;
  /** Paths that everybody may ask; a `*` at the end stands for anything. */
  open: readonly string[];
}

export interface ComponentServerOptions {
  pages: Pages;
  host: string;
  /** 0: any. */
  port: number;
  log: Log;
  /** Undefined: plain HTTP, for everybody. */
  protection?: Protection | undefined;
}

export interface ComponentServer extends AsyncDisposable {
  readonly port: number;
}

const plain = 'text/plain; charset=utf-8';
/** How often the authority of clients is looked at, and while it is not known. */
const authorityMs = 60_000;
const unknownMs = 3000;

/** The registry of a component, with what every component tells. */
export function componentMetrics(): MetricRegistry {
  const registry = new MetricRegistry();
  buildInfo(registry);
  return registry;
}

export const metricsPages = (registry: MetricRegistry): Pages => ({
  '/metrics': () => ({ type: contentType, body: registry.render() + processText(processMetrics) }),
});

/** `/healthz`, `/livez` and `/readyz`, with `?verbose` and `?exclude=`, each check by its name, and `/metrics/slis`. */
export function healthPages(health: Health): Pages {
  const pages: Pages = {
    '/metrics/slis': () => ({ type: contentType, body: health.slis.render() }),
  };
  for (const path of ['healthz', 'livez', 'readyz'] as HealthPath[]) {
    pages[`/${path}`] = async (query) => {
      const { healthy, text } = await health.all(path, query.getAll('exclude'));
      return { status: healthy ? 200 : 500, body: healthy && !query.has('verbose') ? 'ok' : text };
    };
    for (const name of health.names(path))
      pages[`/${path}/${name}`] = async () => {
        const { problem } = (await health.one(path, name))!;
        return problem === undefined
          ? { body: 'ok' }
          : { status: 500, body: `internal server error: ${problem}\n` };
      };
  }
  return pages;
}

/** What kube-proxy tells, at its two addresses. */
export function proxyPages(
  proxy: KubeProxy,
  registry: MetricRegistry,
  mode: string,
): { metrics: Pages; health: Pages } {
  const page = (path: 'healthz' | 'livez') => () => {
    const { healthy, body } = proxy.health(path);
    return { status: healthy ? 200 : 503, type: 'application/json', body };
  };
  return {
    metrics: {
      ...metricsPages(registry),
      '/healthz': () => ({ body: 'ok' }),
      '/proxyMode': () => ({ body: mode }),
    },
    health: { '/healthz': page('healthz'), '/livez': page('livez') },
  };
}

/** Listens. Rejects with the system's error when the port cannot be had. */
export async function serveComponent(options: ComponentServerOptions): Promise<ComponentServer> {
  const { protection, log } = options;
  const answer: RequestListener = (request, response) => {
    respond(options, request, response).catch((error: unknown) => {
      log.warn('a request was not answered', { url: request.url, error });
      if (response.headersSent) response.destroy();
      else send(response, { status: 500, body: 'Internal Server Error\n' });
    });
  };
  if (!protection) return listening(createServer(answer), options);
  const { cert, key } = protection;
  let ca = await protection.clientCA();
  const context = () => ({ cert, key, ...(ca ? { ca } : {}) });
  const server = createTlsServer({ ...context(), requestCert: true, rejectUnauthorized: false }, answer);
  let timer: NodeJS.Timeout;
  const look = async (): Promise<void> => {
    try {
      const now = await protection.clientCA();
      if (now && now !== ca) {
        ca = now;
        server.setSecureContext(context());
      }
    } catch (error) {
      log.warn('the authority of clients was not read', { error });
    }
    if (!ended) later();
  };
  const later = () => {
    timer = setTimeout(look, ca ? authorityMs : unknownMs).unref();
  };
  let ended = false;
  later();
  server.on('close', () => {
    ended = true;
    clearTimeout(timer);
  });
  return listening(server, options);
}

async function listening(
  server: ReturnType<typeof createServer> | ReturnType<typeof createTlsServer>,
  { host, port }: ComponentServerOptions,
): Promise<ComponentServer> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port }, resolve);
    });
  } catch (error) {
    server.emit('close');
    throw error;
  }
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

function send(response: ServerResponse, { status = 200, type = plain, body }: Page): void {
  response
    .writeHead(status, {
      ...{ 'content-type': type, 'content-length': Buffer.byteLength(body) },
      'x-content-type-options': 'nosniff',
    })
    .end(body);
}

const refusal = (code: number, reason: string, message: string): Page => ({
  status: code,
  type: 'application/json',
  body: `${JSON.stringify({
    ...{ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure' },
    ...{ message, reason, code },
  })}\n`,
});

async function respond(
  { pages, protection }: ComponentServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = URL.parse(request.url ?? '/', 'http://component');
  if (!url) return send(response, { status: 400, body: '400 bad request\n' });
  const { pathname, searchParams } = url;
  const refused = protection && (await refuse(protection, request, pathname));
  if (refused) return send(response, refused);
  const page = Object.hasOwn(pages, pathname) ? pages[pathname] : undefined;
  send(response, page ? await page(searchParams) : { status: 404, body: '404 page not found\n' });
}

/** Why a request is not answered; undefined: it is. */
async function refuse(
  { delegated, open }: Protection,
  request: IncomingMessage,
  path: string,
): Promise<Page | undefined> {
  const asker = await askerOf(delegated, request);
  if (!asker) return refusal(401, 'Unauthorized', 'Unauthorized');
  if (open.some((one) => (one.endsWith('*') ? path.startsWith(one.slice(0, -1)) : path === one)))
    return undefined;
  const verb = (request.method ?? 'GET').toLowerCase();
  const { allowed, reason } = await delegated.path(asker, verb, path);
  if (allowed) return undefined;
  const why = reason ? `: ${reason}` : '';
  return refusal(403, 'Forbidden', `forbidden: User "${asker.name}" cannot ${verb} path "${path}"${why}`);
}

const list = (value: string | string[] | undefined): string[] => (value === undefined ? [] : [value].flat());

/** By a certificate, or by a token; undefined for a token that is nobody's. */
async function askerOf(delegated: Delegated, request: IncomingMessage): Promise<Asker | undefined> {
  const socket = request.socket as TLSSocket;
  if (socket.authorized) {
    const { CN, O } = socket.getPeerCertificate().subject ?? {};
    return { name: list(CN)[0] ?? '', groups: [...list(O), 'system:authenticated'] };
  }
  const token = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
  return token ? delegated.bearer(token) : anonymous;
}
