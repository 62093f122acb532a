import type { Clock } from '../machinery/clock.ts';

interface Entry {
  delayMs: number;
  /** When `next` was last called. */
  at: number;
}

/**
 * Delays that double for each key: the first `next` gives `initialMs`, then twice that, up to `maxMs`. A key that has been
 * quiet for twice `maxMs` starts over.
 *
 *   crash at 0 s    next -> 10 s    the container is started at once: nothing was known of it
 *   crash at 2 s    waits until 12 s, next -> 20 s
 *   crash at 14 s   waits until 34 s, next -> 40 s ...
 */
export class Backoff {
  readonly #entries = new Map<string, Entry>();
  readonly #clock: Clock;
  readonly #initialMs: number;
  readonly #maxMs: number;

  constructor(clock: Clock, initialMs = 10_000, maxMs = 300_000) {
    this.#clock = clock;
    this.#initialMs = initialMs;
    this.#maxMs = maxMs;
  }

  /** When a start may be tried again after what happened at `sinceMs`; undefined when it may be tried now. */
  waitUntil(key: string, sinceMs: number): number | undefined {
    const entry = this.#entries.get(key);
    if (!entry || sinceMs - entry.at > 2 * this.#maxMs) return undefined;
    const until = sinceMs + entry.delayMs;
    return this.#clock.now() < until ? until : undefined;
  }

  /** The same, counted from the last `next`. */
  waitUntilSinceLast(key: string): number | undefined {
    const entry = this.#entries.get(key);
    if (!entry || this.#clock.now() - entry.at > 2 * this.#maxMs) return undefined;
    const until = entry.at + entry.delayMs;
    return this.#clock.now() < until ? until : undefined;
  }

  /** The delay in force, 0 where there is none. */
  delayMs(key: string): number {
    return this.#entries.get(key)?.delayMs ?? 0;
  }

  /** Another try is made because of what happened at `sinceMs`. */
  next(key: string, sinceMs: number): void {
    const now = this.#clock.now();
    const entry = this.#entries.get(key);
    const fresh = !entry || sinceMs - entry.at > 2 * this.#maxMs;
    const delayMs = fresh ? this.#initialMs : Math.min(entry.delayMs * 2, this.#maxMs);
    this.#entries.set(key, { delayMs, at: now });
  }

  /** Forgets the keys that start with `prefix`. */
  forget(prefix: string): void {
    for (const key of this.#entries.keys()) if (key.startsWith(prefix)) this.#entries.delete(key);
  }
}

/** A span as Go's Duration prints it: `10s`, `1m20s`, `5m0s`, `1.5s`, `340ms`. */
export function goDuration(ms: number): string {
  if (ms === 0) return '0s';
  if (ms < 1000) return `${Math.round(ms)}ms`;
  const hours = Math.floor(ms / 3_600_000);
  const minutes = Math.floor(ms / 60_000) % 60;
  const seconds = Math.round(ms % 60_000) / 1000;
  return `${hours ? `${hours}h` : ''}${hours || minutes ? `${minutes}m` : ''}${seconds}s`;
}
