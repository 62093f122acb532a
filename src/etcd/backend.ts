/** One change of one key: what a backend keeps. `version` 0 is a deletion. */
export interface Change {
  key: string;
  value: Uint8Array;
  createRevision: number;
  version: number;
  decoded?: unknown;
}

/** All changes of one transaction, in order; the index in `changes` is the change's sub-revision. */
export interface Revision {
  revision: number;
  changes: Change[];
}

/** Where revisions are kept. The MVCC store above it keeps the index, and calls `append` with one batch at a time. */
export interface Backend {
  /** Resolves when the batch is durable. */
  append(batch: Revision[]): Promise<void>;
  read(revision: number, sub: number): Change | undefined;
  /** Revisions from `from` to `to`, both included, in order. Compacted changes are left out. */
  scan(from: number, to: number): Iterable<{ revision: number; sub: number; change: Change }>;
  /** Forgets these changes, and remembers that history before `revision` is gone. */
  compact(revision: number, drop: { revision: number; sub: number }[]): Promise<void>;
  /** What was kept before this start. */
  readonly initial: { revision: number; compactRevision: number };
  bytes(): number;
  close(): Promise<void>;
}
