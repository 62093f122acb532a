// The state of a store as etcd's snapshots have it: buckets `key` (a revision's every change: 8 bytes revision, `_`, 8 bytes
// sub-revision, both big-endian, and a `t` behind for a deletion), `lease`, `meta`, and some that are empty here.

import { messageCodec } from '../machinery/protobuf/message.ts';
import type { Change, LeaseRecord } from './backend.ts';
import { BoltReader, type Item, writeBolt } from './bolt.ts';
import { crc32c } from './crc32c.ts';
import type { Version } from './key-index.ts';
import { bytesOf, keyOf } from './messages.ts';
import type { MvccStore } from './mvcc.ts';

const codec = messageCodec({
  /** mvccpb.KeyValue, and what etcd does not know and skips: when the change was made. */
  KeyValue: {
    key: [1, 'bytes'],
    createRevision: [2, 'int64'],
    modRevision: [3, 'int64'],
    version: [4, 'int64'],
    value: [5, 'bytes'],
    lease: [6, 'int64'],
    time: [100, 'int64'],
  },
  Lease: { id: [1, 'int64'], ttlSeconds: [2, 'int64'] },
} as const);

const tombstone = 0x74;
const underscore = 0x5f;

function revisionBytes(main: number, sub: number, deleted = false): Uint8Array {
  const bytes = new Uint8Array(deleted ? 18 : 17);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(main));
  bytes[8] = underscore;
  view.setBigUint64(9, BigInt(sub));
  if (deleted) bytes[17] = tombstone;
  return bytes;
}
const bigEndian = (n: number): Uint8Array => {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(n));
  return bytes;
};
const fromBigEndian = (bytes: Uint8Array, at = 0): number =>
  Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(at));

/** How far long work has come. */
export type Progress = (done: number, all: number) => void;

/** Changes as etcd keeps them; with their times, which etcd does not have. */
function* itemsOf(store: MvccStore, versions: Version[], withTimes: boolean): Iterable<Item> {
  for (const version of versions) {
    const { mod, sub, key } = version;
    // What a compaction has forgotten meanwhile is older than what is still there; deletions are noted all the same.
    const change = store.changeOf(version);
    const time = withTimes ? (change?.time ?? 0) : 0;
    if (version.version === 0)
      yield [revisionBytes(mod, sub, true), codec.encode('KeyValue', { key: bytesOf(key), time })];
    else if (change) {
      const { value, createRevision, lease = 0 } = change;
      const kv = {
        key: bytesOf(key),
        value,
        createRevision,
        modRevision: mod,
        version: change.version,
        lease,
        time,
      };
      yield [revisionBytes(mod, sub), codec.encode('KeyValue', kv)];
    }
  }
}

/** The hash of all changes up to a revision, as etcd's HashKV makes it. `pause` lets others have their turn in between. */
export async function hashOf(
  store: MvccStore,
  revision: number,
  pause: () => Promise<void>,
): Promise<number> {
  let hash = crc32c(new TextEncoder().encode('key'));
  let n = 0;
  for (const [key, value] of itemsOf(store, [...store.versions(revision)], false)) {
    hash = crc32c(value, crc32c(key, hash));
    if (++n % 2000 === 0) await pause();
  }
  return hash;
}

/**
 * Writes the store's state, and its history as far as it goes back, as of now; the store goes on meanwhile. Returns the
 * revision, and the length of the file.
 */
