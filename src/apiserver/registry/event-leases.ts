import type { Clock } from '../../machinery/clock.ts';
import type { Store } from '../../machinery/store.ts';

export const eventTtlMs = 3600_000;
/** As many keys as one lease may have, and as long as it is given out. */
const mostKeys = 1000;
const shareMs = 60_000;

/** Leases of the store that events are put with: the store forgets them by itself when their time is over. */
export class EventLeases {
  readonly #store: Required<Pick<Store, 'grantLease'>>;
  readonly #clock: Clock;
  readonly #ttlMs: number;
  #current: { id: Promise<number>; until: number; keys: number } | undefined;

  constructor(store: Required<Pick<Store, 'grantLease'>>, clock: Clock, ttlMs: number) {
    this.#store = store;
    this.#clock = clock;
    this.#ttlMs = ttlMs;
  }

  /** The lease of one more event. */
  take(): Promise<number> {
    const now = this.#clock.now();
    const known = this.#current;
    if (known && known.until > now && known.keys < mostKeys) {
      known.keys++;
      return known.id;
    }
    const seconds = Math.ceil((this.#ttlMs + shareMs) / 1000);
    const fresh = { id: this.#store.grantLease(seconds), until: now + shareMs, keys: 1 };
    this.#current = fresh;
    fresh.id.catch(() => {
      if (this.#current === fresh) this.#current = undefined;
    });
    return fresh.id;
  }
}

/** Undefined where the store has no leases: events are then deleted by the server (`housekeeping.ts`). */
export const leasesOf = (store: Store, clock: Clock, ttlMs = eventTtlMs): EventLeases | undefined =>
  store.grantLease && new EventLeases(store as Required<Pick<Store, 'grantLease'>>, clock, ttlMs);
