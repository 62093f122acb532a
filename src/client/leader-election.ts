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
 * has looked the same to us (coordination.k8s.io/v1 Lease). Whoever cannot renew it, because the API server does not answer,
 * say, gives up before others may take over. When `lead` ends by itself, the lease is released, too.
 */
export async function electLeader(options: LeaderElectionOptions, signal: AbortSignal): Promise<void> {
  const candidate = new Candidate(options, signal);
  while (!signal.aborted) {
    if (await candidate.attempt(candidate.renewDeadlineMs)) await candidate.lead();
    await candidate.pause(candidate.retryPeriodMs * (1 + 0.2 * options.random()));
  }
}

class Candidate {
  readonly renewDeadlineMs: number;
  readonly retryPeriodMs: number;
  readonly #leaseDurationMs: number;
  readonly #options: LeaderElectionOptions;
  readonly #signal: AbortSignal;
  #seen: { lease: Lease; at: number } | undefined;

  constructor(options: LeaderElectionOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
    this.#leaseDurationMs = options.leaseDurationMs ?? 15_000;
    this.renewDeadlineMs = options.renewDeadlineMs ?? 10_000;
    this.retryPeriodMs = options.retryPeriodMs ?? 2_000;
  }

  /** Ends early when one of the signals aborts. */
  async pause(ms: number, other?: AbortSignal): Promise<void> {
    const signal = other ? AbortSignal.any([this.#signal, other]) : this.#signal;
    await sleep(this.#options.clock, ms, signal).catch(() => {});
  }

  /** True when the lease is ours now; false, too, when nothing is known after `limitMs`. */
  async attempt(limitMs: number): Promise<boolean> {
    const { clock, log, name } = this.#options;
    const late = new AbortController();
    const timer = clock.after(limitMs, () => late.abort(new Error('the lease could not be renewed in time')));
    const gaveUp = new Promise<never>((_, reject) =>
      late.signal.addEventListener('abort', () => reject(late.signal.reason), { once: true }),
    );
    try {
      const signal = AbortSignal.any([this.#signal, late.signal]);
      return await Promise.race([this.#acquireOrRenew(signal), gaveUp]);
    } catch (error) {
      if (this.#signal.aborted) return false;
      // Another was quicker: the next look tells who.
      const lostRace = isConflict(error) || isAlreadyExists(error);
      if (lostRace) this.#seen = undefined;
      log[lostRace ? 'debug' : 'warn']('lease not acquired', { lease: name, error: String(error) });
      return false;
    } finally {
      timer.cancel();
    }
  }

  get isHolder(): boolean {
    return this.#seen?.lease.spec?.holderIdentity === this.#options.identity;
  }

  async #acquireOrRenew(signal: AbortSignal): Promise<boolean> {
    const { client, clock, namespace, name, identity } = this.#options;
    let lease = this.isHolder ? this.#seen!.lease : undefined;
    try {
      lease ??= await client(leases).get(name, { namespace, signal });
    } catch (error) {
      if (!isNotFound(error)) throw error;
      const made = { metadata: { name, namespace }, spec: this.#spec(undefined) };
      this.#seen = { lease: await client(leases).create(made, { signal }), at: clock.now() };
      return true;
    }
    if (this.#seen?.lease.metadata.resourceVersion !== lease.metadata.resourceVersion)
      this.#seen = { lease, at: clock.now() };
    const holder = lease.spec?.holderIdentity;
    if (holder && holder !== identity && clock.now() - this.#seen!.at < this.#leaseDurationMs) return false;
    const updated = await client(leases).update({ ...lease, spec: this.#spec(lease.spec) }, { signal });
    this.#seen = { lease: updated, at: clock.now() };
    return true;
  }

  #spec(old: LeaseSpec | undefined): LeaseSpec {
    const { clock, identity } = this.#options;
    const now = microTime(clock.now());
    const ours = old?.holderIdentity === identity;
    return {
      ...old,
      holderIdentity: identity,
      leaseDurationSeconds: Math.ceil(this.#leaseDurationMs / 1000),
      acquireTime: ours ? old.acquireTime : now,
      renewTime: now,
      leaseTransitions: (old?.leaseTransitions ?? 0) + (old && !ours ? 1 : 0),
    };
  }

  /** One term: until it is lost, the work ends, or nobody wants it any more. */
  async lead(): Promise<void> {
    const { clock, log, name, identity } = this.#options;
    log.info('leading', { lease: name, identity });
    const [term, worked] = [new AbortController(), new AbortController()];
    const work = this.#options
      .lead(AbortSignal.any([term.signal, this.#signal]))
      .catch((error) => log.error('leader failed', { lease: name, error }))
      .finally(() => worked.abort());
    let renewedAt = clock.now();
    while (!this.#signal.aborted && !worked.signal.aborted) {
      const left = renewedAt + this.renewDeadlineMs - clock.now();
      if (left <= 0) break;
      await this.pause(Math.min(this.retryPeriodMs, left), worked.signal);
      // From before the request: it may be late.
      const began = clock.now();
      const limit = renewedAt + this.renewDeadlineMs - began;
      if (this.#signal.aborted || worked.signal.aborted || limit <= 0) continue;
      if (await this.attempt(limit)) renewedAt = began;
      else if (this.#seen && !this.isHolder) break;
    }
    term.abort(new Error('leadership lost'));
    await work;
    log.info('no longer leading', { lease: name, identity });
    await this.#release();
  }

  async #release(): Promise<void> {
    const { client, clock, log, name } = this.#options;
    if (!this.isHolder) return;
    const { lease } = this.#seen!;
    const late = new AbortController();
    const timer = clock.after(this.retryPeriodMs, () => late.abort(new Error('late')));
    try {
      const spec = { ...lease.spec, holderIdentity: '', leaseDurationSeconds: 1 };
      await Promise.race([
        client(leases).update({ ...lease, spec }, { signal: late.signal }),
        new Promise((resolve) => late.signal.addEventListener('abort', resolve, { once: true })),
      ]);
    } catch (error) {
      log.debug('lease not released', { lease: name, error: String(error) });
    } finally {
      timer.cancel();
      this.#seen = undefined;
    }
  }
}
