// `proxy` subresources of pods, services and nodes: plain requests. Upgrades are in upgrade.ts.
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIPv6 } from 'node:net';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import { serviceUnavailable } from '../../../machinery/status.ts';
import type { Context } from '../../context.ts';
import type { Exchange, ResponseStream } from '../../http/exchange.ts';
import type { Connector } from '../../http/handler.ts';
import type { ApiServer } from '../../server.ts';
import type { KubeletConnections, KubeletRequest } from '../../streams/kubelet-connection.ts';
import { kubeletOf } from '../../streams/pod-target.ts';
import {
  answerHeaders,
  endToEnd,
  forwardedHeaders,
  type Headers,
  type LinkBase,
  PageRewriter,
  rewriteLink,
  splitProxyPath,
  withoutIdentity,
} from '../../streams/proxy-rewrite.ts';
import { nodeTarget, type ProxyTarget, podTarget, serviceTarget } from '../../streams/proxy-target.ts';

const connectMs = 30_000;

export const isProxy = ({ group, plural, subresource }: Context): boolean =>
  group === '' && subresource === 'proxy' && ['pods', 'services', 'nodes'].includes(plural);

/** Where a request goes: an address, or a kubelet. Throws a StatusError when it may not, or there is nothing. */
export function targetOf(
  server: ApiServer,
  context: Context,
): { target: ProxyTarget; node?: undefined } | { target?: undefined; node: string } {
  if (context.plural === 'pods') return { target: podTarget(server, context) };
  if (context.plural === 'services') return { target: serviceTarget(server, context) };
  const { name, target } = nodeTarget(server, context);
  return target ? { target } : { node: name };
}

export const hostOf = ({ address, port }: ProxyTarget): string =>
  `${isIPv6(address) ? `[${address}]` : address}:${port}`;

/** All methods, bodies in both directions as they come. */
export const proxyConnector =
  (kubelets: KubeletConnections): Connector =>
  async (server, context, _target, exchange) => {
    if (!isProxy(context)) return false;
    const { prefix, rest } = splitProxyPath(exchange.path);
    const found = targetOf(server, context);
    if (!rest && ['GET', 'HEAD'].includes(exchange.method)) {
      // Relative links of a page would lose the last part of a path without a slash.
      exchange.respond(301, { location: `${exchange.path}/${exchange.search}` }, '');
    } else if (found.node !== undefined) await proxyToKubelet(server, kubelets, found.node, rest, exchange);
    else await proxyTo(found.target!, prefix, rest || '/', exchange);
    return true;
  };

async function proxyToKubelet(
  server: ApiServer,
  kubelets: KubeletConnections,
  node: string,
  path: string,
  exchange: Exchange,
): Promise<void> {
  const { method, query, signal } = exchange;
  const headers = withoutIdentity(endToEnd(exchange.headers()));
  const body = () => exchange.bodyStream();
  const request: KubeletRequest = { method, path: path || '/', query, headers, body, signal };
  const answer = await kubeletOf(server, kubelets, node).proxy(request);
  const answered = answerHeaders(answer.headers);
  if (typeof answer.body === 'string' || answer.body instanceof Uint8Array) {
    delete answered['content-length'];
    return exchange.respond(answer.code, answered as Record<string, string>, answer.body);
  }
  await copy(answer.body, exchange.stream(answer.code, answered), exchange.signal);
}

/** Sends the request on. Throws 503 when nobody answers. */
async function proxyTo(target: ProxyTarget, prefix: string, rest: string, exchange: Exchange): Promise<void> {
  const given = exchange.headers();
  const host = exchange.header(':authority') ?? exchange.header('host') ?? hostOf(target);
  const passed = withoutIdentity(endToEnd(given));
  const headers = { ...forwardedHeaders(passed, { remote: exchange.remote, prefix, rest }), host };
  const send = target.scheme === 'https' ? httpsRequest : httpRequest;
  const request = send({
    ...{ host: target.address, port: target.port, method: exchange.method, agent: false },
    ...{ path: rest + exchange.search, headers, rejectUnauthorized: false, servername: '' },
  });
  const abort = () => request.destroy();
  exchange.signal.addEventListener('abort', abort, { once: true });
  try {
    const [response] = await Promise.all([
      answerTo(request),
      sendBody(request, exchange, passed).catch(() => {}), // what matters shows in the answer
    ]);
    const hosts = [host, hostOf(target), target.address];
    await passOn(response, exchange, { prefix, hosts });
  } finally {
    exchange.signal.removeEventListener('abort', abort);
    request.destroy();
  }
}

