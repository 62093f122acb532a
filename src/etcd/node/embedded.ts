import {
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { open, type RootDatabase } from 'lmdb';
import type { Store } from '../../machinery/store.ts';
import type { Backend, Change, Revision } from '../backend.ts';
import { MvccStore } from '../mvcc.ts';

/** The layout of the file. A file of another number is refused, never changed. */
export const formatVersion = 1;
const metaKey = 0;

/** The data directory cannot be used as it is; the message says what to do. */
export class DataDirectoryError extends Error {}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * One change on disk, little-endian: checksum u32 of all that follows; createRevision f64; version u32; length of the key
 * u32; the key; the value.
 */
function encode(change: Change): Buffer {
  const key = encoder.encode(change.key);
  const bytes = Buffer.allocUnsafe(20 + key.length + change.value.length);
  bytes.writeDoubleLE(change.createRevision, 4);
  bytes.writeUInt32LE(change.version, 12);
  bytes.writeUInt32LE(key.length, 16);
  bytes.set(key, 20);
  bytes.set(change.value, 20 + key.length);
  bytes.writeUInt32LE(crc32(bytes.subarray(4)), 0);
  return bytes;
}

function decode(bytes: Buffer, path: string): Change {
  if (bytes.length < 20 || bytes.readUInt32LE(0) !== crc32(bytes.subarray(4))) {
    throw new DataDirectoryError(
      `${path} is damaged (a checksum is wrong): restore a backup, or move the directory away to start empty`,
    );
  }
  const keyEnd = 20 + bytes.readUInt32LE(16);
  return {
    createRevision: bytes.readDoubleLE(4),
    version: bytes.readUInt32LE(12),
    key: decoder.decode(bytes.subarray(20, keyEnd)),
    value: new Uint8Array(bytes.subarray(keyEnd)),
  };
}

/** Keys are [revision, sub]; [0] holds `{compactRevision}`. */
class LmdbBackend implements Backend {
  readonly #db: RootDatabase<Buffer, any>;
  readonly #path: string;
  readonly initial: { revision: number; compactRevision: number };

  constructor(db: RootDatabase<Buffer, any>, path: string) {
    this.#db = db;
    this.#path = path;
    const meta = db.get([metaKey]);
    const compactRevision = meta ? Number(JSON.parse(meta.toString()).compactRevision) : 0;
    let revision = Math.max(1, compactRevision);
    for (const key of db.getKeys({ reverse: true, limit: 1 }) as Iterable<[number, number]>)
      revision = Math.max(revision, key[0]);
    this.initial = { revision, compactRevision };
  }

  async append(batch: Revision[]): Promise<void> {
    const db = this.#db;
    const committed = db.batch(() => {
      for (const { revision, changes } of batch) {
        for (let sub = 0; sub < changes.length; sub++) db.put([revision, sub], encode(changes[sub]!));
      }
    });
    await committed;
    await db.flushed;
  }
  read(revision: number, sub: number): Change | undefined {
    const bytes = this.#db.get([revision, sub]);
    return bytes && decode(bytes, this.#path);
  }
  *scan(from: number, to: number) {
    for (const { key, value } of this.#db.getRange({ start: [Math.max(1, from), 0], end: [to + 1, 0] })) {
      yield { revision: key[0] as number, sub: key[1] as number, change: decode(value, this.#path) };
    }
  }
  async compact(revision: number, drop: { revision: number; sub: number }[]): Promise<void> {
    const db = this.#db;
    await db.put([metaKey], Buffer.from(JSON.stringify({ compactRevision: revision })));
    for (let i = 0; i < drop.length; i += 1000) {
      await db.batch(() => {
        for (const old of drop.slice(i, i + 1000)) db.remove([old.revision, old.sub]);
      });
    }
    await db.flushed;
  }
  bytes(): number {
    return statSync(this.#path).size;
  }
  close(): Promise<void> {
    return this.#db.close();
  }
}

/**
 * Opens (or makes) the embedded store in `dir`: one LMDB file, every acknowledged write flushed to disk.
 * Throws DataDirectoryError for a directory that is newer, damaged or half made.
 */
export function embeddedStore(dir: string): Store {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const path = join(dir, 'wherry.mdb');
  const versionFile = join(dir, 'format');
  if (existsSync(versionFile)) {
    const found = Number(readFileSync(versionFile, 'utf8'));
    if (!Number.isInteger(found) || found < 1) {
      throw new DataDirectoryError(
        `${versionFile} is damaged: restore a backup, or move ${dir} away to start empty`,
      );
    }
    if (found !== formatVersion) {
      throw new DataDirectoryError(
        `${dir} has format ${found}, this version of Wherry knows ${formatVersion}: start the version that wrote it, or choose another --data-dir`,
      );
    }
    if (!existsSync(path)) {
      throw new DataDirectoryError(
        `${path} is missing: restore a backup, or move ${dir} away to start empty`,
      );
    }
  } else if (existsSync(path)) {
    throw new DataDirectoryError(
      `${dir} is half made (no ${versionFile}): restore a backup, or move it away to start empty`,
    );
  }
  let db: RootDatabase<Buffer, any>;
  try {
    if (existsSync(path)) refuseForeign(path);
    db = open({
      path,
      encoding: 'binary',
      keyEncoding: 'ordered-binary',
      compression: false,
      noSubdir: true,
    });
  } catch (error) {
    if (error instanceof DataDirectoryError) throw error;
    throw new DataDirectoryError(
      `${path} cannot be opened (${(error as Error).message}): restore a backup, or move ${dir} away to start empty`,
    );
  }
  if (!existsSync(versionFile)) {
    writeFileSync(versionFile + '.new', `${formatVersion}\n`);
    renameSync(versionFile + '.new', versionFile);
  }
  return new MvccStore(new LmdbBackend(db, path));
}

/**
 * LMDB maps the file and dies on a page that is not there: look at both meta pages before it does. A meta page has, from
 * offset 24: magic u32, version u32, address, map size, page size u32 (at 48), ..., last page u64 (at 144), transaction u64.
 */
function refuseForeign(path: string): void {
  const file = openSync(path, 'r');
  try {
    const size = fstatSync(file).size;
    const metas = [0, 4096].map((offset) => {
      const page = Buffer.alloc(160);
      const whole = readSync(file, page, 0, 160, offset) === 160 && page.readUInt32LE(24) === 0xbeefc0de;
      return whole
        ? { pageSize: page.readUInt32LE(48), last: page.readBigUInt64LE(144), txn: page.readBigUInt64LE(152) }
        : undefined;
    });
    const newest = metas.reduce((a, b) => (b && (!a || b.txn > a.txn) ? b : a));
    if (!newest || BigInt(size) < (newest.last + 1n) * BigInt(newest.pageSize)) {
      throw new DataDirectoryError(
        `${path} is not a whole Wherry store: restore a backup, or move the directory away to start empty`,
      );
    }
  } finally {
    closeSync(file);
  }
}
