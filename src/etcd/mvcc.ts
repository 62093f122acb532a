import BTreeModule from 'sorted-btree';
import type {
  Compare,
  KeyValue,
  Op,
  RangeRequest,
  RangeResult,
  Store,
  StoreEvent,
  TxnResult,
  WatchOptions,
} from '../machinery/store.ts';
import { CompactedError, FutureRevisionError, StoreClosedError } from '../machinery/store.ts';
import type { Backend, Change, Revision } from './backend.ts';

const BTree = BTreeModule.default;
const compareKeys = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** One version of a key; `version` 0 is a tombstone. */
interface Version {
  mod: number;
  sub: number;
  create: number;
  version: number;
}

/**
 * All versions of a key that are still known, oldest first. A key that was put at revision 2, put again at 5,
 * deleted at 7 and put at 9 has:
 *   [{mod 2, create 2, version 1}, {mod 5, create 2, version 2}, {mod 7, version 0}, {mod 9, create 9, version 1}]
 * A compaction at 6 leaves [{mod 5 …}, {mod 7 …}, {mod 9 …}]: the newest one at or before 6, and all that came later.
 */
type History = Version[];

/** The version that a reader at `revision` sees, tombstones included. */
function at(history: History, revision: number): Version | undefined {
  for (let i = history.length - 1; i >= 0; i--) if (history[i]!.mod <= revision) return history[i];
  return undefined;
}

interface Pending {
  revision: Revision;
  events: StoreEvent[];
  done: () => void;
  fail: (error: Error) => void;
}

interface Watcher extends WatchOptions {
  /** The first revision that it has not been given. */
  next: number;
}

/**
 * Multi-version store over a backend.
 *
 * A transaction is decided at once against the newest state (`head`), queued, and made durable with all others that wait
 * (group commit). Nothing shows before it is durable: reads go to `revision`, the newest durable one, and the answer of
 * a failed compare waits for what it has seen.
 */
export class MvccStore implements Store {
  readonly #backend: Backend;
  readonly #index = new BTree<string, History>(undefined, compareKeys);
  readonly #watchers = new Set<Watcher>();
  #head: number;
  #durable: number;
  #compacted: number;
  #queue: Pending[] = [];
  #waiters: { revision: number; done: () => void; fail: (error: Error) => void }[] = [];
  #writing: Promise<void> | undefined;
  #failure: Error | undefined;
  #liveKeys = 0;

  constructor(backend: Backend) {
    this.#backend = backend;
    this.#head = this.#durable = backend.initial.revision;
    this.#compacted = backend.initial.compactRevision;
    for (const { revision, sub, change } of backend.scan(0, this.#head)) this.#record(change, revision, sub);
  }

  get revision(): number {
    return this.#durable;
  }
  get compactRevision(): number {
    return this.#compacted;
  }

  #record(change: Change, mod: number, sub: number): Version | undefined {
    let history = this.#index.get(change.key);
    if (!history) this.#index.set(change.key, (history = []));
    const previous = history.at(-1);
    history.push({ mod, sub, create: change.createRevision, version: change.version });
    const was = previous !== undefined && previous.version > 0;
    if (change.version > 0 && !was) this.#liveKeys++;
    if (change.version === 0 && was) this.#liveKeys--;
    return was ? previous : undefined;
  }

  #load(key: string, v: Version): KeyValue {
    const change = this.#backend.read(v.mod, v.sub) ?? this.#unwritten(v.mod, v.sub);
    if (!change) throw new Error(`the store lost ${key} at revision ${v.mod}: restore a backup`);
    return {
      key,
      value: change.value,
      createRevision: v.create,
      modRevision: v.mod,
      version: v.version,
      decoded: change.decoded,
    };
  }

