import type { Call } from '../http/call.ts';
import type { Target } from '../http/target.ts';

/** API groups that other servers serve. */
export interface Remotes {
  /** Whether a group's version is another server's. */
  covers(group: string, version: string): boolean;
  /** Passes a request on to the server that it is meant for; false when it is ours. */
  serve(call: Call, target: Target | undefined): Promise<boolean> | boolean;
}

export const noRemotes: Remotes = { covers: () => false, serve: () => false };
