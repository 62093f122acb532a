import {
  CompactedError,
  type KeyValue,
  type StoreEvent,
  StoreUnavailableError,
  type WatchOptions,
} from '../../machinery/store.ts';
import { bytesOf, keyOf, type Read } from '../messages.ts';
import type { EtcdConnection } from './etcd-connection.ts';
import type { WatchCall } from './etcd-member.ts';

/** Who is given events. */
interface Watcher extends WatchOptions {
  /** The first revision that it has not been given. */
  next: number;
}

/** Who waits for a revision. */
interface Waiter {
  revision: number;
  keys: string[];
  since: number;
  until: number;
  resolve(): void;
  reject(error: Error): void;
}

/** The watch of all keys; those that begin in the past have numbers of their own. */
const everything = 1;
const allKeys = { key: Uint8Array.of(0), rangeEnd: Uint8Array.of(0) };

const firstRetryMs = 20;
const lastRetryMs = 1000;
/** How long the stream may be behind what a majority has, and tell nothing, before another one is opened. */
const silenceMs = 700;
const longestSilenceMs = 5000;

export function readKeyValue(kv: Read<'KeyValue'>): KeyValue {
  const { value, createRevision, modRevision, version, lease } = kv;
  return {
    ...{ key: keyOf(kv.key), value, createRevision, modRevision, version },
    ...(lease ? { lease } : {}),
  };
}

/** `end` on the wire; an end beyond all bytes is the zero byte, which means everything. */
export const rangeEnd = (end: string | undefined): Uint8Array | undefined =>
  end === undefined ? undefined : end > '\u00ff' ? Uint8Array.of(0) : bytesOf(end);

const sees = ({ key, end }: WatchOptions, changed: string): boolean =>
  end === undefined ? changed === key : changed >= key && changed < end;

/**
 * All watches of one client. On the wire it is one of all keys: every revision has an event, so how far it has come is how
 * far this client knows the store, without asking for progress, and a revision that is left out is noticed. Watches from
 * now on are served from it; those of the past are on the wire, too, each for itself. The stream is opened again, where it
 * was, when it breaks, and when it is silent though there is news.
 */
export class RemoteWatches {
  readonly #connection: EtcdConnection;
  readonly #local = new Set<Watcher>();
  readonly #past = new Map<number, Watcher>();
  #waiters: Waiter[] = [];
  #ticking: NodeJS.Timeout | undefined;
  /** How many looks in a row found it silent. */
  #silence = 0;
  #stream: WatchCall | undefined;
  #retry: NodeJS.Timeout | undefined;
  #retryMs = firstRetryMs;
  #silenceMs = silenceMs;
  /** When the stream said anything, or was opened. */
  #heard = 0;
  #nextId = everything + 1;
  #closed = false;
  #gap: number | undefined;
  #began: { resolve(): void; reject(error: Error): void } | undefined;
  /** All up to here has been given. */
  reached: number;
  /** Sees all events before anybody else. */
  onEvents: (events: StoreEvent[]) => void = () => {};
  /** Events are lost: the past was compacted, or is another one. All watches have ended. */
  onLoss: () => void = () => {};

  constructor(connection: EtcdConnection, revision: number) {
    this.#connection = connection;
    this.reached = revision;
  }

