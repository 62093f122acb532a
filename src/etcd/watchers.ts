import type { KeyValue, StoreEvent, WatchOptions } from '../machinery/store.ts';
import type { Change } from './backend.ts';

interface Watcher extends WatchOptions {
  /** The first revision that it has not been given. */
  next: number;
}

export function keyValueOf(change: Change, modRevision: number): KeyValue {
  const { key, value, createRevision, version, lease, decoded } = change;
  const kv: KeyValue = { key, value, createRevision, modRevision, version, decoded };
  if (lease) kv.lease = lease;
  return kv;
}

/** `previous` is read when it is asked for: few watchers want it, and it is on disk. */
class Event implements StoreEvent {
  readonly type: 'put' | 'delete';
  readonly kv: KeyValue;
  readonly #read: (() => KeyValue | undefined) | undefined;
  #previous: KeyValue | undefined;

  constructor(change: Change, revision: number, read: (() => KeyValue | undefined) | undefined) {
    this.type = change.version ? 'put' : 'delete';
    this.kv = keyValueOf(change, revision);
    this.#read = read;
  }
  get previous(): KeyValue | undefined {
    return (this.#previous ??= this.#read?.());
  }
}

export const eventOf = (
  change: Change,
  revision: number,
  previous: (() => KeyValue | undefined) | undefined,
): StoreEvent => new Event(change, revision, previous);

/** Who watches. Every watcher is given every revision from its first on once, in order, and whole. */
export class Watchers {
  readonly #all = new Set<Watcher>();

  static wants({ key, end }: WatchOptions, changed: string): boolean {
    return end === undefined ? changed === key : changed >= key && changed < end;
  }

  /** Gives `past()`, what there is from `from` to `durable`, at once. */
  add(options: WatchOptions, from: number, durable: number, past: () => StoreEvent[]): () => void {
    const watcher: Watcher = { ...options, next: from };
    this.#all.add(watcher);
    if (from <= durable) {
      watcher.next = durable + 1;
      const events = past();
      if (events.length) watcher.onEvents(events, durable);
    }
    return () => void this.#all.delete(watcher);
  }

  /** Gives everyone what became durable; `events` is not asked when nobody watches. */
  deliver(durable: number, events: () => StoreEvent[]): void {
    if (!this.#all.size) return;
    const all = events();
    for (const watcher of [...this.#all]) {
      // One that was added or removed by another's callback just now has got its past, or wants nothing more.
      if (!this.#all.has(watcher) || watcher.next > durable) continue;
      const { next } = watcher;
      watcher.next = durable + 1;
      const mine = all.filter((e) => e.kv.modRevision >= next && Watchers.wants(watcher, e.kv.key));
      if (!mine.length) continue;
      try {
        watcher.onEvents(mine, durable);
      } catch (error) {
        // The others, and the writers, must not suffer from it; it surfaces as an unhandled rejection.
        void Promise.reject(error);
      }
    }
  }

  end(error: Error): void {
    const all = [...this.#all];
    this.#all.clear();
    for (const watcher of all) watcher.onEnd?.(error);
  }
}
