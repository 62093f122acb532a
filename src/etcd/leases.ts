import type { Clock, Timer } from '../machinery/clock.ts';
import type { Log } from '../machinery/log.ts';
import { code, EtcdError, leaseNotFound } from './etcd-error.ts';
import type { MvccStore } from './mvcc.ts';

interface Lease {
  ttlSeconds: number;
  /** Milliseconds of the clock. */
  expires: number;
  timer: Timer | undefined;
}

const mostSeconds = 9_000_000_000;
/** Timers take 31 bits of milliseconds. */
const longestTimerMs = 2 ** 31 - 1;

/**
 * Leases of etcd: keys that are put with one are deleted when it is revoked, or not kept alive for its time. A restart
 * gives each its whole time anew. Source: the etcd v3 API documentation, "Lease API".
 */
export class Leases {
  readonly #store: MvccStore;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #log: Log;
  readonly #all = new Map<number, Lease>();
  #closed = false;

  constructor(store: MvccStore, platform: { clock: Clock; random: () => number; log: Log }) {
    this.#store = store;
    this.#clock = platform.clock;
    this.#random = platform.random;
    this.#log = platform.log;
    for (const { id, ttlSeconds } of store.initialLeases) this.#begin(id, ttlSeconds);
  }

  #begin(id: number, ttlSeconds: number): void {
    const lease: Lease = { ttlSeconds, expires: this.#clock.now() + ttlSeconds * 1000, timer: undefined };
    this.#all.set(id, lease);
    this.#arm(id, lease, lease.expires);
  }

  #arm(id: number, lease: Lease, at: number): void {
    const delay = Math.min(Math.max(0, at - this.#clock.now()), longestTimerMs);
    lease.timer = this.#clock.after(delay, () => {
      if (this.#closed || this.#all.get(id) !== lease) return;
      // Keeping a lease alive leaves the timer as it is.
      if (lease.expires > this.#clock.now()) return this.#arm(id, lease, lease.expires);
      this.revoke(id).catch((error: Error) => {
        if (this.#closed) return;
        this.#log.error('an expired lease could not be revoked', { lease: id, error: error.message });
        this.#arm(id, lease, this.#clock.now() + 1000);
      });
    });
  }

  has = (id: number): boolean => this.#all.has(id);

  /** `id` 0 lets the server choose. */
  async grant(ttlSeconds: number, id: number): Promise<{ id: number; ttlSeconds: number }> {
    if (ttlSeconds > mostSeconds) throw new EtcdError(code.outOfRange, 'too large lease TTL');
    if (!Number.isSafeInteger(id) || id < 0)
      throw new EtcdError(code.invalidArgument, `a lease's id must be from 1 to ${Number.MAX_SAFE_INTEGER}`);
    while (!id) id = 1 + Math.floor(this.#random() * 2 ** 52);
    if (this.has(id)) throw new EtcdError(code.failedPrecondition, 'lease already exists');
    const ttl = Math.max(1, ttlSeconds);
    this.#begin(id, ttl);
    try {
      await this.#store.putLease({ id, ttlSeconds: ttl });
    } catch (error) {
      this.#end(id);
      throw error;
    }
    return { id, ttlSeconds: ttl };
  }

  #end(id: number): void {
    this.#all.get(id)?.timer?.cancel();
    this.#all.delete(id);
  }

  /** Deletes its keys, in one transaction. Returns the revision. */
  async revoke(id: number): Promise<number> {
    const lease = this.#all.get(id);
    if (!lease) throw leaseNotFound();
    this.#all.delete(id); // nothing may be put with it any more
    try {
      const { revision } = await this.#store.transact((view) => {
        for (const key of view.keysOfLease(id)) view.delete(key);
      });
      await this.#store.removeLease(id);
      lease.timer?.cancel();
      return revision;
    } catch (error) {
      this.#all.set(id, lease);
      throw error;
    }
  }

  /** Returns the time it has from now, in seconds; 0 when there is no such lease. */
  keepAlive(id: number): number {
    const lease = this.#all.get(id);
    if (!lease) return 0;
    lease.expires = this.#clock.now() + lease.ttlSeconds * 1000;
    return lease.ttlSeconds;
  }

  timeToLive(id: number): { remaining: number; granted: number } | undefined {
    const lease = this.#all.get(id);
    if (!lease) return undefined;
    const remaining = Math.max(0, Math.ceil((lease.expires - this.#clock.now()) / 1000));
    return { remaining, granted: lease.ttlSeconds };
  }

  list(): number[] {
    return [...this.#all.keys()];
  }

  close(): void {
    this.#closed = true;
    for (const { timer } of this.#all.values()) timer?.cancel();
  }
}
