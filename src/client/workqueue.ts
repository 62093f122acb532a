import type { Clock, Timer } from '../machinery/clock.ts';
import type { QueueMetrics } from './queue-metrics.ts';

export interface WorkQueueOptions {
  clock: Clock;
  /** Delay after a key's first failure; each further one doubles it. */
  baseDelayMs?: number;
  maxDelayMs?: number;
  /** Most distinct keys that wait at once. */
  capacity?: number;
  /**
   * Called once there is room again after keys were refused. Who owns the queue then adds all its keys anew: a key says
   * only "look at this", so nothing is lost by adding it late.
   */
  onRoom?: () => void;
  /** What is counted of it. */
  metrics?: QueueMetrics;
}

/**
 * Keys that want work, with the semantics of client-go's rate-limited work queue:
 * - a key that waits is not added twice;
 * - a key that is being worked on (`get` without `done`) is not given to another worker; added meanwhile, it comes again
 *   after `done`;
 * - `addAfter` waits first, and the earliest time of a key wins; `addRateLimited` waits longer after each failure, until
 *   `forget`.
 */
export class WorkQueue {
  readonly #clock: Clock;
  readonly #baseDelayMs: number;
  readonly #maxDelayMs: number;
  readonly #capacity: number;
  readonly #onRoom?: () => void;
  readonly #metrics: QueueMetrics | undefined;
  /** When a key was added, or taken: only kept where it is counted. */
  readonly #since = new Map<string, number>();
  /** Keys that want work, waiting or in flight. */
  readonly #dirty = new Set<string>();
  readonly #inFlight = new Set<string>();
  /** Keys in the order of `get`. A Set keeps insertion order, and takes out its first in constant time. */
  readonly #ready = new Set<string>();
  readonly #delayed = new Map<string, { at: number; timer: Timer }>();
  readonly #failures = new Map<string, number>();
  readonly #takers: ((key: string | undefined) => void)[] = [];
  #refused = false;
  #closed = false;

  constructor(options: WorkQueueOptions) {
    this.#clock = options.clock;
    this.#baseDelayMs = options.baseDelayMs ?? 5;
    this.#maxDelayMs = options.maxDelayMs ?? 1_000_000;
    this.#capacity = options.capacity ?? 1_000_000;
    this.#onRoom = options.onRoom;
    this.#metrics = options.metrics;
    this.#metrics?.watch(
      () => [...this.#inFlight].map((key) => this.#since.get(key) ?? this.#clock.now()),
      () => this.#clock.now(),
    );
  }

  /** Keys ready now. */
  get length(): number {
    return this.#ready.size;
  }

  /** Keys ready, delayed or in flight. */
  get pending(): number {
    return this.#dirty.size + this.#delayed.size + this.#inFlight.size;
  }

  /** False when the queue is full or closed. */
  add(key: string): boolean {
    if (this.#closed) return false;
    if (this.#dirty.has(key)) return true;
    if (this.#dirty.size >= this.#capacity) return this.#refuse();
    this.#dirty.add(key);
    if (this.#metrics) {
      this.#metrics.adds.value++;
      this.#metrics.depth.value++;
    }
    if (this.#inFlight.has(key)) return true;
    if (this.#metrics) this.#since.set(key, this.#clock.now());
    const taker = this.#takers.shift();
    if (taker) taker(this.#take(key));
    else this.#ready.add(key);
    return true;
  }

  addAfter(key: string, delayMs: number): boolean {
    if (this.#closed) return false;
    if (delayMs <= 0) return this.add(key);
    const at = this.#clock.now() + delayMs;
    const earlier = this.#delayed.get(key);
    if (earlier && earlier.at <= at) return true;
    if (!earlier && this.#delayed.size >= this.#capacity) return this.#refuse();
    earlier?.timer.cancel();
    const timer = this.#clock.after(delayMs, () => {
      this.#delayed.delete(key);
      this.add(key);
    });
    this.#delayed.set(key, { at, timer });
    return true;
  }

  addRateLimited(key: string): boolean {
    const failures = this.#failures.get(key) ?? 0;
    this.#failures.set(key, failures + 1);
    this.#metrics?.retries.inc();
    return this.addAfter(key, Math.min(this.#baseDelayMs * 2 ** failures, this.#maxDelayMs));
  }

  /** How often the key was added rate-limited since it was last forgotten. */
  failures(key: string): number {
    return this.#failures.get(key) ?? 0;
  }

  forget(key: string): void {
    this.#failures.delete(key);
  }

  /** The next key; undefined once the queue is closed. Every key must be given back with `done`. */
  get(): Promise<string | undefined> {
    for (const key of this.#ready) {
      this.#ready.delete(key);
      return Promise.resolve(this.#take(key));
    }
    if (this.#closed) return Promise.resolve(undefined);
    return new Promise((resolve) => this.#takers.push(resolve));
  }

  done(key: string): void {
    this.#inFlight.delete(key);
    if (this.#metrics) this.#metrics.worked.observe(this.#tookSeconds(key));
    if (!this.#dirty.has(key) || this.#closed) return;
    this.#dirty.delete(key);
    // It was counted when it was added.
    if (this.#metrics) {
      this.#metrics.adds.value--;
      this.#metrics.depth.value--;
    }
    this.add(key);
  }

  /** Wakes all who wait in `get`, and drops what is delayed. Keys already ready are still given out. */
  close(): void {
    this.#closed = true;
    for (const { timer } of this.#delayed.values()) timer.cancel();
    this.#delayed.clear();
    for (const taker of this.#takers.splice(0)) taker(undefined);
  }

  #tookSeconds(key: string): number {
    const now = this.#clock.now();
    const since = this.#since.get(key) ?? now;
    this.#since.delete(key);
    return (now - since) / 1000;
  }

  #take(key: string): string {
    this.#dirty.delete(key);
    this.#inFlight.add(key);
    if (this.#metrics) {
      this.#metrics.depth.value--;
      this.#metrics.waited.observe(this.#tookSeconds(key));
      this.#since.set(key, this.#clock.now());
    }
    if (this.#refused && this.#dirty.size <= this.#capacity / 2) {
      this.#refused = false;
      this.#clock.after(0, () => this.#closed || this.#onRoom?.());
    }
    return key;
  }

  #refuse(): false {
    this.#refused = true;
    return false;
  }
}
