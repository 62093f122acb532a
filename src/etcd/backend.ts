import type { Version } from './key-index.ts';

/** One change of one key: what a backend keeps. `version` 0 is a deletion. */
export interface Change {
  key: string;
  value: Uint8Array;
  createRevision: number;
  version: number;
  lease?: number;
  /** When it was decided, in milliseconds since 1970; never less than that of an earlier revision. 0: not known. */
  time: number;
  decoded?: unknown;
}

/** All changes of one transaction, in order; the index in `changes` is the change's sub-revision. */
export interface Revision {
  revision: number;
  changes: Change[];
  /** What the index has of each change: `append` notes there where it has put it. */
  versions: Version[];
}

/** `append` failed, nothing of the batch is kept, and the backend can go on: a full disk, most often. */
export class NothingWrittenError extends Error {}

/** A lease outlives a restart; its time then begins anew, as in etcd after a change of leader. */
export interface LeaseRecord {
  id: number;
  ttlSeconds: number;
}

/** Where revisions are kept. The MVCC store above it keeps the index, and calls `append` with one batch at a time. */
export interface Backend {
  /** Tells of everything that is kept, once, before anything else is asked; a key's older changes before its newer ones. */
  load(add: (version: Version) => void): { revision: number; compactRevision: number; leases: LeaseRecord[] };
  /**
   * Resolves when the batch is durable, all or none of it. Rejects with NothingWrittenError when none of it is kept; after
   * any other rejection nobody knows what is, and the store stops.
   */
  append(batch: Revision[]): Promise<void>;
  /** Asked before `append`: resolves when what else is to be written at this moment has been said. undefined: no need to wait. */
  gathered?(): Promise<void> | undefined;
  /** The change that a version stands for; undefined once it is compacted. */
  read(version: Version): Change | undefined;
  /** The same for many, in their order. */
  readAll(versions: Version[]): (Change | undefined)[];
  /**
   * Remembers that history before `revision` is gone, and forgets these versions. They may come back from `load` after a
   * restart: the index is then compacted at `revision` again, with the same result.
   */
  compact(revision: number, dropped: Version[]): Promise<void>;
  putLease(lease: LeaseRecord): Promise<void>;
  removeLease(id: number): Promise<void>;
  leases(): LeaseRecord[];
  /** What it takes on disk (or in memory), and how much of that is not forgotten. */
  bytes(): { total: number; inUse: number };
  close(): Promise<void>;
}
