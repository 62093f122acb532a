// Connections that become something else: remote commands, port forwarding, proxied upgrades, logs and watches over WebSocket.
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { channelProtocol, channelProtocols, fromBase64 } from '../../../client/streams/channels.ts';
import { badRequest, isStatusError, StatusError, serviceUnavailable } from '../../../machinery/status.ts';
import type { Context } from '../../context.ts';
import { Call } from '../../http/call.ts';
import type { Exchange } from '../../http/exchange.ts';
import { fail } from '../../http/handler.ts';
import { authorize, recognize, settle } from '../../http/recognize.ts';
import type { ApiServer } from '../../server.ts';
import { admitConnection } from '../../streams/connection-admission.ts';
import type {
  KubeletConnection,
  KubeletConnections,
  StreamEndpoint,
} from '../../streams/kubelet-connection.ts';
import { containerOf, podKubelet, podOf } from '../../streams/pod-target.ts';
import { forwardedHeaders, splitProxyPath, withoutIdentity } from '../../streams/proxy-rewrite.ts';
import { commandOf, portsOf, streamOptionsOf } from '../../streams/stream-options.ts';
import type { HttpsOptions } from '../https-server.ts';
import { acceptWebSocket, chooseProtocol, isWebSocketNow, offeredBy } from './accept.ts';
import { serveCommand } from './exec-websocket.ts';
import { hostOf, isProxy, targetOf } from './http-proxy.ts';
import { serveLogMessages } from './logs.ts';
import { servePorts, tunnel, tunnelPrefix } from './port-forward-websocket.ts';
import { upgradeElsewhere } from './remote-upgrade.ts';
import { headerLines, splice, upgradedEvent } from './splice.ts';
import { spdyTo, UpgradeRefused, upgradeRequest } from './upgrade-request.ts';
import { serveWatchMessages } from './watch-websocket.ts';

/** One request to upgrade, on its way. */
interface Step {
  server: ApiServer;
  kubelets: KubeletConnections;
  context: Context;
  call: Call;
  exchange: Exchange;
  request: IncomingMessage;
  socket: Socket;
  head: Buffer;
}

const bearerPrefix = 'base64url.bearer.authorization.k8s.io.';

/**
 * What serveHttps calls for upgrades. Authenticates and authorizes like any other request, and never rejects: whatever
 * happens, the client gets a Status, or what the runtime said.
 */
export const createUpgradeHandler =
  (server: ApiServer, kubelets: KubeletConnections): HttpsOptions['upgrade'] =>
  async (bare, request, socket, head) => {
    socket.setTimeout(0);
    // Streams may be silent for days: this is how a client that vanished is noticed.
    socket.setKeepAlive(true, 30_000);
    const exchange = withBearerProtocol(bare, request);
    const call = new Call(server, exchange);
    let failure: number | undefined;
    socket.once(upgradedEvent, () => {
      call.freeSeats();
      call.trail?.responseStarted(101);
    });
    try {
      const target = await recognize(call);
      const waiting = call.takeSeats();
      if (waiting) await waiting;
      const settling = settle(call);
      if (settling) await settling;
      const { context } = call;
      const elsewhere = server.remotes.at(exchange.path);
      if (elsewhere) {
        await upgradeElsewhere(call, elsewhere, request, socket, head);
        failure = 101;
        return;
      }
      if (!target || !context) throw badRequest('this path cannot be upgraded');
      await admitConnection(server.registry, context, exchange.query, target.rest);
      await upgrade({ server, kubelets, context, call, exchange, request, socket, head });
      failure = 101;
    } catch (error) {
      if (socket.destroyed) return;
      if (isWebSocketNow(socket)) {
        server.log.warn('stream broke off', { path: exchange.path, error });
        socket.destroy();
        return;
      }
      if (error instanceof UpgradeRefused) {
        const type = String(error.headers['content-type'] ?? 'text/plain; charset=utf-8');
        exchange.respond(error.code, { 'content-type': type }, error.message);
      } else failure = fail(server, exchange, error, call.trail, call.context?.warnings);
    } finally {
      call.end(failure);
    }
  };

/** Browsers cannot set headers of a WebSocket: there the token is one of the subprotocols. */
function withBearerProtocol(exchange: Exchange, request: IncomingMessage): Exchange {
  const offered = offeredBy(request);
  const bearer = offered.find((name) => name.startsWith(bearerPrefix));
  if (!bearer || exchange.header('authorization')) return exchange;
  request.headers['sec-websocket-protocol'] = offered.filter((name) => name !== bearer).join(', ');
  const token = tokenOf(bearer.slice(bearerPrefix.length));
  const { header } = exchange;
  exchange.header = (name) => (name === 'authorization' ? `Bearer ${token}` : header(name));
  return exchange;
}

/** '' for what is no token: nobody has that one. */
function tokenOf(encoded: string): string {
  try {
    return new TextDecoder().decode(fromBase64(encoded.replaceAll('-', '+').replaceAll('_', '/')));
  } catch (error) {
    if (error instanceof DOMException) return '';
    throw error;
  }
}

const isWebSocket = (request: IncomingMessage): boolean =>
  request.method === 'GET' && request.headers.upgrade?.toLowerCase() === 'websocket';

async function upgrade(step: Step): Promise<void> {
  const { server, context, exchange, request } = step;
  if (isProxy(context)) return proxyUpgrade(step);
  if (context.plural === 'pods' && context.group === '') {
    switch (context.subresource) {
      case 'exec':
      case 'attach':
        return command(step, context.subresource);
      case 'portforward':
        return portForward(step);
      case 'log':
        if (!isWebSocket(request)) break;
        return serveLogMessages(server, step.kubelets, context, exchange, step);
    }
  }
  if (context.verb === 'watch' && isWebSocket(request))
    return serveWatchMessages(server, context, exchange, step);
  throw badRequest('this request cannot be upgraded');
}

