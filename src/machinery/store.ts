/** A key as it is at some revision. `value` is shared: never change it. */
export interface KeyValue {
  key: string;
  value: Uint8Array;
  createRevision: number;
  modRevision: number;
  /** 1 at creation, counting puts since. */
  version: number;
  /** The lease that the key goes with, if any. */
  lease?: number;
  /** What the writer gave as `decoded`; lost on restart. Saves readers in the same process from decoding again. */
  decoded?: unknown;
}

export type Compare = { key: string } & (
  | { target: 'mod'; equals: number }
  | { target: 'create'; equals: number }
  | { target: 'version'; equals: number }
);

export type Op =
  | { op: 'put'; key: string; value: Uint8Array; decoded?: unknown; lease?: number }
  | { op: 'delete'; key: string; end?: string }
  | { op: 'range'; key: string; end?: string; limit?: number };

export interface RangeRequest {
  key: string;
  /** Exclusive end; without it, the one key. `prefixEnd(p)` for all keys that begin with p. */
  end?: string;
  /** Read as of this revision; the newest durable one unless told. */
  revision?: number;
  limit?: number;
  countOnly?: boolean;
  /** Values are left empty. */
  keysOnly?: boolean;
}

export interface RangeResult {
  kvs: KeyValue[];
  /** How many keys the range has, whatever the limit. */
  count: number;
  more: boolean;
  /** The store's revision at which this was read. */
  revision: number;
}

export interface TxnResult {
  succeeded: boolean;
  revision: number;
  /** One for each op that ran: ranges give their result, deletes how many keys went. */
  responses: (RangeResult | { deleted: number; previous: KeyValue[] } | undefined)[];
}

export interface StoreEvent {
  type: 'put' | 'delete';
  /** For a delete: key and modRevision only, `value` is empty. */
  kv: KeyValue;
  /** What the key was before; absent when it was not there, or is compacted. May be read from disk when it is asked for. */
  readonly previous?: KeyValue | undefined;
}

export interface WatchOptions {
  key: string;
  end?: string;
  /** First revision to deliver; what comes next unless told. */
  startRevision?: number;
  /** Called with all events of one or more whole revisions, in order, synchronously. */
  onEvents(events: StoreEvent[], revision: number): void;
  /** The watch is over: it asked for compacted history, or the store is closed. */
  onEnd?(error?: Error): void;
}

/**
 * Keys are strings and are ordered by UTF-16 code units. That is the order of etcd for ASCII, which is all that Kubernetes
 * uses. What comes from outside as bytes (etcd's gRPC API) is mapped one byte to one character, which keeps every key and
 * the order.
 *
 * The contract of etcd: one global revision that every writing transaction raises by one, ranges at a revision,
 * transactions, watches from a revision, compaction. What is acknowledged is durable; what a read, a failed compare or a
 * watch shows is durable too. Source: the etcd v3 API documentation ("KV", "Watch").
 */
export interface Store {
  /** The newest durable revision. */
  readonly revision: number;
  readonly compactRevision: number;
  /** A watch from a past revision is given its past after `watch` has returned; without this, before. */
  readonly givesPastLater?: boolean;
  range(request: RangeRequest): Promise<RangeResult>;
  txn(compare: Compare[], success: Op[], failure?: Op[]): Promise<TxnResult>;
  /** Returns the function that ends the watch. */
  watch(options: WatchOptions): () => void;
  /** Forgets history before `revision`; reads at it still work. Throws CompactedError, FutureRevisionError. */
  compact(revision: number): Promise<void>;
  /** Bytes on disk (or in memory), how many of them are not forgotten where that is known, and keys. */
  stats(): { keys: number; bytes: number; inUse?: number };
  /** When a revision was made, in milliseconds since 1970; undefined where it is not known (any more). */
  timeOf?(revision: number): number | undefined;
  /** What is under a key should be written anew, though it stays the same: it is encrypted as it no longer should be. */
  isStale?(key: string): boolean;
  /** The newest revision that was made at this time or before; the compacted one when all that is known came later. */
  revisionAt?(timeMs: number): number;
  /**
   * Only of a store that others write to, too. Resolves when all that was acknowledged to anybody before the call is in
   * `revision`, and watches have been given it. Throws StoreUnavailableError.
   */
  catchUp?(): Promise<void>;
  /** Keys that are put with the lease that this gives go by themselves after so many seconds. */
  grantLease?(ttlSeconds: number): Promise<number>;
  close(): Promise<void>;
}

export class CompactedError extends Error {
  constructor(revision: number) {
    super(`required revision ${revision} has been compacted`);
  }
}
export class FutureRevisionError extends Error {
  constructor(revision: number) {
    super(`required revision ${revision} is a future revision`);
  }
}
export class StoreClosedError extends Error {
  constructor() {
    super('the store is closed');
  }
}
/** The store cannot be reached, or has no majority. What was asked for was not done. */
export class StoreUnavailableError extends Error {}
/** A write was sent, and nobody says whether it was made: it may be made yet. */
export class OutcomeUnknownError extends Error {}

/** The end of the range of all keys that begin with `prefix`: its last character plus one. */
export const prefixEnd = (prefix: string): string =>
  prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);
