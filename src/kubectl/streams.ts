// What kubectl needs of the connections that become something else: exec, attach, port-forward.
import type { ExitStatus } from '../client/streams/exit-status.ts';
import type { RemoteStreams, RemoteTarget } from '../client/streams/remote-command.ts';
import type { Socket } from './environment.ts';

export type RemoteOptions = RemoteTarget & RemoteStreams & { signal?: AbortSignal };

/** Connections to ports of one pod. */
export interface Forwarding {
  /** Carries bytes both ways until either side ends. Rejects with what the node says went wrong. */
  carry(port: number, local: Socket): Promise<void>;
  /** Settles when the connection to the cluster is gone. */
  closed: Promise<void>;
  close(): Promise<void>;
}

/** Failures to begin are StatusErrors. */
export interface StreamOpener {
  exec(options: RemoteOptions & { command: string[] }): Promise<ExitStatus>;
  attach(options: RemoteOptions): Promise<ExitStatus>;
  portForward(options: { namespace: string; pod: string; signal?: AbortSignal }): Promise<Forwarding>;
}
