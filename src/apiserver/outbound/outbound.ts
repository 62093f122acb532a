// Calls that the API server makes itself: to webhooks, and to the servers of aggregated APIs. What a service stands for
// is looked up in the caches; a Sender, which only Node has, opens the connection.
import type { Random } from '../../machinery/clock.ts';
import type { Caches } from '../cache/caches.ts';
import { resolveService } from './resolve.ts';

/** A service of the cluster; the port is 443 unless told. */
export interface ServiceRef {
  namespace: string;
  name: string;
  port?: number;
  /** Put before the path of a request. */
  path?: string;
}

export interface ClientIdentity {
  /** PEM. */
  cert: string;
  key: string;
}

/** Whom to call, and why to believe that it is he: one of `url` and `service`, as in a WebhookClientConfig. */
export interface Callee {
  /** `https://host[:port]/path` */
  url?: string;
  service?: ServiceRef;
  /** Authorities that may vouch for the server: base64 of PEM, as the API has it. Without it those of the system. */
  caBundle?: string;
  /** Believe anybody (an APIService's insecureSkipTLSVerify). */
  insecure?: boolean;
  /** What we show of ourselves. */
  identity?: ClientIdentity;
}

export type OutboundHeaders = Record<string, string | string[] | undefined>;

export interface OutboundRequest {
  method: string;
  /** Put after the callee's own path; with the leading slash, encoded, without the query. */
  path?: string;
  /** Without the question mark. */
  query?: string;
  /** Names in lower case. `host` is the callee's own, unless told. */
  headers?: OutboundHeaders;
  body?: Uint8Array | AsyncIterable<Uint8Array>;
  /** From now until the answer's body is read. Without it there is no limit but that of `signal`. */
  timeoutMs?: number;
  signal?: AbortSignal;
  /** Whether it may be sent again when a kept connection turns out to be dead; unless told, GET, HEAD and OPTIONS may. */
  repeatable?: boolean;
}

export interface OutboundResponse {
  code: number;
  /** Names in lower case. */
  headers: OutboundHeaders;
  /** To be read to its end, or broken off: else the connection stays taken. Fails with OutboundError. */
  body: AsyncIterable<Uint8Array>;
}

/** A connection that has become another protocol: bytes in both directions, from here on. */
export interface UpgradedConnection {
  code: 101;
  headers: OutboundHeaders;
  /** Names and values in turn, as they came. */
  rawHeaders: string[];
  /** What Node calls a Duplex; only code in `node/` can do more than close it. */
  socket: { destroy(): void };
}

export interface Outbound {
  /**
   * Sends a request. Redirections are answers like any other: they are not followed (CVE-2022-3172).
   * Rejects with OutboundError.
   */
  send(callee: Callee, request: OutboundRequest): Promise<OutboundResponse>;
  /** Asks for another protocol by the request's own `connection` and `upgrade` headers; an answer that is not 101 is a refusal. */
  upgrade(callee: Callee, request: OutboundRequest): Promise<UpgradedConnection | OutboundResponse>;
  /** The address that a callee stands for now. Throws OutboundError. */
  resolve(callee: Callee): Endpoint;
}

/** Where to connect to, and whom to expect there. */
export interface Endpoint {
  host: string;
  port: number;
  /** The name on the certificate; an address, too. */
  serverName: string;
  /** For the Host header: `name.ns.svc:443`. */
  authority: string;
  /** The callee's own path: '' or with the leading slash. */
  path: string;
}

export type Trust = Pick<Callee, 'caBundle' | 'insecure' | 'identity'>;

/** A request with all that is known of its way. */
export interface Dispatch extends Omit<OutboundRequest, 'path' | 'query'> {
  endpoint: Endpoint;
  trust: Trust;
  /** Path and query as they stand in the request. */
  target: string;
  /** The address as messages show it. */
  url: string;
}

/** Opens connections: `nodeSender()` does over sockets. Rejections are OutboundErrors. */
export interface Sender {
  send(dispatch: Dispatch): Promise<OutboundResponse>;
  upgrade(dispatch: Dispatch): Promise<UpgradedConnection | OutboundResponse>;
  /** Closes the connections that it keeps. */
  close(): void;
}

