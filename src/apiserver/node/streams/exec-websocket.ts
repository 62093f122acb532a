// A WebSocket client's remote command, translated to the runtime's SPDY/3.1. Source: KEP-4006.
//
//   client  [0, bytes] [255, 0] [4, size]   ->   stdin: bytes, end    resize: size          runtime
//           [1, bytes] [2, bytes] [3, Status] <- stdout: bytes   stderr: bytes   error: Status
import {
  Channel,
  type ChannelProtocol,
  channelMessage,
  parseChannelMessage,
} from '../../../client/streams/channels.ts';
import type { MessageSocket } from '../../../client/streams/message-socket.ts';
import type { SpdyStream } from '../../../machinery/spdy/session.ts';
import { internalError, isStatusError } from '../../../machinery/status.ts';
import type { StreamEndpoint, StreamOptions } from '../../streams/kubelet-connection.ts';
import { type SpdyConnection, spdyTo } from './upgrade-request.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Runs from the handshake on to the end; the client learns of every failure as a Status. */
export async function serveCommand(
  socket: MessageSocket,
  protocol: ChannelProtocol,
  options: StreamOptions,
  endpoint: () => Promise<StreamEndpoint>,
): Promise<void> {
  const gone = new AbortController();
  void socket.closed.then(() => gone.abort());
  const send = (channel: number, bytes: Uint8Array) => socket.send(channelMessage(protocol, channel, bytes));
  try {
    // Older clients wait for a first, empty message before they believe in the connection.
    if (!protocol.halfClose) {
      const first = options.stdout ? Channel.stdout : options.stderr ? Channel.stderr : Channel.error;
      await send(first, new Uint8Array(0));
    }
    const runtime = await connect(endpoint, gone.signal);
    const status = await relay(socket, protocol, options, runtime, gone.signal);
    await send(Channel.error, status);
  } catch (error) {
    if (!gone.signal.aborted) await send(Channel.error, failure(error, protocol));
  }
  socket.close();
}

function failure(error: unknown, { status }: ChannelProtocol): Uint8Array {
  const known = isStatusError(error) ? error : internalError((error as Error)?.message ?? String(error));
  return encoder.encode(status ? JSON.stringify(known.status) : known.message);
}

/** Rejects with what the kubelet or the runtime says, in the words that clients know. */
async function connect(
  endpoint: () => Promise<StreamEndpoint>,
  signal: AbortSignal,
): Promise<SpdyConnection> {
  try {
    return await spdyTo(await endpoint(), ['v4.channel.k8s.io'], signal);
  } catch (error) {
    throw internalError(`unable to upgrade connection: ${(error as Error).message}`);
  }
}

/** Connects the channels to the runtime's streams; resolves with what the error channel is to say. */
async function relay(
  socket: MessageSocket,
  protocol: ChannelProtocol,
  options: StreamOptions,
  runtime: SpdyConnection,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const abort = () => runtime.destroy();
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  try {
    let status = '';
    const ends: Promise<unknown>[] = [];
    const open = (streamType: string, data?: (bytes: Uint8Array) => void | Promise<void>) => {
      const { promise, resolve } = Promise.withResolvers<unknown>();
      const stream = runtime.session.open({ streamType }, { data, end: resolve });
      if (data) ends.push(promise);
      return stream;
    };
    const output = (channel: number) => (bytes: Uint8Array) =>
      socket.send(channelMessage(protocol, channel, bytes));
    const complaints = open('error', (bytes) => void (status += decoder.decode(bytes, { stream: true })));
    const inputs: (SpdyStream | undefined)[] = [];
    if (options.stdin) inputs[Channel.stdin] = open('stdin');
    if (options.stdout) open('stdout', output(Channel.stdout));
    if (options.stderr) open('stderr', output(Channel.stderr));
    if (options.tty) inputs[Channel.resize] = open('resize');
    if (!(await complaints.opened)) throw new Error('the runtime closed the connection');
    void feed(socket, protocol, inputs).catch(abort);
    await Promise.all(ends);
    return verdict(status, protocol);
  } finally {
    signal.removeEventListener('abort', abort);
    runtime.destroy();
    await runtime.closed;
  }
}

/** What the runtime said, for a client of this protocol: before v4 success was silence, and failure its text. */
function verdict(text: string, protocol: ChannelProtocol): Uint8Array {
  if (!text) throw new Error('the runtime ended the connection without a status');
  if (protocol.status) return encoder.encode(text);
  const { status, message } = JSON.parse(text);
  return encoder.encode(status === 'Success' ? '' : (message ?? text));
}

/** What comes from the client goes to the stream of its channel; channels that there are not are passed over. */
async function feed(
  socket: MessageSocket,
  protocol: ChannelProtocol,
  inputs: (SpdyStream | undefined)[],
): Promise<void> {
  for await (const message of socket.messages()) {
    const parsed = parseChannelMessage(protocol, message);
    const stream = parsed && inputs[parsed.channel];
    if (!stream) continue;
    if (parsed.close) await stream.end();
    else if (parsed.bytes.length) await stream.write(parsed.bytes);
  }
}
