import { createHash } from 'node:crypto';
import {
  closeSync,
  createReadStream,
  existsSync,
  fstatSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statSync,
} from 'node:fs';
import { type FileHandle, open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { Revision } from '../backend.ts';
import type { MvccStore } from '../mvcc.ts';
import { type Progress, readSnapshot, type SnapshotReader, writeSnapshot } from '../snapshot.ts';
import { dataDirectory } from './data-directory.ts';
import { LogBackend } from './log-backend.ts';

/** What cannot be done with a file, or a directory; the message says what to do. */
export class SnapshotError extends Error {}

const sumBytes = 32;
const batchRevisions = 500;
const noProgress: Progress = () => {};

/**
 * Writes a file beside `path` and renames it when it is whole and on disk. `write` gives everything but the SHA-256 that
 * stands at the end, and returns its length.
 */
async function whole(path: string, write: (file: FileHandle) => Promise<number>): Promise<number> {
  if (existsSync(path)) throw new SnapshotError(`${path} is there already: choose another file`);
  const part = `${path}.part`;
  let file: FileHandle | undefined;
  try {
    file = await open(part, 'w+', 0o600);
    const bytes = await write(file);
    const hash = createHash('sha256');
    for await (const chunk of createReadStream(part, { end: bytes - 1 })) hash.update(chunk);
    await file.write(hash.digest(), 0, sumBytes, bytes);
    await file.sync();
    await file.close();
    await rename(part, path);
    return bytes + sumBytes;
  } catch (error) {
    await file?.close().catch(() => {}); // that it is closed already
    rmSync(part, { force: true });
    if ((error as NodeJS.ErrnoException).code)
      throw new SnapshotError(`${path} cannot be written (${(error as Error).message})`);
    throw error;
  }
}

/** Makes a snapshot of a store of this process, as a file that etcd, too, can restore. */
export async function saveSnapshot(
  store: MvccStore,
  path: string,
  progress?: Progress,
): Promise<{ revision: number; bytes: number }> {
  let revision = 0;
  const bytes = await whole(path, async (file) => {
    const written = await writeSnapshot(
      store,
      async (at, part) => {
        for (let n = 0; n < part.length; )
          n += (await file.write(part, n, part.length - n, at + n)).bytesWritten;
      },
      progress,
    );
    revision = written.revision;
    return written.bytes;
  });
  return { revision, bytes };
}

/** Writes what comes in parts, the SHA-256 at its end included, as "Snapshot" of etcd's API sends it; checks that. */
export async function receiveSnapshot(
  parts: AsyncIterable<Uint8Array>,
  path: string,
  progress: (bytes: number) => void = () => {},
): Promise<number> {
  const size = await whole(path, async (file) => {
    let at = 0;
    let held = Buffer.alloc(0); // the last 32 bytes: they may be the sum
    const hash = createHash('sha256');
    for await (const part of parts) {
      const all = Buffer.concat([held, part]);
      const ready = all.subarray(0, Math.max(0, all.length - sumBytes));
      held = Buffer.from(all.subarray(ready.length));
      hash.update(ready);
      await file.write(ready, 0, ready.length, at);
      at += ready.length;
      progress(at);
    }
    if (!hash.digest().equals(held))
      throw new SnapshotError('the snapshot did not arrive whole (its checksum is wrong): try again');
    return at;
  });
  return size;
}

export interface SnapshotFile extends Disposable {
  reader: SnapshotReader;
  bytes: number;
  /** Hexadecimal. */
  sha256: string;
}

/** Opens a snapshot, of Wherry or of etcd, and checks that it is whole. Throws SnapshotError. */
export async function openSnapshot(
  path: string,
  progress: (bytes: number) => void = () => {},
): Promise<SnapshotFile> {
  if (!existsSync(path)) throw new SnapshotError(`there is no file ${path}`);
  const { size } = statSync(path);
  if (size % 512 !== sumBytes)
    throw new SnapshotError(`${path} is no snapshot, or is cut off (${size} bytes): take another copy of it`);
  const hash = createHash('sha256');
  let done = 0;
  for await (const chunk of createReadStream(path, { end: size - sumBytes - 1, highWaterMark: 1 << 20 })) {
    hash.update(chunk as Buffer);
    done += (chunk as Buffer).length;
    progress(done);
  }
  const fd = openSync(path, 'r');
  try {
    const read = (at: number, length: number): Uint8Array => {
      const bytes = Buffer.allocUnsafe(Math.max(0, Math.min(length, fstatSync(fd).size - sumBytes - at)));
      return bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, at));
    };
    const wanted = Buffer.alloc(sumBytes);
    readSync(fd, wanted, 0, sumBytes, size - sumBytes);
    const sum = hash.digest();
    if (!sum.equals(wanted))
      throw new SnapshotError(`${path} is damaged (its checksum is wrong): take another copy of it`);
    return {
      reader: readSnapshot(read),
      bytes: size,
      sha256: sum.toString('hex'),
      [Symbol.dispose]: () => closeSync(fd),
    };
  } catch (error) {
    closeSync(fd);
    if (error instanceof SnapshotError) throw error;
    throw new SnapshotError(`${path} cannot be read: ${(error as Error).message}`);
  }
}

/**
 * Makes a store of a snapshot, in a directory that is empty or not there. Revisions, history, times and leases are those of
 * the snapshot.
 */
export async function restoreSnapshot(
  { reader }: SnapshotFile,
  dir: string,
  progress: Progress = noProgress,
): Promise<{ revision: number; changes: number }> {
  if (existsSync(dir) && readdirSync(dir).length)
    throw new SnapshotError(
      `${dir} is not empty: restore into a directory of its own, and keep what is there`,
    );
  const { complete, release } = dataDirectory(dir);
  try {
    const log = new LogBackend(dir, () => {});
    log.load(() => {});
    for (const lease of reader.leases) await log.putLease(lease);
    let batch: Revision[] = [];
    let changes = 0;
    let revision = 1;
    const write = async () => {
      if (batch.length) await log.append(batch);
      batch = [];
      progress(changes, 0);
    };
    for (const { revision: mod, change } of reader.changes()) {
      if (batch.at(-1)?.revision !== mod) {
        if (batch.length >= batchRevisions) await write();
        batch.push({ revision: mod, changes: [], versions: [] });
        revision = mod;
      }
      const { changes: all, versions } = batch.at(-1)!;
      const { key, createRevision: create, version, lease = 0 } = change;
      versions.push({ key, mod, sub: all.length, create, version, lease, segment: 0, offset: 0, size: 0 });
      all.push({ ...change, value: change.value.slice() });
      changes++;
    }
    await write();
    if (reader.compactRevision) await log.compact(reader.compactRevision, []);
    await log.close();
    complete();
    return { revision: Math.max(revision, reader.compactRevision), changes };
  } catch (error) {
    for (const name of readdirSync(dir)) rmSync(join(dir, name));
    throw error;
  } finally {
    release();
  }
}