export type OutboundFailure =
  /** The service is not there, is of a kind that leads nowhere, or lacks the port. */
  | 'service'
  | 'no-endpoints'
  | 'tls'
  | 'timeout'
  | 'refused'
  /** The caller gave up. */
  | 'canceled'
  /** Anything else between us and an answer. */
  | 'network'
  /** The configuration names nobody that could be called. */
  | 'configuration';

/** Why there is no answer. The message is upstream's: `Post "https://a.b.svc:443/p?timeout=10s": context deadline exceeded`. */
export class OutboundError extends Error {
  readonly failure: OutboundFailure;
  constructor(failure: OutboundFailure, message: string) {
    super(message);
    this.name = 'OutboundError';
    this.failure = failure;
  }
}

const capitalized = (method: string): string => method[0]!.toUpperCase() + method.slice(1).toLowerCase();

export function createOutbound(caches: Caches, random: Random, sender: Sender | undefined): Outbound {
  function resolve({ url, service }: Callee): Endpoint {
    if (service) return resolveService(caches, random, service);
    if (!url)
      throw new OutboundError('configuration', 'webhook configuration must have either service or URL');
    return parseUrl(url);
  }
  /** Messages of what goes wrong name the request. */
  async function attempt<T>(
    callee: Callee,
    request: OutboundRequest,
    run: (sender: Sender, dispatch: Dispatch) => Promise<T>,
  ): Promise<T> {
    const named = namedEndpoint(callee);
    const { path, query, ...rest } = request;
    const target = `${named.path}${path ?? ''}` || '/';
    const full = query ? `${target}?${query}` : target;
    const url = `https://${named.authority}${full}`;
    try {
      if (!sender) throw new OutboundError('network', 'this server opens no connections');
      const endpoint = resolve(callee);
      const { caBundle, insecure, identity } = callee;
      return await run(sender, {
        ...rest,
        ...{ endpoint, target: full, url },
        trust: { caBundle, insecure, identity },
      });
    } catch (error) {
      if (!(error instanceof OutboundError)) throw error;
      throw new OutboundError(
        error.failure,
        `${capitalized(request.method)} ${JSON.stringify(url)}: ${error.message}`,
      );
    }
  }
  return {
    resolve,
    send: (callee, request) => attempt(callee, request, (s, dispatch) => s.send(dispatch)),
    upgrade: (callee, request) => attempt(callee, request, (s, dispatch) => s.upgrade(dispatch)),
  };
}

/** What messages call a callee, wherever it may lead. */
function namedEndpoint({ url, service }: Callee): Pick<Endpoint, 'authority' | 'path'> {
  if (service) return { authority: authorityOf(service), path: pathOf(service) };
  if (!url) throw new OutboundError('configuration', 'webhook configuration must have either service or URL');
  return parseUrl(url);
}

export const authorityOf = ({ name, namespace, port = 443 }: ServiceRef): string =>
  `${name}.${namespace}.svc:${port}`;
export const pathOf = ({ path = '' }: ServiceRef): string =>
  path && !path.startsWith('/') ? `/${path}` : path;

function parseUrl(text: string): Endpoint {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new OutboundError('configuration', `Unparsable URL: ${text}`);
  }
  if (url.protocol !== 'https:')
    throw new OutboundError('configuration', `unsupported protocol scheme ${JSON.stringify(url.protocol)}`);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const path = url.pathname === '/' && !text.endsWith('/') ? '' : url.pathname;
  return { host, port: Number(url.port || 443), serverName: host, authority: url.host, path };
}

/** The whole body. Throws OutboundError for one that is longer than `limit` bytes. */
export async function readBody(response: OutboundResponse, limit: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of response.body) {
    size += part.length;
    if (size > limit) throw new OutboundError('network', `the answer is longer than ${limit} bytes`);
    parts.push(part);
  }
  if (parts.length === 1) return parts[0]!;
  const whole = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
