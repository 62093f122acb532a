import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { isAvailable } from '../../../api/apiregistration/api-service.ts';
import type { APIService } from '../../../api/apiregistration/v1.gen.ts';
import { serviceUnavailable } from '../../../machinery/status.ts';
import { proxiedRequest } from '../../aggregation/proxy.ts';
import type { Call } from '../../http/call.ts';
import { OutboundError, readBody } from '../../outbound/outbound.ts';
import { headerLines, splice } from './splice.ts';
import { type Upgraded, UpgradeRefused } from './upgrade-request.ts';

const mostRefusal = 1 << 20;

/** A connection that another server is to upgrade: once it has, the bytes are carried both ways. */
export async function upgradeElsewhere(
  call: Call,
  service: APIService,
  request: IncomingMessage,
  socket: Socket,
  head: Buffer,
): Promise<void> {
  const { server, exchange } = call;
  if (!isAvailable(service)) throw serviceUnavailable('service unavailable');
  const { body: _, headers, ...rest } = proxiedRequest(call);
  const protocols = headerLines(request, 'x-stream-protocol-version');
  try {
    const upgraded = await server.registry.outbound.upgrade(server.remotes.calleeOf(service), {
      ...rest,
      headers: {
        ...headers,
        connection: 'Upgrade',
        upgrade: request.headers.upgrade,
        ...(protocols.length ? { 'x-stream-protocol-version': protocols } : {}),
      },
      signal: exchange.signal,
    });
    if ('socket' in upgraded) return await splice(socket, head, upgraded as unknown as Upgraded);
    const text = new TextDecoder().decode(await readBody(upgraded, mostRefusal));
    throw new UpgradeRefused(upgraded.code, upgraded.headers, text);
  } catch (error) {
    if (!(error instanceof OutboundError)) throw error;
    throw serviceUnavailable(`error trying to reach service: ${error.message}`);
  }
}