function answerTo(request: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error) =>
      reject(serviceUnavailable(`error trying to reach service: ${error.message}`));
    const timer = setTimeout(() => request.destroy(new Error('dial: i/o timeout')), connectMs);
    request.on('socket', (socket) => socket.once('connect', () => clearTimeout(timer)));
    request.on('close', () => clearTimeout(timer));
    request.on('error', fail);
    request.on('close', () => fail(new Error('the connection was closed')));
    request.on('response', resolve);
    // Nobody asked for an upgrade; whoever does it all the same has broken the connection.
    request.on('upgrade', (_response, socket) => socket.destroy());
  });
}

async function sendBody(request: ClientRequest, exchange: Exchange, headers: Headers): Promise<void> {
  if (exchange.method !== 'GET' && exchange.method !== 'HEAD') {
    let first = true;
    for await (const chunk of exchange.bodyStream()) {
      if (first && headers['content-length'] === undefined) request.setHeader('transfer-encoding', 'chunked');
      first = false;
      if (request.destroyed) return;
      if (!request.write(chunk)) {
        await new Promise<void>((resolve) => {
          const go = () => {
            request.off('drain', go);
            request.off('close', go);
            resolve();
          };
          request.on('drain', go);
          request.on('close', go);
        });
      }
    }
  }
  request.end();
}

async function passOn(response: IncomingMessage, exchange: Exchange, base: LinkBase): Promise<void> {
  const headers = answerHeaders(response.headers);
  const code = response.statusCode!;
  if (typeof headers.location === 'string') headers.location = rewriteLink(headers.location, base);
  else if (
    String(headers['content-type'] ?? '')
      .split(';')[0]!
      .trim() === 'text/html' &&
    exchange.method !== 'HEAD'
  ) {
    const text = plainBody(response);
    if (text) {
      delete headers['content-length'];
      delete headers['content-encoding'];
      return copy(rewritten(text, base), exchange.stream(code, headers), exchange.signal);
    }
  }
  await copy(response, exchange.stream(code, headers), exchange.signal);
}

/** The body without its compression; undefined for one that we do not know. */
function plainBody(response: IncomingMessage): AsyncIterable<Uint8Array> | undefined {
  const encoding = response.headers['content-encoding'];
  if (!encoding || encoding === 'identity') return response;
  const unpack = { gzip: createGunzip, deflate: createInflate, br: createBrotliDecompress }[encoding];
  if (!unpack) return undefined;
  const plain = unpack();
  response.on('error', (error) => plain.destroy(error));
  return response.pipe(plain);
}

async function* rewritten(body: AsyncIterable<Uint8Array>, base: LinkBase): AsyncIterable<Uint8Array> {
  // Latin-1 keeps every byte as it is, whatever the page is written in.
  const page = new PageRewriter(base);
  for await (const chunk of body)
    yield Buffer.from(page.push(Buffer.from(chunk).toString('latin1')), 'latin1');
  yield Buffer.from(page.end(), 'latin1');
}

/** Cuts the connection when the other side breaks off: the client must not take a part for the whole. */
async function copy(
  body: AsyncIterable<Uint8Array>,
  stream: ResponseStream,
  signal: AbortSignal,
): Promise<void> {
  try {
    for await (const chunk of body) {
      stream.write(chunk);
      await stream.drained();
      if (signal.aborted) return;
    }
    stream.end();
  } catch {
    stream.destroy();
  }
}
