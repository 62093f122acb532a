import { hostname } from 'node:os';
import type { Client } from '../client/client.ts';
import { electLeader } from '../client/leader-election.ts';
import type { Log } from '../machinery/log.ts';
import { systemClock, systemRandom, uuid } from './node/platform.ts';

/** Of several processes that do the same, one does it. Source: "kube-controller-manager", --leader-elect. */
export interface LeaderElectionSettings {
  leaseDurationMs: number;
  renewDeadlineMs: number;
  retryPeriodMs: number;
  /** The Lease; of the component's name in kube-system unless told. */
  name?: string;
  namespace?: string;
}

export interface Elected<T> extends AsyncDisposable {
  /** What runs here; undefined while another process leads. */
  readonly running: T | undefined;
}

/** Starts a component whenever this process is elected to, and ends it when another is. */
export function elect<T extends AsyncDisposable>(
  name: string,
  start: () => Promise<T>,
  settings: LeaderElectionSettings,
  { client, log }: { client: Client; log: Log },
): Elected<T> {
  const ended = new AbortController();
  let running: T | undefined;
  const election = electLeader(
    {
      ...{ client, clock: systemClock, random: systemRandom, log },
      ...settings,
      namespace: settings.namespace ?? 'kube-system',
      name: settings.name ?? name,
      identity: `${hostname()}_${uuid()}`,
      async lead(signal) {
        running = await start();
        try {
          if (!signal.aborted)
            await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
        } finally {
          const left = running;
          running = undefined;
          await left[Symbol.asyncDispose]();
        }
      },
    },
    ended.signal,
  );
  return {
    get running() {
      return running;
    },
    async [Symbol.asyncDispose]() {
      ended.abort(new Error('stopped'));
      await election;
    },
  };
}

/** What always runs here. */
export const alone = <T extends AsyncDisposable>(running: T): Elected<T> => ({
  running,
  [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
});