  /** Changes that are decided but not durable yet. */
  #unwritten(revision: number, sub: number): Change | undefined {
    return this.#inFlight.get(revision)?.changes[sub];
  }
  readonly #inFlight = new Map<number, Revision>();

  async range(request: RangeRequest): Promise<RangeResult> {
    this.#check();
    const revision = request.revision || this.#durable;
    if (revision > this.#durable) throw new FutureRevisionError(revision);
    if (revision < this.#compacted) throw new CompactedError(revision);
    return this.#range(request, revision, this.#durable);
  }

  #range({ key, end, limit = 0, countOnly }: RangeRequest, revision: number, now: number): RangeResult {
    const kvs: KeyValue[] = [];
    let count = 0;
    const visit = (k: string, history: History) => {
      const v = at(history, revision);
      if (!v || v.version === 0) return;
      count++;
      if (!countOnly && (limit === 0 || kvs.length < limit)) kvs.push(this.#load(k, v));
    };
    if (end === undefined) {
      const history = this.#index.get(key);
      if (history) visit(key, history);
    } else {
      this.#index.forRange(key, end, false, visit);
    }
    return { kvs, count, more: !countOnly && limit > 0 && count > kvs.length, revision: now };
  }

  async txn(compare: Compare[], success: Op[], failure: Op[] = []): Promise<TxnResult> {
    this.#check();
    const succeeded = compare.every((c) => this.#holds(c));
    const ops = succeeded ? success : failure;
    const revision = this.#head + 1;
    const changes: Change[] = [];
    const events: StoreEvent[] = [];
    const responses: TxnResult['responses'] = [];
    for (const op of ops) {
      if (op.op === 'range') responses.push(this.#range(op, revision, revision));
      else if (op.op === 'put') {
        this.#put(op.key, op.value, op.decoded, revision, changes, events);
        responses.push(undefined);
      } else responses.push(this.#delete(op.key, op.end, revision, changes, events));
    }
    if (!changes.length) {
      await this.#whenDurable(this.#head);
      return { succeeded, revision: this.#durable, responses };
    }
    this.#head = revision;
    await new Promise<void>((done, fail) => {
      const entry = { revision, changes };
      this.#inFlight.set(revision, entry);
      this.#queue.push({ revision: entry, events, done, fail });
      this.#writing ??= this.#write();
    });
    return { succeeded, revision, responses };
  }

  #holds(c: Compare): boolean {
    const v = this.#index.get(c.key)?.at(-1);
    const live = v && v.version > 0 ? v : undefined;
    if (c.target === 'mod') return (live?.mod ?? 0) === c.equals;
    if (c.target === 'create') return (live?.create ?? 0) === c.equals;
    return (live?.version ?? 0) === c.equals;
  }

  #put(
    key: string,
    value: Uint8Array,
    decoded: unknown,
    revision: number,
    changes: Change[],
    events: StoreEvent[],
  ): void {
    const last = this.#index.get(key)?.at(-1);
    const live = last && last.version > 0 ? last : undefined;
    const change: Change = {
      key,
      value,
      createRevision: live?.create ?? revision,
      version: (live?.version ?? 0) + 1,
      decoded,
    };
    const previous = live && this.#watchers.size ? this.#load(key, live) : undefined;
    this.#record(change, revision, changes.length);
    changes.push(change);
    events.push({
      type: 'put',
      previous,
      kv: {
        key,
        value,
        createRevision: change.createRevision,
        modRevision: revision,
        version: change.version,
        decoded,
      },
    });
  }

  #delete(key: string, end: string | undefined, revision: number, changes: Change[], events: StoreEvent[]) {
    const { kvs } = this.#range({ key, end }, revision, revision);
    for (const previous of kvs) {
      const change: Change = { key: previous.key, value: empty, createRevision: 0, version: 0 };
      this.#record(change, revision, changes.length);
      changes.push(change);
      events.push({
        type: 'delete',
        previous,
        kv: { key: previous.key, value: empty, createRevision: 0, modRevision: revision, version: 0 },
      });
    }
    return { deleted: kvs.length, previous: kvs };
  }

  /** Writes what is queued, batch after batch, until nothing is left. A failed write stops the store: see `#check`. */
  async #write(): Promise<void> {
    await Promise.resolve(); // let the writers of this turn of the event loop share a batch
    while (this.#queue.length) {
      const batch = this.#queue;
      this.#queue = [];
      try {
        await this.#backend.append(batch.map((p) => p.revision));
      } catch (error) {
        this.#failure = error instanceof Error ? error : new Error(String(error));
        for (const p of [...batch, ...this.#queue]) p.fail(this.#failure);
        for (const w of this.#waiters) w.fail(this.#failure);
        this.#queue = [];
        this.#waiters = [];
        break;
      }
      this.#durable = batch.at(-1)!.revision.revision;
      for (const p of batch) this.#inFlight.delete(p.revision.revision);
      this.#deliver(batch.flatMap((p) => p.events));
      for (const p of batch) p.done();
      const ready = this.#waiters.filter((w) => w.revision <= this.#durable);
      this.#waiters = this.#waiters.filter((w) => w.revision > this.#durable);
      for (const w of ready) w.done();
    }
    this.#writing = undefined;
  }

  #whenDurable(revision: number): Promise<void> {
    if (revision <= this.#durable) return Promise.resolve();
    return new Promise((done, fail) => this.#waiters.push({ revision, done, fail }));
  }

  #deliver(events: StoreEvent[]): void {
    for (const watcher of [...this.#watchers]) {
      const mine = events.filter((e) => e.kv.modRevision >= watcher.next && inRange(e.kv.key, watcher));
      watcher.next = this.#durable + 1;
      if (mine.length) watcher.onEvents(mine, this.#durable);
    }
  }

  watch(options: WatchOptions): () => void {
    this.#check();
    const watcher: Watcher = { ...options, next: options.startRevision ?? this.#durable + 1 };
    if (watcher.next <= this.#compacted) {
      options.onEnd?.(new CompactedError(watcher.next));
      return () => {};
    }
    const past: StoreEvent[] = [];
    if (watcher.next <= this.#durable) {
      for (const { revision, change } of this.#backend.scan(watcher.next, this.#durable)) {
        if (inRange(change.key, watcher)) past.push(this.#eventOf(change, revision));
      }
    }
    if (watcher.next <= this.#durable) watcher.next = this.#durable + 1;
    this.#watchers.add(watcher);
    if (past.length) watcher.onEvents(past, this.#durable);
    return () => void this.#watchers.delete(watcher);
  }

  #eventOf(change: Change, revision: number): StoreEvent {
    const history = this.#index.get(change.key) ?? [];
    const before = at(history, revision - 1);
    const previous = before && before.version > 0 ? this.#load(change.key, before) : undefined;
    return {
      type: change.version ? 'put' : 'delete',
      previous,
      kv: {
        key: change.key,
        value: change.value,
        createRevision: change.createRevision,
        modRevision: revision,
        version: change.version,
        decoded: change.decoded,
      },
    };
  }

  async compact(revision: number): Promise<void> {
    this.#check();
    if (revision > this.#durable) throw new FutureRevisionError(revision);
    if (revision <= this.#compacted) throw new CompactedError(revision);
    this.#compacted = revision;
    const drop: { revision: number; sub: number }[] = [];
    const emptied: string[] = [];
    this.#index.forEachPair((key, history) => {
      let keep = 0;
      while (keep + 1 < history.length && history[keep + 1]!.mod <= revision) keep++;
      const first = history[keep]!;
      if (first.mod <= revision && first.version === 0) keep++;
      for (const old of history.splice(0, keep)) drop.push({ revision: old.mod, sub: old.sub });
      if (!history.length) emptied.push(key);
    });
    for (const key of emptied) this.#index.delete(key);
    await this.#backend.compact(revision, drop);
  }

  stats(): { keys: number; bytes: number } {
    return { keys: this.#liveKeys, bytes: this.#backend.bytes() };
  }

  /** After a failed write nothing more is accepted: what is in memory is then ahead of the disk. */
  #check(): void {
    if (this.#failure) throw this.#failure;
  }

  async close(): Promise<void> {
    await this.#writing;
    if (!(this.#failure instanceof StoreClosedError)) {
      this.#failure = new StoreClosedError();
      for (const watcher of this.#watchers) watcher.onEnd?.(this.#failure);
      this.#watchers.clear();
      await this.#backend.close();
    }
  }
}

const empty = new Uint8Array(0);
const inRange = (key: string, { key: from, end }: { key: string; end?: string }): boolean =>
  end === undefined ? key === from : key >= from && key < end;
