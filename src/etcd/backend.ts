/** One change of one key: what a backend keeps. `version` 0 is a deletion. */
export interface Change {
  key: string;
  value: Uint8Array;
  createRevision: number;
  version: number;
  lease?: number;
  decoded?: unknown;
}

/** All changes of one transaction, in order; the index in `changes` is the change's sub-revision. */
export interface Revision {
  revision: number;
  changes: Change[];
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
  /**
   * Resolves when the batch is durable, all or none of it. Rejects with NothingWrittenError when none of it is kept; after
   * any other rejection nobody knows what is, and the store stops.
   */
  append(batch: Revision[]): Promise<void>;
  read(revision: number, sub: number): Change | undefined;
  /** Revisions from `from` to `to`, both included, in order. Compacted changes are left out. */
  scan(from: number, to: number): Iterable<{ revision: number; sub: number; change: Change }>;
  /** As `scan` of all there is, at the start: values are checked, and not handed out. */
  scanKeys(): Iterable<{ revision: number; sub: number; change: Omit<Change, 'value' | 'decoded'> }>;
  /**
   * Forgets these changes, in this order, and remembers that history before `revision` is gone. It may stop half-way (a
   * crash): a key's older changes come before its deletion in `drop`, so that no key comes back.
   */
  compact(revision: number, drop: { revision: number; sub: number }[]): Promise<void>;
  putLease(lease: LeaseRecord): Promise<void>;
  removeLease(id: number): Promise<void>;
  /** What was kept before this start. */
  readonly initial: { revision: number; compactRevision: number; leases: LeaseRecord[] };
  bytes(): number;
  close(): Promise<void>;
}
