import { leases } from '../api/coordination/lease.ts';
import type { Lease, LeaseSpec } from '../api/coordination/v1.gen.ts';
import { type Clock, microTime, type Random, sleep } from '../machinery/clock.ts';
import type { Log } from '../machinery/log.ts';
import { isAlreadyExists, isConflict, isNotFound } from '../machinery/status.ts';
import type { Client } from './client.ts';

export interface LeaderElectionOptions {
  client: Client;
  clock: Clock;
  random: Random;
  log: Log;
  namespace: string;
  name: string;
  /** Who we are; must differ between candidates. */
  identity: string;
  /** How long others wait after the holder's last renewal before they take over. */
  leaseDurationMs?: number;
  /** The holder gives up when it could not renew for this long; shorter than the lease. */
  renewDeadlineMs?: number;
  retryPeriodMs?: number;
  /** Runs while we lead; the signal aborts when leadership is lost or given up. */
  lead: (signal: AbortSignal) => Promise<void>;
}

/**
 * Runs `lead` while this candidate holds the lease, and stands again when it is lost; ends when `signal` aborts, and then
 * releases the lease so that another need not wait. Clocks of candidates need not agree: what counts is how long the lease
 * has looked the same to us (coordination.k8s.io/v1 Lease).
 */
export async function electLeader(options: LeaderElectionOptions, signal: AbortSignal): Promise<void> {
  const { client, clock, random, log, namespace, name, identity } = options;
  const leaseDurationMs = options.leaseDurationMs ?? 15_000;
  const renewDeadlineMs = options.renewDeadlineMs ?? 10_000;
  const retryPeriodMs = options.retryPeriodMs ?? 2_000;
  let seen: { lease: Lease; at: number } | undefined;

  const specOf = (old: LeaseSpec | undefined): LeaseSpec => {
    const now = microTime(clock.now());
    const ours = old?.holderIdentity === identity;
    return {
      holderIdentity: identity,
      leaseDurationSeconds: Math.ceil(leaseDurationMs / 1000),
      acquireTime: ours ? old.acquireTime : now,
      renewTime: now,
      leaseTransitions: (old?.leaseTransitions ?? 0) + (old && !ours ? 1 : 0),
    };
  };

  /** True when the lease is ours now. */
  const acquireOrRenew = async (): Promise<boolean> => {
    try {
      const lease = await client(leases).get(name, { namespace, signal });
      if (seen?.lease.metadata.resourceVersion !== lease.metadata.resourceVersion)
        seen = { lease, at: clock.now() };
      const holder = lease.spec?.holderIdentity;
      if (holder && holder !== identity && clock.now() - seen!.at < leaseDurationMs) return false;
      const updated = await client(leases).update({ ...lease, spec: specOf(lease.spec) }, { signal });
      seen = { lease: updated, at: clock.now() };
      return true;
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    const lease = { metadata: { name, namespace }, spec: specOf(undefined) };
    seen = { lease: await client(leases).create(lease, { signal }), at: clock.now() };
    return true;
  };

  const attempt = async (): Promise<boolean> => {
    try {
      return await acquireOrRenew();
    } catch (error) {
      if (signal.aborted) return false;
      // Another was quicker: the next look tells who.
      const lostRace = isConflict(error) || isAlreadyExists(error);
      log[lostRace ? 'debug' : 'warn']('lease not acquired', { lease: name, error });
      return false;
    }
  };

  const pause = (ms: number) => sleep(clock, ms, signal).catch(() => {});

  while (!signal.aborted) {
    if (!(await attempt())) {
      await pause(retryPeriodMs * (1 + 0.2 * random()));
      continue;
    }
    log.info('leading', { lease: name, identity });
    const term = new AbortController();
    const work = options.lead(AbortSignal.any([term.signal, signal]));
    const ended = work.then(
      () => false,
      (error) => {
        log.error('leader failed', { lease: name, error });
        return false;
      },
    );
    let renewedAt = clock.now();
    while (!signal.aborted && clock.now() - renewedAt < renewDeadlineMs) {
      await pause(retryPeriodMs);
      if (await attempt()) renewedAt = clock.now();
    }
    term.abort(new Error('leadership lost'));
    await ended;
    log.info('no longer leading', { lease: name, identity });
  }

  if (seen?.lease.spec.holderIdentity !== identity) return;
  try {
    const spec = { ...seen.lease.spec, holderIdentity: '', leaseDurationSeconds: 1 };
    await client(leases).update({ ...seen.lease, spec });
  } catch (error) {
    log.debug('lease not released', { lease: name, error });
  }
}
