import type {
  Compare,
  KeyValue,
  Op,
  RangeRequest,
  RangeResult,
  Store,
  TxnResult,
  WatchOptions,
} from '../machinery/store.ts';
import { CompactedError, FutureRevisionError, StoreClosedError } from '../machinery/store.ts';
import type { Backend, Change, LeaseRecord, Revision } from './backend.ts';
import { NothingWrittenError } from './backend.ts';
import { KeyIndex, type Version } from './key-index.ts';
import { RangeCounts } from './range-counts.ts';
import { eventOf, keyValueOf, Watchers } from './watchers.ts';

/** A decided transaction that is not durable yet. */
interface Pending extends Revision {
  /** What each change replaces. */
  before: (Version | undefined)[];
  /** Of its changes. */
  time: number;
  /** What it has read, whose revision is told when it is known. */
  ranges: RangeResult[];
  done: () => void;
  fail: (error: Error) => void;
}

/** What `transact` works on: the newest state, durable or not, and what the same call has changed so far. */
export interface View {
  /** The revision that the changes get. */
  readonly revision: number;
  /** Throws CompactedError, FutureRevisionError. */
  range(request: RangeRequest): RangeResult;
  put(key: string, value: Uint8Array, options?: { decoded?: unknown; lease?: number | undefined }): void;
  /** Returns what was there. */
  delete(key: string, end?: string): KeyValue[];
  keysOfLease(lease: number): string[];
}

/**
 * Multi-version store over a backend.
 *
 * A transaction is decided at once against the newest state (`head`), queued, and made durable with all others that wait
 * (group commit). Nothing shows before it is durable: reads go to `revision`, the newest durable one, and the answer of
 * a failed compare waits for what it has seen. When a batch cannot be written (a full disk), it and all that was decided
 * after it fail and are taken back, which nobody has seen, and the store goes on.
 */
export class MvccStore implements Store {
  readonly #backend: Backend;
  readonly #now: () => number;
  readonly #index = new KeyIndex();
  readonly #watchers = new Watchers();
  readonly #counts = new RangeCounts();
  #head: number;
  #durable: number;
  #compacted: number;
  #queue: Pending[] = [];
  /** By revision: what is decided and not durable. */
  readonly #inFlight = new Map<number, Pending>();
  #waiters: { revision: number; done: () => void; fail: (error: Error) => void }[] = [];
  #writing: Promise<void> | undefined;
  #compacting: Promise<void> = Promise.resolve();
  /** What a failed compaction has left in the backend. */
  #undropped: Version[] = [];
  /** Of the newest change. */
  #time = 0;
  #failure: Error | undefined;
  /** Leases that were there at the start. */
  readonly initialLeases: LeaseRecord[];

  /** `now`: milliseconds since 1970, for the time that each change carries; without it, they carry none. */
  constructor(backend: Backend, now: () => number = () => 0) {
    this.#backend = backend;
    this.#now = now;
    const found: Version[] = [];
    const { revision, compactRevision, leases } = backend.load((version) => void found.push(version));
    this.#index.load(found);
    this.#head = this.#durable = revision;
    this.#compacted = compactRevision;
    this.initialLeases = leases;
    const dropped = compactRevision ? this.#index.compact(compactRevision) : [];
    if (dropped.length) void backend.compact(compactRevision, dropped);
    this.#time = this.timeOf(revision) ?? 0;
  }

  get revision(): number {
    return this.#durable;
  }
  get compactRevision(): number {
    return this.#compacted;
  }

  #load(versions: Version[]): KeyValue[] {
    const kept = versions.filter((v) => v.mod <= this.#durable);
    const changes = kept.length ? this.#backend.readAll(kept).values() : [].values();
    return versions.map((v) => {
      const change =
        v.mod <= this.#durable ? changes.next().value : this.#inFlight.get(v.mod)?.changes[v.sub];
      if (!change) throw new Error(`the store lost ${v.key} at revision ${v.mod}: restore a backup`);
      return keyValueOf(change, v.mod);
    });
  }

