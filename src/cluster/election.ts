import { hostname } from 'node:os';
import type { Client } from '../client/client.ts';
import { electLeader } from '../client/leader-election.ts';
import type { Log } from '../machinery/log.ts';
import type { MetricRegistry } from '../machinery/metrics.ts';
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
  { client, log, metrics }: { client: Client; log: Log; metrics?: MetricRegistry | undefined },
): Elected<T> {
  const ended = new AbortController();
  const lease = settings.name ?? name;
  const leads = metrics
    ?.gauge(
      'leader_election_master_status',
      "Gauge of if the reporting system is master of the relevant lease, 0 indicates backup, 1 indicates master. 'name' is the string used to identify the lease. Please make sure to group by name.",
      ['name'],
    )
    .with(lease);
  let running: T | undefined;
  const election = electLeader(
    {
      ...{ client, clock: systemClock, random: systemRandom, log },
      ...settings,
      namespace: settings.namespace ?? 'kube-system',
      name: lease,
      identity: `${hostname()}_${uuid()}`,
      async lead(signal) {
        leads?.set(1);
        try {
          running = await start();
          if (!signal.aborted)
            await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
        } finally {
          leads?.set(0);
          const left = running;
          running = undefined;
          await left?.[Symbol.asyncDispose]();
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