export async function writeSnapshot(
  store: MvccStore,
  write: (at: number, bytes: Uint8Array) => Promise<void>,
  progress: Progress = () => {},
): Promise<{ revision: number; bytes: number }> {
  const { revision } = store;
  const versions = [...store.versions(revision)];
  let done = 0;
  async function* changes(): AsyncIterable<Item> {
    for (const item of itemsOf(store, versions, true)) {
      if (++done % 1000 === 0) progress(done, versions.length);
      yield item;
    }
  }
  function* meta(): Iterable<Item> {
    const encoder = new TextEncoder();
    const { compactRevision } = store;
    if (compactRevision > revision)
      throw new Error('history was compacted beyond the snapshot while it was made: make it again');
    yield [encoder.encode('consistent_index'), bigEndian(revision)];
    // etcd goes on from here when the newest changes are no longer there.
    const newest = versions.at(-1)?.mod === revision ? compactRevision : revision;
    if (newest) yield [encoder.encode('finishedCompactRev'), revisionBytes(newest, 0)];
    if (newest) yield [encoder.encode('scheduledCompactRev'), revisionBytes(newest, 0)];
    yield [encoder.encode('term'), bigEndian(1)];
  }
  const sorted = store.leases().toSorted((a, b) => a.id - b.id);
  const leased = sorted.map(
    ({ id, ttlSeconds }): Item => [bigEndian(id), codec.encode('Lease', { id, ttlSeconds })],
  );
  const empty = ['alarm', 'auth', 'authRoles', 'authUsers', 'cluster', 'members', 'members_removed'];
  const bytes = await writeBolt(
    [
      { name: 'key', items: changes() },
      { name: 'lease', items: leased },
      { name: 'meta', items: meta() },
      ...empty.map((name) => ({ name, items: [] })),
    ],
    write,
  );
  progress(versions.length, versions.length);
  return { revision, bytes };
}

export interface SnapshotReader {
  /** 0: the whole history is there. */
  compactRevision: number;
  leases: LeaseRecord[];
  /** All changes in order, deletions too. */
  changes(): Iterable<{ revision: number; change: Change }>;
  bolt: BoltReader;
}

/** Throws an Error that says what is wrong with the file. */
export function readSnapshot(read: (at: number, length: number) => Uint8Array): SnapshotReader {
  const bolt = new BoltReader(read);
  const decoder = new TextDecoder();
  const meta = new Map([...bolt.items('meta')].map(([key, value]) => [decoder.decode(key), value]));
  const compacted = meta.get('scheduledCompactRev') ?? meta.get('finishedCompactRev');
  return {
    bolt,
    compactRevision: compacted ? fromBigEndian(compacted) : 0,
    leases: [...bolt.items('lease')].map(([, value]) => {
      const { id, ttlSeconds } = codec.decode('Lease', value);
      return { id, ttlSeconds };
    }),
    *changes() {
      for (const [key, value] of bolt.items('key')) {
        const kv = codec.decode('KeyValue', value);
        const deleted = key.length === 18 && key[17] === tombstone;
        yield {
          revision: fromBigEndian(key),
          change: {
            key: keyOf(kv.key),
            value: deleted ? new Uint8Array(0) : kv.value,
            createRevision: deleted ? 0 : kv.createRevision,
            version: deleted ? 0 : kv.version,
            time: kv.time,
            ...(kv.lease ? { lease: kv.lease } : {}),
          },
        };
      }
    },
  };
}

export interface SnapshotStatus {
  revision: number;
  compactRevision: number;
  /** That are there at the revision. */
  keys: number;
  /** Changes that are kept, deletions too. */
  changes: number;
  leases: number;
  /** Of all that is in it: the same as "etcdctl snapshot status" tells. */
  hash: number;
}

/** Reads all of it. */
export function snapshotStatus({ bolt, compactRevision, leases }: SnapshotReader): SnapshotStatus {
  const encoder = new TextEncoder();
  const live = new Set<string>();
  let hash = 0;
  let changes = 0;
  let revision = compactRevision;
  for (const name of bolt.buckets()) {
    hash = crc32c(encoder.encode(name), hash);
    for (const [key, value] of bolt.items(name)) {
      hash = crc32c(value, crc32c(key, hash));
      if (name !== 'key') continue;
      changes++;
      revision = Math.max(revision, fromBigEndian(key));
      const name_ = keyOf(codec.decode('KeyValue', value).key);
      if (key.length === 18) live.delete(name_);
      else live.add(name_);
    }
  }
  return { revision, compactRevision, keys: live.size, changes, leases: leases.length, hash };
}
