import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { MessageSocket } from '../../../client/streams/message-socket.ts';
import type { Context } from '../../context.ts';
import type { Exchange, ResponseStream } from '../../http/exchange.ts';
import { negotiate } from '../../http/negotiate.ts';
import { serveWatch } from '../../http/watch-stream.ts';
import type { ApiServer } from '../../server.ts';
import { acceptWebSocket, offeredBy } from './accept.ts';

/** Bytes of events that wait for a slow client: the watch is cut off from there on. */
const maxPending = 16 << 20;

/** A watch whose events are a message each: text for JSON, binary for protobuf. */
export async function serveWatchMessages(
  server: ApiServer,
  context: Context,
  exchange: Exchange,
  connection: { request: IncomingMessage; socket: Socket; head: Buffer },
): Promise<void> {
  const { request, socket, head } = connection;
  const encodings: ('json' | 'protobuf')[] = context.served.custom ? ['json'] : ['json', 'protobuf'];
  const form = negotiate(exchange.header('accept'), exchange.query, context.userAgent, encodings);
  const messages = await acceptWebSocket(request, socket, head, offeredBy(request)[0] ?? '');
  const closed = new AbortController();
  void messages.closed.then(() => closed.abort());
  const include = exchange.query.get('includeObject') ?? 'Metadata';
  const stream = eventMessages(messages);
  await serveWatch(server, context, { ...exchange, stream: () => stream }, form, include, closed.signal);
}

function eventMessages(messages: MessageSocket): ResponseStream {
  let pending = 0;
  const decoder = new TextDecoder();
  return {
    write(chunk) {
      const event = typeof chunk === 'string' || chunk[0] !== 0x7b ? chunk : decoder.decode(chunk);
      const size = event.length;
      pending += size;
      if (pending > maxPending) return messages.terminate();
      void messages.send(event).then(() => {
        pending -= size;
      });
    },
    get pendingBytes() {
      return pending;
    },
    async drained() {},
    end: () => messages.close(),
    destroy: () => messages.terminate(),
  };
}
