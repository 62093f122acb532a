// Running a command in a container, or attaching to one, over a WebSocket. Source: KEP-4006.
import { StatusError } from '../../machinery/status.ts';
import {
  Channel,
  type ChannelProtocol,
  channelMessage,
  channelProtocol,
  closeMessage,
  encodeSize,
  parseChannelMessage,
  type TerminalSize,
} from './channels.ts';
import { type ExitStatus, exitStatusOf } from './exit-status.ts';
import type { MessageSocket } from './message-socket.ts';

/** What is connected to the remote process. Those left out are not asked for. */
export interface RemoteStreams {
  stdin?: AsyncIterable<Uint8Array>;
  /** A promise holds the remote side back until it settles. */
  stdout?: (bytes: Uint8Array) => void | Promise<void>;
  /** Not with a terminal, where all output is stdout. */
  stderr?: (bytes: Uint8Array) => void | Promise<void>;
  tty?: boolean;
  /** The sizes of the terminal, the present one first. */
  resize?: AsyncIterable<TerminalSize>;
}

export interface RemoteTarget {
  namespace: string;
  pod: string;
  /** Left out: the pod's default container. */
  container?: string;
}

/** Subprotocols to offer, the best first. */
export const offeredProtocols = ['v5.channel.k8s.io', 'v4.channel.k8s.io'];

export function remotePath(
  subresource: 'exec' | 'attach',
  { namespace, pod, container }: RemoteTarget,
  streams: RemoteStreams,
  command: string[] = [],
): string {
  const query = new URLSearchParams();
  for (const word of command) query.append('command', word);
  if (container) query.set('container', container);
  if (streams.stdin) query.set('stdin', 'true');
  if (streams.stdout) query.set('stdout', 'true');
  if (streams.stderr && !streams.tty) query.set('stderr', 'true');
  if (streams.tty) query.set('tty', 'true');
  const [ns, name] = [encodeURIComponent(namespace), encodeURIComponent(pod)];
  return `/api/v1/namespaces/${ns}/pods/${name}/${subresource}?${query}`;
}

/**
 * Carries bytes between the streams and the socket until the remote side has said how it ended. Rejects with a StatusError
 * when it could not be run, or the connection broke; with the signal's reason when it aborts. Standard input may still be
 * waiting for a byte then: ending it is the caller's.
 */
export async function runRemote(
  socket: MessageSocket,
  streams: RemoteStreams,
  signal?: AbortSignal,
): Promise<ExitStatus> {
  const protocol = channelProtocol(socket.protocol);
  if (!protocol?.status)
    throw new StatusError(500, 'InternalError', 'the server speaks no protocol that we do');
  const abort = () => socket.terminate();
  signal?.addEventListener('abort', abort, { once: true });
  if (signal?.aborted) abort();
  try {
    const failed = Promise.withResolvers<never>();
    for (const pump of [sendInput(socket, protocol, streams), sendSizes(socket, protocol, streams)])
      pump.catch(failed.reject);
    const text = await Promise.race([receiveOutput(socket, protocol, streams), failed.promise]);
    signal?.throwIfAborted();
    if (text) return exitStatusOf(text);
    const { code, reason } = await socket.closed;
    throw new StatusError(500, 'InternalError', `connection closed before the end: ${code} ${reason}`.trim());
  } finally {
    signal?.removeEventListener('abort', abort);
    socket.close();
  }
}

async function sendInput(socket: MessageSocket, protocol: ChannelProtocol, { stdin }: RemoteStreams) {
  if (!stdin) return;
  for await (const bytes of stdin) {
    if (!socket.isOpen()) return;
    await socket.send(channelMessage(protocol, Channel.stdin, bytes));
  }
  // v4 cannot end its input: a remote process that waits for the end goes on waiting.
  if (protocol.halfClose) await socket.send(closeMessage(Channel.stdin));
}

async function sendSizes(socket: MessageSocket, protocol: ChannelProtocol, { tty, resize }: RemoteStreams) {
  if (!tty || !resize) return;
  for await (const size of resize) {
    if (!socket.isOpen()) return;
    await socket.send(channelMessage(protocol, Channel.resize, encodeSize(size)));
  }
}

/** Hands out output until the status is there; gives its text, or '' when the socket closed without one. */
async function receiveOutput(socket: MessageSocket, protocol: ChannelProtocol, streams: RemoteStreams) {
  const decoder = new TextDecoder();
  let status = '';
  for await (const message of socket.messages()) {
    const { channel, bytes, close } = parseChannelMessage(protocol, message) ?? {};
    if (!bytes?.length || close) continue;
    if (channel === Channel.stdout) await streams.stdout?.(bytes);
    else if (channel === Channel.stderr) await streams.stderr?.(bytes);
    else if (channel === Channel.error) {
      // It is one message, after all output; a server may yet cut it.
      status += decoder.decode(bytes, { stream: true });
      if (isWhole(status)) return status;
    }
  }
  return status;
}

function isWhole(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
