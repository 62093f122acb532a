// Port forwarding over WebSocket, the new way (SPDY/3.1 in the messages) and the old one (two channels for each port).
import type { Socket } from 'node:net';
import {
  type ChannelProtocol,
  channelMessage,
  parseChannelMessage,
} from '../../../client/streams/channels.ts';
import type { MessageSocket } from '../../../client/streams/message-socket.ts';
import type { SpdyStream } from '../../../machinery/spdy/session.ts';
import type { SpdyConnection } from './upgrade-request.ts';

/** The prefix of subprotocols that carry SPDY in messages. Source: KEP-4006. */
export const tunnelPrefix = 'SPDY/3.1+';

/** The bytes of the messages are the runtime's SPDY connection. */
export async function tunnel(socket: MessageSocket, runtime: Socket): Promise<void> {
  void socket.closed.then(() => runtime.destroySoon());
  const up = async () => {
    for await (const message of socket.messages()) {
      if (runtime.destroyed) return;
      if (!runtime.write(message))
        await new Promise<void>((resolve) => {
          const go = () => {
            runtime.off('drain', go);
            runtime.off('close', go);
            resolve();
          };
          runtime.on('drain', go);
          runtime.on('close', go);
        });
    }
  };
  const down = async () => {
    try {
      for await (const chunk of runtime) await socket.send(chunk);
    } finally {
      socket.close();
    }
  };
  await Promise.allSettled([up(), down()]);
  runtime.destroy();
}

/**
 * Port i is bytes on channel 2i and complaints on 2i+1; each begins with the port's number, little-endian. Such a
 * connection carries one connection for each port.
 */
export async function servePorts(
  socket: MessageSocket,
  protocol: ChannelProtocol,
  ports: number[],
  runtime: SpdyConnection,
): Promise<void> {
  void socket.closed.then(runtime.destroy);
  const streams: SpdyStream[] = [];
  const ends: Promise<unknown>[] = [];
  for (const [i, port] of ports.entries()) {
    for (const [k, streamType] of ['error', 'data'].entries()) {
      const channel = 2 * i + (streamType === 'data' ? 0 : 1);
      const end = Promise.withResolvers<unknown>();
      ends.push(end.promise);
      const headers = { streamType, port: String(port), requestID: String(i) };
      const data = (bytes: Uint8Array) => socket.send(channelMessage(protocol, channel, bytes));
      streams[channel] = runtime.session.open(headers, { data, end: end.resolve });
      if (k === 0) void streams[channel].end();
      await socket.send(channelMessage(protocol, channel, new Uint8Array([port & 0xff, port >> 8])));
    }
  }
  const up = async () => {
    for await (const message of socket.messages()) {
      const parsed = parseChannelMessage(protocol, message);
      if (parsed && parsed.channel % 2 === 0) await streams[parsed.channel]?.write(parsed.bytes);
    }
  };
  void up().catch(runtime.destroy);
  await Promise.all(ends);
  socket.close();
  runtime.destroy();
  await runtime.closed;
}
