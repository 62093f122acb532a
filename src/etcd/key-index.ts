import BTreeModule from 'sorted-btree';
import type { Change } from './backend.ts';

const BTree = BTreeModule.default;
const compareKeys = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** One version of a key; `version` 0 is a tombstone, `lease` 0 is none. */
export interface Version {
  key: string;
  mod: number;
  sub: number;
  create: number;
  version: number;
  lease: number;
  /** Where the backend has it. */
  segment: number;
  offset: number;
  size: number;
}

/**
 * All versions of a key that are still known, oldest first. A key that was put at revision 2, put again at 5,
 * deleted at 7 and put at 9 has:
 *   [{mod 2, create 2, version 1}, {mod 5, create 2, version 2}, {mod 7, version 0}, {mod 9, create 9, version 1}]
 * A compaction at 6 leaves [{mod 5 …}, {mod 7 …}, {mod 9 …}]: the newest one at or before 6, and all that came later.
 * A compaction at 7 leaves [{mod 9 …}]: a tombstone that is the newest goes too.
 */
type History = Version[];

const live = (v: Version | undefined): Version | undefined => (v && v.version > 0 ? v : undefined);

/** Which versions each key has had, in the order of keys, and in the order of revisions. Values are in the backend. */
export class KeyIndex {
  readonly #tree = new BTree<string, History>(undefined, compareKeys);
  /** All versions that are known, by revision. */
  #log: Version[] = [];
  #live = 0;

  get liveKeys(): number {
    return this.#live;
  }

  /** The newest version, durable or not; undefined for a key that is not there. */
  newest(key: string): Version | undefined {
    return live(this.#tree.get(key)?.at(-1));
  }

  /** The version that a reader at `revision` sees; undefined for a key that is not there. */
  at(key: string, revision: number): Version | undefined {
    const history = this.#tree.get(key);
    return history && seenAt(history, revision);
  }

  /** Adds a version behind the others; returns the one it replaces. */
  #push(version: Version): Version | undefined {
    const history = this.#tree.get(version.key);
    const before = live(history?.at(-1));
    if (history) history.push(version);
    else this.#tree.set(version.key, [version]); // most have one, and an array that grew from nothing has room for many
    this.#log.push(version);
    this.#live += (version.version > 0 ? 1 : 0) - (before ? 1 : 0);
    return before;
  }

  /** Adds a version that is newer than all others; returns it, and the one it replaces. */
  add(change: Change, mod: number, sub: number): { version: Version; before: Version | undefined } {
    const { key, createRevision: create, lease = 0 } = change;
    const version: Version = {
      key,
      mod,
      sub,
      create,
      version: change.version,
      lease,
      segment: 0,
      offset: 0,
      size: 0,
    };
    return { version, before: this.#push(version) };
  }

  /** Takes in what was kept: a key's versions in their order, all of them in the order of revisions. */
  load(all: Version[]): void {
    for (const version of all) this.#push(version);
  }

  /** Takes back what `add` added last. */
  undo(key: string): void {
    const history = this.#tree.get(key)!;
    const gone = live(history.pop());
    this.#log.pop();
    this.#live += (live(history.at(-1)) ? 1 : 0) - (gone ? 1 : 0);
    if (!history.length) this.#tree.delete(key);
  }

  /**
   * Calls `visit` with each key from `key` up to `end` (without it: the one key) that is there at `revision`, until it
   * returns true.
   */
  range(
    key: string,
    end: string | undefined,
    revision: number,
    visit: (key: string, v: Version) => boolean,
  ): void {
    const stop = { break: true };
    const one = (k: string, history: History) => {
      const v = seenAt(history, revision);
      return v && visit(k, v) ? stop : undefined;
    };
    if (end === undefined) {
      const history = this.#tree.get(key);
      if (history) one(key, history);
    } else if (key < end) this.#tree.forRange(key, end, false, one);
  }

  /** The versions of revisions `from` to `to`, both included, in order; of one key only, when it is given. */
  *between(from: number, to: number, key?: string): Iterable<Version> {
    const log = key === undefined ? this.#log : (this.#tree.get(key) ?? []);
    for (let i = firstAt(log, from); i < log.length && log[i]!.mod <= to; i++) yield log[i]!;
  }

  /** The oldest version at or after `revision`. */
  firstFrom(revision: number): Version | undefined {
    return this.#log[firstAt(this.#log, revision)];
  }

  /** Every key whose newest version has the lease. A walk over all keys: leases end seldom. */
  keysOfLease(lease: number): string[] {
    const keys: string[] = [];
    this.#tree.forEachPair((key, history) => {
      if (live(history.at(-1))?.lease === lease) keys.push(key);
    });
    return keys;
  }

  /** Forgets what no reader at `revision` or later sees; returns it. */
  compact(revision: number): Version[] {
    const dropped: Version[] = [];
    const emptied: string[] = [];
    this.#tree.forEachPair((key, history) => {
      let keep = 0;
      while (keep + 1 < history.length && history[keep + 1]!.mod <= revision) keep++;
      const first = history[keep]!;
      if (first.mod <= revision && first.version === 0) keep++;
      if (!keep) return;
      dropped.push(...history.splice(0, keep));
      if (!history.length) emptied.push(key);
    });
    for (const key of emptied) this.#tree.delete(key);
    if (dropped.length) {
      const gone = new Set(dropped);
      this.#log = this.#log.filter((v) => !gone.has(v));
    }
    return dropped;
  }
}

/** Where the first version at or after `revision` is. */
function firstAt(log: Version[], revision: number): number {
  let [low, high] = [0, log.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (log[middle]!.mod < revision) low = middle + 1;
    else high = middle;
  }
  return low;
}

function seenAt(history: History, revision: number): Version | undefined {
  for (let i = history.length - 1; i >= 0; i--) if (history[i]!.mod <= revision) return live(history[i]);
  return undefined;
}
