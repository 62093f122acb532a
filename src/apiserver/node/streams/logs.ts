import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { toBase64 } from '../../../client/streams/channels.ts';
import type { Context } from '../../context.ts';
import type { Exchange } from '../../http/exchange.ts';
import type { Connector } from '../../http/handler.ts';
import type { ApiServer } from '../../server.ts';
import type { KubeletConnections } from '../../streams/kubelet-connection.ts';
import { containerOf, podKubelet, podOf } from '../../streams/pod-target.ts';
import { logOptionsOf } from '../../streams/stream-options.ts';
import { acceptWebSocket, chooseProtocol } from './accept.ts';

/** The log that a request asks for; nothing while the pod has no node. */
async function logOf(
  server: ApiServer,
  kubelets: KubeletConnections,
  context: Context,
  exchange: Exchange,
  signal: AbortSignal,
): Promise<AsyncIterable<Uint8Array>> {
  const pod = podOf(server, context);
  const options = logOptionsOf(exchange.query, context.name!);
  const container = containerOf(pod, exchange.query.get('container') ?? '');
  if (!pod.spec.nodeName) return nothing();
  const ref = { namespace: context.namespace!, name: context.name! };
  return podKubelet(server, kubelets, pod).logs(ref, container.name, options, signal);
}

async function* nothing(): AsyncIterable<Uint8Array> {}

/** `GET pods/x/log` as plain text, as it comes. */
export const logConnector =
  (kubelets: KubeletConnections): Connector =>
  async (server, context, _target, exchange) => {
    if (context.plural !== 'pods' || context.group || context.subresource !== 'log' || context.verb !== 'get')
      return false;
    const log = await logOf(server, kubelets, context, exchange, exchange.signal);
    const stream = exchange.stream(200, {
      'content-type': 'text/plain',
      'cache-control': 'no-cache, private',
    });
    try {
      for await (const chunk of log) {
        stream.write(chunk);
        await stream.drained();
        if (exchange.signal.aborted) return true;
      }
      stream.end();
    } catch (error) {
      // The headers are gone: cutting the connection is how the client learns that this is not all.
      server.log.warn('log broke off', { pod: context.name, namespace: context.namespace, error });
      stream.destroy();
    }
    return true;
  };

/** The same over WebSocket: each message a piece of the log. */
export async function serveLogMessages(
  server: ApiServer,
  kubelets: KubeletConnections,
  context: Context,
  exchange: Exchange,
  connection: { request: IncomingMessage; socket: Socket; head: Buffer },
): Promise<void> {
  const { request, socket, head } = connection;
  const protocol = chooseProtocol(request, ['', 'binary.k8s.io', 'base64.binary.k8s.io']);
  const log = await logOf(server, kubelets, context, exchange, exchange.signal);
  const messages = await acceptWebSocket(request, socket, head, protocol);
  const base64 = protocol.startsWith('base64.');
  await messages.send(base64 ? '' : new Uint8Array(0));
  try {
    for await (const chunk of log) {
      if (!messages.isOpen()) return;
      await messages.send(base64 ? toBase64(chunk) : chunk);
    }
    messages.close();
  } catch (error) {
    server.log.warn('log broke off', { pod: context.name, namespace: context.namespace, error });
    messages.close(1011);
  }
}
