import { statfsSync, statSync, truncateSync } from 'node:fs';
import { open, type RootDatabase } from 'lmdb';
import {
  type Backend,
  type Change,
  type LeaseRecord,
  NothingWrittenError,
  type Revision,
} from '../backend.ts';
import { MvccStore } from '../mvcc.ts';
import { dataDirectory, notWhole } from './data-directory.ts';
import { DataDirectoryError, decodeChange, decodeHeader, encodeChange } from './record.ts';

export { formatVersion } from './data-directory.ts';
export { DataDirectoryError } from './record.ts';

const metaKey = 0;
/** Largest number that a lease's id can be; as a key it must sort after all others of [0, id]. */
const largestId = Number.MAX_SAFE_INTEGER;

/** Keys are [revision, sub]; [0] holds `{compactRevision}`, [0, id] a lease. */
class LmdbBackend implements Backend {
  readonly #db: RootDatabase<Buffer, any>;
  readonly #path: string;
  readonly #release: () => void;
  readonly initial: { revision: number; compactRevision: number; leases: LeaseRecord[] };

  constructor(db: RootDatabase<Buffer, any>, path: string, release: () => void) {
    this.#db = db;
    this.#path = path;
    this.#release = release;
    const meta = db.get([metaKey]);
    const compactRevision = meta ? Number(JSON.parse(meta.toString()).compactRevision) : 0;
    const leases = [...db.getRange({ start: [metaKey, 0], end: [metaKey, largestId] })];
    this.initial = {
      revision: Math.max(1, compactRevision, this.#lastRevision()),
      compactRevision,
      leases: leases.map(({ value }) => JSON.parse(value.toString()) as LeaseRecord),
    };
  }

  #lastRevision(): number {
    const keys = this.#db.getKeys({ reverse: true, limit: 1 }) as Iterable<[number, number]>;
    for (const [revision] of keys) return revision;
    return 0;
  }

  /** One LMDB transaction, all or nothing. `write` gets the functions that put and remove. */
  async #commit(
    write: (put: (key: number[], value: Buffer) => void, remove: (key: number[]) => void) => void,
  ): Promise<void> {
    const db = this.#db;
    try {
      await db.batch(() =>
        write(
          (key, value) => void db.put(key, value),
          (key) => void db.remove(key),
        ),
      );
    } catch (error) {
      const { commitError } = error as { commitError?: Promise<never> };
      const cause = (await commitError?.catch((reason: unknown) => reason)) ?? error;
      throw new Error(`${this.#path} could not be written (${(cause as Error).message})`, { cause });
    }
  }

  async append(batch: Revision[]): Promise<void> {
    try {
      await this.#commit((put) => {
        for (const { revision, changes } of batch)
          for (let sub = 0; sub < changes.length; sub++) put([revision, sub], encodeChange(changes[sub]!));
      });
    } catch (error) {
      // LMDB makes a transaction count with the last thing it writes: what failed before that is not there.
      this.#db.resetReadTxn();
      const kept = this.#lastRevision() >= batch[0]!.revision;
      if (kept) throw error;
      throw new NothingWrittenError(this.#isFull(batch) ?? (error as Error).message, { cause: error });
    }
  }
  /** LMDB calls a write that was cut short an I/O error: say it when it is for want of space. */
  #isFull(batch: Revision[]): string | undefined {
    const { bavail, bsize } = statfsSync(this.#path);
    const changes = batch.flatMap((one) => one.changes);
    // Each change may take pages of its own, and the tree above it some more.
    const needed = changes.reduce((sum, { value }) => sum + value.length + 8192, 1 << 20);
    if (bavail * bsize > needed) return undefined;
    return `the disk of ${this.#path} is full: nothing was written; free some space, and go on`;
  }
  read(revision: number, sub: number): Change | undefined {
    const bytes = this.#db.get([revision, sub]);
    return bytes && decodeChange(bytes, this.#path);
  }
  *scan(from: number, to: number) {
    for (const { key, value } of this.#db.getRange({ start: [Math.max(1, from), 0], end: [to + 1, 0] })) {
      yield { revision: key[0] as number, sub: key[1] as number, change: decodeChange(value, this.#path) };
    }
  }
  *scanKeys() {
    for (const { key, value } of this.#db.getRange({ start: [1, 0] })) {
      yield { revision: key[0] as number, sub: key[1] as number, change: decodeHeader(value, this.#path) };
    }
  }
  async compact(revision: number, drop: { revision: number; sub: number }[]): Promise<void> {
    await this.#commit((put) => put([metaKey], Buffer.from(JSON.stringify({ compactRevision: revision }))));
    for (let i = 0; i < drop.length; i += 1000) {
      await this.#commit((_put, remove) => {
        for (const old of drop.slice(i, i + 1000)) remove([old.revision, old.sub]);
      });
    }
  }
  putLease(lease: LeaseRecord): Promise<void> {
    return this.#commit((put) => put([metaKey, lease.id], Buffer.from(JSON.stringify(lease))));
  }
  removeLease(id: number): Promise<void> {
    return this.#commit((_put, remove) => remove([metaKey, id]));
  }
  bytes(): number {
    return statSync(this.#path).size;
  }
  async close(): Promise<void> {
    await this.#db.close();
    this.#release();
  }
}

export interface EmbeddedStore extends MvccStore {
  /** Writes a consistent copy of the store to the file `path`, which must not be there. */
  copyTo(path: string): Promise<void>;
}

/**
 * Opens (or makes) the embedded store in `dir`: one LMDB file, every acknowledged write flushed to disk.
 * Throws DataDirectoryError for a directory that is newer, damaged or half made.
 */
export function embeddedStore(dir: string): EmbeddedStore {
  const { file, short, complete, release } = dataDirectory(dir);
  let db: RootDatabase<Buffer, any> | undefined;
  try {
    // Empty pages in place of those that are not there: what needs one of them fails below, and not by a signal.
    if (short) truncateSync(file, short.wanted);
    db = open({
      path: file,
      encoding: 'binary',
      keyEncoding: 'ordered-binary',
      compression: false,
      noSubdir: true,
      // A commit is then on disk when it resolves, and when it fails it has not happened.
      overlappingSync: false,
      // Else lmdb puts what one turn writes into a batch of its own, of whose failure it tells nobody but the process.
      eventTurnBatching: false,
    });
    const backend = new LmdbBackend(db, file, release);
    if (short) for (const _ of backend.scan(0, backend.initial.revision)); // reads everything, and checks the sums
    const store = new MvccStore(backend);
    complete();
    const opened = db;
    return Object.assign(store, { copyTo: (path: string) => opened.backup(path, false) });
  } catch (error) {
    void db?.close();
    if (short) truncateSync(file, short.bytes);
    release();
    if (short) throw notWhole(file);
    if (error instanceof DataDirectoryError) throw error;
    throw new DataDirectoryError(
      `${file} cannot be opened (${(error as Error).message}): restore a backup, or move ${dir} away to start empty`,
    );
  }
}