/** To run something in a pod is to create it: that a WebSocket begins with GET must not make it a right to read. */
function mayRun({ call, request }: Step): void {
  if (!['GET', 'POST'].includes(request.method!)) throw badRequest('only GET and POST can be upgraded');
  authorize(call, 'create');
}

async function command(step: Step, what: 'exec' | 'attach'): Promise<void> {
  mayRun(step);
  const { server, kubelets, context, exchange, request, socket, head } = step;
  const pod = podOf(server, context);
  const container = containerOf(pod, exchange.query.get('container') ?? '');
  const options = streamOptionsOf(exchange.query);
  const words = what === 'exec' ? commandOf(exchange.query) : [];
  const kubelet = podKubelet(server, kubelets, pod);
  const ref = { namespace: context.namespace!, name: context.name! };
  if (what === 'attach') {
    // Whether there is a terminal was settled when the container was made.
    options.tty = container.tty ?? false;
    if (options.tty) options.stderr = false;
  }
  const endpoint = () =>
    what === 'exec'
      ? kubelet.execUrl(ref, container.name, words, options)
      : kubelet.attachUrl(ref, container.name, options);
  if (!isWebSocket(request)) return passThrough(step, await orText(endpoint));
  const protocol = channelProtocol(
    chooseProtocol(
      request,
      channelProtocols.map((p) => p.name),
    ),
  )!;
  const messages = await acceptWebSocket(request, socket, head, protocol.name);
  await serveCommand(messages, protocol, options, endpoint);
}

async function portForward(step: Step): Promise<void> {
  mayRun(step);
  const { server, kubelets, context, exchange, request, socket, head } = step;
  const pod = podOf(server, context);
  const ports = portsOf(exchange.query);
  const kubelet: KubeletConnection = podKubelet(server, kubelets, pod);
  const ref = { namespace: context.namespace!, name: context.name! };
  const endpoint = () => orText(() => kubelet.portForwardUrl(ref, ports));
  if (!isWebSocket(request)) return passThrough(step, await endpoint());
  const tunnelled = offeredBy(request).filter((name) => name.startsWith(tunnelPrefix));
  if (tunnelled.length) {
    const protocols = tunnelled.map((name) => name.slice(tunnelPrefix.length));
    const runtime = await upgradeRequest(await endpoint(), {
      method: 'POST',
      headers: { connection: 'Upgrade', upgrade: 'SPDY/3.1', 'x-stream-protocol-version': protocols },
      signal: exchange.signal,
    });
    const chosen = tunnelPrefix + String(runtime.headers['x-stream-protocol-version'] ?? protocols[0]);
    return tunnel(await acceptWebSocket(request, socket, head, chosen), runtime.socket);
  }
  const protocol = channelProtocol(
    chooseProtocol(request, ['v4.channel.k8s.io', 'v4.base64.channel.k8s.io', 'channel.k8s.io', '']),
  )!;
  if (!ports.length) throw badRequest('query parameter "ports" is required');
  const runtime = await spdyTo(await endpoint(), ['portforward.k8s.io'], exchange.signal);
  await servePorts(await acceptWebSocket(request, socket, head, protocol.name), protocol, ports, runtime);
}

/** SPDY clients and the runtime understand one another: only their bytes are carried. */
async function passThrough(
  { request, socket, head, exchange }: Step,
  endpoint: StreamEndpoint,
): Promise<void> {
  if (!/^spdy\/3\.1$/i.test(request.headers.upgrade ?? ''))
    throw badRequest(`unable to upgrade: unknown protocol ${JSON.stringify(request.headers.upgrade)}`);
  const headers = {
    connection: 'Upgrade',
    upgrade: 'SPDY/3.1',
    'x-stream-protocol-version': headerLines(request, 'x-stream-protocol-version'),
  };
  await splice(
    socket,
    head,
    await upgradeRequest(endpoint, { method: 'POST', headers, signal: exchange.signal }),
  );
}

/** What a kubelet refuses is told in plain words, as a kubelet's own server does: kubectl puts them into its sentence. */
async function orText(endpoint: () => Promise<StreamEndpoint>): Promise<StreamEndpoint> {
  try {
    return await endpoint();
  } catch (error) {
    if (!isStatusError(error)) throw error;
    throw new UpgradeRefused(error.code === 404 ? 404 : 500, {}, error.message);
  }
}

/** Upgrades behind a proxy subresource: whatever the protocol, the bytes are carried. */
async function proxyUpgrade({ server, context, exchange, request, socket, head }: Step): Promise<void> {
  const found = targetOf(server, context);
  if (!found.target) throw new StatusError(400, 'BadRequest', 'paths of a kubelet cannot be upgraded');
  const { prefix, rest } = splitProxyPath(exchange.path);
  const { target } = found;
  const given = withoutIdentity(exchange.headers() as Record<string, string>);
  const headers = forwardedHeaders(given, { remote: exchange.remote, prefix, rest });
  const url = `${target.scheme}://${hostOf(target)}${rest || '/'}${exchange.search}`;
  const endpoint = { url, tls: { insecure: true } };
  try {
    const upgraded = await upgradeRequest(endpoint, {
      ...{ method: request.method!, headers, signal: exchange.signal },
    });
    await splice(socket, head, upgraded);
  } catch (error) {
    if (error instanceof UpgradeRefused) throw error;
    throw serviceUnavailable(`error trying to reach service: ${(error as Error).message}`);
  }
}
