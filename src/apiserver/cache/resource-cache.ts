import BTreeModule from 'sorted-btree';
import type { Kind } from '../../machinery/kind.ts';
import { gone } from '../../machinery/status.ts';
import { type KeyValue, prefixEnd, type Store, type StoreEvent } from '../../machinery/store.ts';
import { Entry } from './entry.ts';

const BTree = BTreeModule.default;
const compareKeys = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** One change of one object, encoded at most once for each type that a watcher may see it as. */
export class CacheEvent {
  readonly entry: Entry;
  readonly previous: Entry | undefined;
  readonly deleted: boolean;
  readonly revision: number;
  readonly #lines: { ADDED?: Uint8Array; MODIFIED?: Uint8Array; DELETED?: Uint8Array } = {};

  constructor(entry: Entry, previous: Entry | undefined, deleted: boolean) {
    this.entry = entry;
    this.previous = previous;
    this.deleted = deleted;
    this.revision = entry.revision;
  }

  /** The same for those whose selector it matches no longer: deleted, as it was when it last matched. */
  get departure(): CacheEvent {
    const { previous, entry } = this;
    this.#departure ??= new CacheEvent(previous!.at(entry.revision), previous, true);
    return this.#departure;
  }
  #departure: CacheEvent | undefined;

  /** `{"type":"ADDED","object":{…}}\n` */
  line(type: 'ADDED' | 'MODIFIED' | 'DELETED'): Uint8Array {
    return (this.#lines[type] ??= watchLine(type, this.entry.json));
  }
}

const encoder = new TextEncoder();
const heads = {
  ADDED: encoder.encode('{"type":"ADDED","object":'),
  MODIFIED: encoder.encode('{"type":"MODIFIED","object":'),
  DELETED: encoder.encode('{"type":"DELETED","object":'),
};
export function watchLine(type: keyof typeof heads, json: Uint8Array): Uint8Array {
  const head = heads[type];
  const line = new Uint8Array(head.length + json.length + 2);
  line.set(head);
  line.set(json, head.length);
  line[line.length - 2] = 0x7d;
  line[line.length - 1] = 0x0a;
  return line;
}

/** Bytes made of all that is below a prefix. */
export interface Joined {
  get(): Uint8Array | undefined;
  set(bytes: Uint8Array): void;
}

export type CacheWatcher = (event: CacheEvent) => void;

/** One who follows a cache from outside must be told when events are lost; the others are shown what is different. */
interface Watching {
  show: CacheWatcher;
  lost: (() => void) | undefined;
}

/**
 * The newest objects of one resource, in key order, and a window of its last events. It is fed by the store's watch in
 * the same turn in which a write becomes durable, so a read from it is as new as one from the store.
 */
export class ResourceCache {
  /** In whose form objects are stored. */
  kind: Kind<any>;
  readonly prefix: string;
  readonly entries = new BTree<string, Entry>(undefined, compareKeys);
  readonly #store: Store;
  #window: CacheEvent[] = [];
  /** Events up to here are not in the window. */
  #forgotten: number;
  readonly #watchers = new Set<Watching>();
  readonly #capacity: number;
  /** Keys of which the watch has told while a remote store is being read: what it says is newer. */
  readonly #changedInRead = new Set<Set<string>>();
  /** The revision of the newest change. */
  changed = 0;
  /** For metrics: events of the store; lists, what was looked at for them, and what they showed. */
  readonly counts = { events: 0, lists: 0, fetched: 0, returned: 0 };

  readonly #joined = new Map<string, { changed: number; bytes: WeakRef<Uint8Array> }>();

  constructor(kind: Kind<any>, prefix: string, store: Store, capacity = 8192) {
    this.kind = kind;
    this.prefix = prefix;
    this.#store = store;
    this.#capacity = capacity;
    this.#forgotten = store.revision;
  }

  async load(): Promise<void> {
    for (const kv of (await this.#read()).kvs) {
      this.entries.set(kv.key, kv.decoded ? this.#entryOf(kv) : Entry.later(this.kind, kv));
      this.changed = Math.max(this.changed, kv.modRevision);
    }
  }

  /** What the store has, but for keys of which the watch has told meanwhile: `changed`. */
  async #read(): Promise<{ kvs: KeyValue[]; changed: Set<string> }> {
    const changed = new Set<string>();
    this.#changedInRead.add(changed);
    try {
      const { kvs } = await this.#store.range({ key: this.prefix, end: prefixEnd(this.prefix) });
      return { kvs: kvs.filter((kv) => !changed.has(kv.key)), changed };
    } finally {
      this.#changedInRead.delete(changed);
    }
  }

  #entryOf(kv: KeyValue): Entry {
    return kv.decoded
      ? new Entry(this.kind, kv.key, kv.decoded as any, kv.modRevision)
      : Entry.fromBytes(this.kind, kv.key, kv.value, kv.modRevision);
  }