  /** For an event's `previous`: undefined once it is compacted. */
  #reader(v: Version | undefined): (() => KeyValue | undefined) | undefined {
    if (!v) return undefined;
    return () => {
      const change = this.#backend.read(v);
      return change && keyValueOf(change, v.mod);
    };
  }

  async range(request: RangeRequest): Promise<RangeResult> {
    this.#check();
    return this.#range(request, this.#readable(request.revision) || this.#durable, this.#durable);
  }

  /** Throws when `revision` cannot be read; 0 and undefined mean the newest. */
  #readable(revision: number | undefined): number {
    if (!revision) return 0;
    if (revision > this.#durable) throw new FutureRevisionError(revision);
    if (revision < this.#compacted) throw new CompactedError(revision);
    return revision;
  }

  #range(request: RangeRequest, revision: number, now: number): RangeResult {
    const { key, end, limit = 0, countOnly, keysOnly } = request;
    const known = countOnly || !limit ? undefined : this.#counts.find(request, revision);
    const chosen: Version[] = [];
    let count = 0;
    this.#index.range(key, end, revision, (_, v) => {
      count++;
      if (!countOnly && (limit === 0 || chosen.length < limit)) chosen.push(v);
      return known !== undefined && chosen.length === limit;
    });
    const kvs = keysOnly ? chosen.map(bare) : this.#load(chosen);
    if (known !== undefined) count = known;
    const more = !countOnly && limit > 0 && count > kvs.length;
    // What is not durable yet may still be taken back.
    if (more && end !== undefined && revision <= this.#durable)
      this.#counts.note(request, revision, count, kvs);
    return { kvs, count, more, revision: now };
  }

  async txn(compare: Compare[], success: Op[], failure: Op[] = []): Promise<TxnResult> {
    const { result, revision } = await this.transact((view) => {
      const succeeded = compare.every((c) => this.#holds(c));
      const responses: TxnResult['responses'] = (succeeded ? success : failure).map((op) => {
        if (op.op === 'range') return view.range(op);
        if (op.op === 'put') return view.put(op.key, op.value, op) as undefined;
        const previous = view.delete(op.key, op.end);
        return { deleted: previous.length, previous };
      });
      return { succeeded, responses };
    });
    return { ...result, revision };
  }

  #holds(c: Compare): boolean {
    const v = this.#index.newest(c.key);
    if (c.target === 'mod') return (v?.mod ?? 0) === c.equals;
    if (c.target === 'create') return (v?.create ?? 0) === c.equals;
    return (v?.version ?? 0) === c.equals;
  }

  /**
   * Runs `decide` at once, as one transaction; resolves when what it has changed, or has seen, is durable. What `decide`
   * throws is the rejection, and nothing is changed.
   */
  async transact<T>(decide: (view: View) => T): Promise<{ result: T; revision: number }> {
    this.#check();
    const revision = this.#head + 1;
    const time = Math.max(this.#time, this.#now());
    const pending: Pending = {
      ...{ revision, changes: [], versions: [], before: [], time, ranges: [] },
      ...{ done: nothing, fail: nothing },
    };
    this.#inFlight.set(revision, pending);
    let result: T;
    try {
      result = decide(new MvccStore.#View(this, pending));
    } catch (error) {
      this.#undo(pending);
      throw error;
    }
    if (!pending.changes.length) {
      this.#inFlight.delete(revision);
      const seen = this.#head;
      for (const found of pending.ranges) found.revision = seen;
      await this.#whenDurable(seen);
      return { result, revision: seen };
    }
    this.#head = revision;
    this.#time = time;
    await new Promise<void>((done, fail) => {
      pending.done = done;
      pending.fail = fail;
      this.#queue.push(pending);
      this.#writing ??= this.#write();
    });
    return { result, revision };
  }

  static readonly #View = class implements View {
    readonly #store: MvccStore;
    readonly #pending: Pending;

    constructor(store: MvccStore, pending: Pending) {
      this.#store = store;
      this.#pending = pending;
    }
    get revision(): number {
      return this.#pending.revision;
    }
    range(request: RangeRequest): RangeResult {
      const store = this.#store;
      const { revision, ranges } = this.#pending;
      const found = store.#range(request, store.#readable(request.revision) || revision, revision);
      ranges.push(found);
      return found;
    }
    put(
      key: string,
      value: Uint8Array,
      { decoded, lease }: { decoded?: unknown; lease?: number } = {},
    ): void {
      const { revision, time } = this.#pending;
      const old = this.#store.#index.newest(key);
      const change: Change = {
        ...{ key, value, createRevision: old ? old.create : revision, version: old ? old.version + 1 : 1 },
        ...{ time, decoded },
      };
      if (lease) change.lease = lease;
      this.#change(change);
    }
    delete(key: string, end?: string): KeyValue[] {
      const { revision, time } = this.#pending;
      const { kvs } = this.#store.#range({ key, end }, revision, revision);
      for (const kv of kvs) this.#change({ key: kv.key, value: empty, createRevision: 0, version: 0, time });
      return kvs;
    }
    keysOfLease(lease: number): string[] {
      return this.#store.#index.keysOfLease(lease);
    }
    #change(one: Change): void {
      const { revision, changes, versions, before } = this.#pending;
      const added = this.#store.#index.add(one, revision, changes.length);
      before.push(added.before);
      versions.push(added.version);
      changes.push(one);
    }
  };

  /** Takes back a transaction that is the newest one. */
  #undo({ revision, changes }: Revision): void {
    for (let i = changes.length - 1; i >= 0; i--) this.#index.undo(changes[i]!.key);
    this.#inFlight.delete(revision);
  }

  /** Writes what is queued, batch after batch, until nothing is left. */
  async #write(): Promise<void> {
    await Promise.resolve(); // let the writers of this turn of the event loop share a batch
    while (this.#queue.length) {
      await this.#backend.gathered?.();
      const batch = this.#queue;
      this.#queue = [];
      try {
        await this.#backend.append(batch);
      } catch (error) {
        this.#takeBack(batch, error instanceof Error ? error : new Error(String(error)));
        continue;
      }
      this.#durable = batch.at(-1)!.revision;
      for (const p of batch) this.#inFlight.delete(p.revision);
      this.#watchers.deliver(this.#durable, () =>
        batch.flatMap(({ revision, changes, before }) =>
          changes.map((change, sub) => eventOf(change, revision, this.#reader(before[sub]))),
        ),
      );
      for (const p of batch) p.done();
      const ready = this.#waiters.filter((w) => w.revision <= this.#durable);
      this.#waiters = this.#waiters.filter((w) => w.revision > this.#durable);
      for (const w of ready) w.done();
    }
    this.#writing = undefined;
  }

  /** The batch is not written: it, what was decided after it, and what has seen either, fail. */
  #takeBack(batch: Pending[], error: Error): void {
    const undone = [...batch, ...this.#queue];
    const waiters = this.#waiters;
    this.#queue = [];
    this.#waiters = [];
    for (const p of undone.toReversed()) this.#undo(p);
    this.#head = this.#durable;
    if (!(error instanceof NothingWrittenError)) this.#failure ??= error;
    for (const one of [...undone, ...waiters]) one.fail(error);
  }

  #whenDurable(revision: number): Promise<void> {
    if (revision <= this.#durable) return Promise.resolve();
    return new Promise((done, fail) => this.#waiters.push({ revision, done, fail }));
  }

  watch(options: WatchOptions): () => void {
    this.#check();
    const from = options.startRevision || this.#durable + 1;
    if (from <= this.#compacted) {
      options.onEnd?.(new CompactedError(from));
      return () => {};
    }
    return this.#watchers.add(options, from, this.#durable, () => {
      const past = [];
      const only = options.end === undefined ? options.key : undefined;
      for (const version of this.#index.between(from, this.#durable, only)) {
        if (!Watchers.wants(options, version.key)) continue;
        const change = this.#backend.read(version);
        if (!change)
          throw new Error(`the store lost ${version.key} at revision ${version.mod}: restore a backup`);
        const before = this.#index.at(version.key, version.mod - 1);
        past.push(eventOf(change, version.mod, this.#reader(before)));
      }
      return past;
    });
  }

  async compact(revision: number): Promise<void> {
    this.#check();
    if (revision > this.#durable) throw new FutureRevisionError(revision);
    if (revision <= this.#compacted) throw new CompactedError(revision);
    this.#compacted = revision;
    const drop = [...this.#undropped, ...this.#index.compact(revision)];
    this.#undropped = [];
    const compacting = this.#compacting.then(() => this.#backend.compact(revision, drop));
    this.#compacting = compacting.catch(() => {
      this.#undropped = [...drop, ...this.#undropped]; // the caller has the error; the next compaction tries again
    });
    await compacting;
  }

  stats() {
    const { total, inUse } = this.#backend.bytes();
    return { keys: this.#index.liveKeys, bytes: total, inUse };
  }

  timeOf(revision: number): number | undefined {
    const version = this.#index.firstFrom(revision);
    if (version?.mod !== revision) return undefined;
    return (
      (this.#inFlight.get(revision)?.changes[version.sub] ?? this.#backend.read(version))?.time || undefined
    );
  }

  revisionAt(time: number): number {
    let [low, high] = [this.#compacted, this.#durable];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      // Revisions without a change are those that are compacted.
      const version = this.#index.firstFrom(middle);
      const at = version && version.mod <= high ? this.timeOf(version.mod) : undefined;
      if (at !== undefined && at <= time) low = version!.mod;
      else high = middle - 1;
    }
    return low;
  }

  leases(): LeaseRecord[] {
    return this.#backend.leases();
  }

  /** All versions up to a revision, in order: for snapshots. */
  versions(revision: number): Iterable<Version> {
    this.#check();
    return this.#index.between(0, revision);
  }
  /** undefined: it is compacted. */
  changeOf(version: Version): Change | undefined {
    this.#check();
    return this.#backend.read(version);
  }

  putLease(lease: LeaseRecord): Promise<void> {
    return this.#backend.putLease(lease);
  }
  removeLease(id: number): Promise<void> {
    return this.#backend.removeLease(id);
  }

  #check(): void {
    if (this.#failure) throw this.#failure;
  }

  async close(): Promise<void> {
    if (this.#failure instanceof StoreClosedError) return;
    this.#failure = new StoreClosedError();
    await this.#writing;
    await this.#compacting;
    this.#watchers.end(this.#failure);
    await this.#backend.close();
  }
}

const empty = new Uint8Array(0);
const nothing = () => {};

/** A key without its value. */
const bare = ({ key, create, mod, version, lease }: Version): KeyValue => ({
  ...{ key, value: empty, createRevision: create, modRevision: mod, version },
  ...(lease ? { lease } : {}),
});