  /** Begins. Rejects when etcd does not let us watch. */
  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#began = { resolve, reject };
      this.#open();
    });
  }

  /** Events from `from` on; from the next one unless told. */
  add(options: WatchOptions, from = this.reached + 1): () => void {
    const watcher: Watcher = { ...options, next: from };
    if (from > this.reached) {
      this.#local.add(watcher);
      return () => void this.#local.delete(watcher);
    }
    const id = this.#nextId++;
    this.#past.set(id, watcher);
    if (this.#stream) this.#ask(id, watcher);
    return () => {
      if (!this.#past.delete(id)) return;
      this.#stream?.write({ cancelRequest: { watchId: id } });
      this.#wake();
    };
  }

  #ask(watchId: number, { key, end, next }: Pick<Watcher, 'key' | 'end' | 'next'>): void {
    const range = end === undefined ? {} : { rangeEnd: rangeEnd(end)! };
    this.#stream!.write({
      createRequest: { key: bytesOf(key), ...range, startRevision: next, prevKv: true, watchId },
    });
  }

  #open(): void {
    const stream = this.#connection.watch();
    this.#stream = stream;
    this.#heard = Date.now();
    stream.on('data', (response: Read<'WatchResponse'>) => {
      if (this.#stream !== stream) return;
      this.#retryMs = firstRetryMs;
      this.#heard = Date.now();
      this.#receive(response);
    });
    stream.on('error', () => this.#broken(stream));
    stream.on('end', () => this.#broken(stream));
    stream.write({
      createRequest: { ...allKeys, startRevision: this.reached + 1, prevKv: true, watchId: everything },
    });
    for (const [id, watcher] of this.#past) this.#ask(id, watcher);
  }

  #broken(stream: WatchCall): void {
    if (this.#stream !== stream) return;
    this.#stream = undefined;
    if (this.#closed) return;
    this.#retry = setTimeout(async () => {
      // Opened again with a member that has a leader, as soon as there is one.
      await this.#connection.newest(60_000).catch(() => {});
      if (!this.#closed && !this.#stream) this.#open();
    }, this.#retryMs);
    this.#retryMs = Math.min(this.#retryMs * 2, lastRetryMs);
  }

  #reopen(): void {
    const stream = this.#stream;
    if (!stream) return;
    stream.cancel();
    this.#broken(stream);
  }

  #receive(response: Read<'WatchResponse'>): void {
    const { watchId } = response;
    if (response.canceled) {
      this.#canceled(response);
      return;
    }
    if (response.created && watchId === everything) this.#began?.resolve();
    if (!response.events.length) return;
    const watcher = watchId === everything ? undefined : this.#past.get(watchId);
    if (!watcher && watchId !== everything) return;
    const next = watcher?.next ?? this.reached + 1;
    const events = response.events.map(readEvent).filter(({ kv }) => kv.modRevision >= next);
    const last = events.at(-1)?.kv.modRevision;
    if (last === undefined) return;
    if (watcher) {
      watcher.next = last + 1;
      watcher.onEvents(events, last);
    } else if (!this.#isWhole(events, next)) return;
    else this.#deliver(events, last);
    this.#wake();
  }

  /** Every revision has an event. One that is left out may have been lost on the way: it is asked for once more. */
  #isWhole(events: StoreEvent[], next: number): boolean {
    let expected = next;
    for (const { kv } of events) {
      if (kv.modRevision > expected && this.#gap !== expected) {
        this.#gap = expected;
        this.#reopen();
        return false;
      }
      expected = kv.modRevision + 1;
    }
    this.#gap = undefined;
    return true;
  }

  #deliver(events: StoreEvent[], last: number): void {
    this.reached = last;
    this.#silenceMs = silenceMs;
    this.onEvents(events);
    for (const watcher of [...this.#local]) {
      if (!this.#local.has(watcher) || watcher.next > last) continue;
      const { next } = watcher;
      watcher.next = last + 1;
      const mine = events.filter(({ kv }) => kv.modRevision >= next && sees(watcher, kv.key));
      if (!mine.length) continue;
      try {
        watcher.onEvents(mine, last);
      } catch (error) {
        // The others must not suffer from it; it surfaces as an unhandled rejection.
        void Promise.reject(error);
      }
    }
  }

  #canceled({ watchId, compactRevision, cancelReason }: Read<'WatchResponse'>): void {
    if (watchId === everything) {
      this.#began?.reject(new Error(`etcd does not let us watch its keys: ${cancelReason}`));
      if (compactRevision) void this.#lost(new CompactedError(this.reached + 1));
      else this.#reopen();
      return;
    }
    const watcher = this.#past.get(watchId);
    this.#past.delete(watchId);
    watcher?.onEnd?.(compactRevision ? new CompactedError(watcher.next) : new Error(cancelReason));
    this.#wake();
  }

  /** Events are lost: goes on from now. */
  async #lost(error: CompactedError): Promise<void> {
    const stream = this.#stream;
    this.#stream = undefined;
    stream?.cancel();
    let now: number | undefined;
    while (now === undefined && !this.#closed)
      now = await this.#connection.newest(60_000).catch(() => undefined);
    if (now === undefined || this.#closed) return;
    this.reached = now;
    const ended = [...this.#local, ...this.#past.values()];
    this.#local.clear();
    this.#past.clear();
    this.#open();
    this.onLoss();
    for (const { onEnd } of ended) onEnd?.(error);
    this.#wake();
  }

  /** Resolves when all up to `revision` has been given, to watches of the past, too, that see one of the keys. */
  delivered(revision: number, keys: string[], limitMs: number): Promise<void> {
    if (!this.#isBehind(revision, keys)) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const since = Date.now();
      this.#waiters.push({ revision, keys, since, until: since + limitMs, resolve, reject });
      this.#ticking ??= setInterval(() => this.#tick(), silenceMs / 4);
    });
  }

  #isBehind(revision: number, keys: string[]): boolean {
    if (this.reached < revision) return true;
    if (!this.#past.size || !keys.length) return false;
    return [...this.#past.values()].some((w) => w.next <= revision && keys.some((key) => sees(w, key)));
  }

  /** Looks after those who wait. */
  #tick(): void {
    const now = Date.now();
    this.#settle(
      ({ until }) => until <= now,
      ({ revision, reject }) =>
        reject(
          new StoreUnavailableError(`etcd's watch is behind: it is at ${this.reached}, not at ${revision}`),
        ),
    );
    const [oldest] = this.#waiters;
    if (!oldest) return;
    // What has come while our thread was busy is read between two looks.
    const quiet = now - Math.max(oldest.since, this.#heard) >= this.#silenceMs;
    this.#silence = quiet ? this.#silence + 1 : 0;
    if (this.#silence > 1) this.#tooSilent();
  }

  #settle(which: (waiter: Waiter) => boolean, settle: (waiter: Waiter) => void): void {
    if (!this.#waiters.length) return;
    const chosen = this.#waiters.filter(which);
    if (chosen.length) this.#waiters = this.#waiters.filter((one) => !chosen.includes(one));
    for (const waiter of chosen) settle(waiter);
    if (this.#waiters.length) return;
    clearInterval(this.#ticking);
    this.#ticking = undefined;
  }

  /** There is news, and the stream does not tell. */
  #tooSilent(): void {
    if (!this.#stream) return;
    this.#silence = 0;
    this.#silenceMs = Math.min(this.#silenceMs * 2, longestSilenceMs);
    this.#reopen();
  }

  /** `revision` is what a majority has; `reached` was this much when it was asked. */
  compare(revision: number, reached: number): void {
    // It was set back, to a copy of before: what we know of it is not true any more.
    if (revision < reached && this.#stream) void this.#lost(new CompactedError(revision));
  }

  #wake(): void {
    this.#settle(
      ({ revision, keys }) => this.#closed || !this.#isBehind(revision, keys),
      ({ resolve }) => resolve(),
    );
  }

  end(error: Error): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    const all = [...this.#local, ...this.#past.values()];
    this.#local.clear();
    this.#past.clear();
    this.#stream?.cancel();
    for (const { onEnd } of all) onEnd?.(error);
    this.#wake();
  }
}

function readEvent(event: Read<'Event'>): StoreEvent {
  const previous = event.prevKv ? { previous: readKeyValue(event.prevKv) } : {};
  const kv = readKeyValue(event.kv!);
  return { type: event.type === 0 ? 'put' : 'delete', kv, ...previous };
}