  /** Events were lost: who watches from outside must list again, and who resumes from before must, too. */
  lose(): void {
    this.#window = [];
    this.#forgotten = this.#store.revision;
    for (const watching of [...this.#watchers]) {
      if (!watching.lost) continue;
      this.#watchers.delete(watching);
      watching.lost();
    }
  }

  /** After `lose`: what is there now, and what is different shown as events of now. */
  async reload(): Promise<void> {
    const { kvs, changed } = await this.#read();
    const there = new Map(kvs.map((kv) => [kv.key, kv]));
    const { revision } = this.#store;
    for (const [key, entry] of [...this.entries.entries()]) {
      if (there.has(key) || changed.has(key)) continue;
      this.entries.delete(key);
      this.#show(new CacheEvent(entry.at(revision), entry, true));
    }
    for (const [key, kv] of there) {
      const previous = this.entries.get(key);
      if (previous?.revision === kv.modRevision) continue;
      const entry = this.#entryOf(kv);
      this.entries.set(key, entry);
      this.#show(new CacheEvent(entry, previous, false));
    }
    this.changed = revision;
  }

  #show(event: CacheEvent): void {
    for (const { show } of this.#watchers) show(event);
  }

  /**
   * A place for bytes made of all entries below a prefix as they are now: clients that list the same one after the other get
   * the same bytes. They are there as long as nothing changes and nobody needs the memory.
   */
  joined(prefix: string): Joined {
    const { changed } = this;
    return {
      get: () => {
        const known = this.#joined.get(prefix);
        return known?.changed === changed ? known.bytes.deref() : undefined;
      },
      set: (bytes) => {
        if (this.#joined.size > 100) this.#joined.clear();
        this.#joined.set(prefix, { changed, bytes: new WeakRef(bytes) });
      },
    };
  }

  get revision(): number {
    return this.#store.revision;
  }
  get(key: string): Entry | undefined {
    return this.entries.get(key);
  }

  /** Entries whose keys begin with `prefix`, in order, from `from` on. */
  *range(prefix: string, from = prefix): Iterable<Entry> {
    const end = prefixEnd(prefix);
    for (const [key, entry] of this.entries.entries(from)) {
      if (key >= end) return;
      yield entry;
    }
  }

  apply({ type, kv }: StoreEvent): void {
    this.counts.events++;
    for (const changed of this.#changedInRead) changed.add(kv.key);
    const previous = this.entries.get(kv.key);
    let entry: Entry;
    if (type === 'put') {
      entry = this.#entryOf(kv);
      this.entries.set(kv.key, entry);
    } else {
      if (!previous) return;
      this.entries.delete(kv.key);
      entry = previous.at(kv.modRevision);
    }
    this.changed = kv.modRevision;
    const event = new CacheEvent(entry, previous, type === 'delete');
    this.#window.push(event);
    if (this.#window.length > this.#capacity * 2) {
      this.#forgotten = this.#window[this.#capacity - 1]!.revision;
      this.#window = this.#window.slice(this.#capacity);
    }
    this.#show(event);
  }

  /**
   * Everything after `revision`, then all that comes. Throws 410 when that is longer ago than window and store reach. `lost`
   * is called when events were lost, and the watch is over then; without it, what has changed is shown as if it had just.
   */
  watch(revision: number, watcher: CacheWatcher, lost?: () => void): () => void {
    for (const event of revision < this.#forgotten ? this.#past(revision) : []) watcher(event);
    let first = this.#window.length;
    while (first > 0 && this.#window[first - 1]!.revision > revision) first--;
    for (const event of this.#window.slice(first)) watcher(event);
    const watching: Watching = { show: watcher, lost };
    this.#watchers.add(watching);
    return () => void this.#watchers.delete(watching);
  }

  /** What the store still knows of the time before the window: a client may resume across a restart. Throws 410. */
  #past(revision: number): CacheEvent[] {
    const tooOld = () => gone(`too old resource version: ${revision} (${this.#forgotten})`);
    if (this.#store.givesPastLater) throw tooOld();
    const found: StoreEvent[] = [];
    let lost: Error | undefined;
    const stop = this.#store.watch({
      key: this.prefix,
      end: prefixEnd(this.prefix),
      startRevision: revision + 1,
      onEvents: (events) => found.push(...events),
      onEnd: (error) => {
        lost = error;
      },
    });
    stop();
    if (lost) throw tooOld();
    const entry = (kv: StoreEvent['kv'], at = kv.modRevision) =>
      Entry.fromBytes(this.kind, kv.key, kv.value, at);
    return found
      .filter(({ kv }) => kv.modRevision <= this.#forgotten)
      .flatMap(({ type, kv, previous }) => {
        if (type === 'put') return [new CacheEvent(entry(kv), previous && entry(previous), false)];
        return previous ? [new CacheEvent(entry(previous, kv.modRevision), entry(previous), true)] : [];
      });
  }

  /** How many events are kept. */
  get capacity(): number {
    return this.#capacity;
  }
  get watchers(): number {
    return this.#watchers.size;
  }
}
