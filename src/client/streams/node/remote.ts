import type { ExitStatus } from '../exit-status.ts';
import {
  offeredProtocols,
  type RemoteStreams,
  type RemoteTarget,
  remotePath,
  runRemote,
} from '../remote-command.ts';
import { openWebSocket, type StreamServer } from './web-socket.ts';

export interface RemoteOptions extends RemoteTarget, RemoteStreams {
  request: StreamServer;
  signal?: AbortSignal;
}

/** Runs a command in a container. Rejections are StatusErrors; see runRemote. */
export async function execStream({
  request,
  command,
  signal,
  ...rest
}: RemoteOptions & { command: string[] }): Promise<ExitStatus> {
  const path = remotePath('exec', rest, rest, command);
  return runRemote(await openWebSocket(request, path, offeredProtocols, signal), rest, signal);
}

/** Connects to what runs in a container; resolves when it ends. */
export async function attachStream({ request, signal, ...rest }: RemoteOptions): Promise<ExitStatus> {
  const path = remotePath('attach', rest, rest);
  return runRemote(await openWebSocket(request, path, offeredProtocols, signal), rest, signal);
}
