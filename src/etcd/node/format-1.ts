import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { Change, LeaseRecord, Revision } from '../backend.ts';
import { dataDirectory } from './data-directory.ts';
import { LogBackend } from './log-backend.ts';
import { damaged } from './log-segment.ts';

const headerBytes = 20;
const hasLease = 0x8000_0000;
const batchRevisions = 500;

/**
 * Makes a directory of format 1 one of today's, if it is one: an LMDB file `wherry.mdb` with keys [revision, sub], [0]
 * `{compactRevision}`, and [0, id] a lease; a change there is checksum u32, create revision f64, version u32, length of the
 * key u32, perhaps the lease f64, key, value. The file goes when all is taken over.
 */
export async function takeOverFormat1(dir: string): Promise<void> {
  const format = join(dir, 'format');
  if (!existsSync(format) || readFileSync(format, 'utf8').trim() !== '1') return;
  const { complete, release } = dataDirectory(dir, { older: true });
  const path = join(dir, 'wherry.mdb');
  try {
    if (!existsSync(path)) throw damaged(path, 'it is missing');
    const log = new LogBackend(dir, () => {});
    log.load(() => {});
    await copy(path, log);
    await log.close();
    complete();
    rmSync(path);
    rmSync(`${path}-lock`, { force: true });
  } finally {
    release();
  }
}

async function copy(path: string, log: LogBackend): Promise<void> {
  const { open } = await import('lmdb'); // who has no such directory need not load it
  const db = open<Buffer, any>({
    ...{ path, encoding: 'binary', keyEncoding: 'ordered-binary', compression: false, noSubdir: true },
    readOnly: true,
  });
  try {
    const meta = db.get([0]);
    const compactRevision = meta ? Number(JSON.parse(meta.toString()).compactRevision) : 0;
    for (const { value } of db.getRange({ start: [0, 0], end: [0, Number.MAX_SAFE_INTEGER] }))
      await log.putLease(JSON.parse(value.toString()) as LeaseRecord);
    let batch: Revision[] = [];
    const write = async () => {
      for (const one of batch)
        one.versions = one.changes.map(({ key, version, createRevision: create }, sub) => ({
          ...{ key, version, create, mod: one.revision, sub, lease: 0, segment: 0, offset: 0, size: 0 },
        }));
      if (batch.length) await log.append(batch);
      batch = [];
    };
    for (const { key, value } of db.getRange({ start: [1, 0] })) {
      const revision = key[0] as number;
      if (batch.at(-1)?.revision !== revision) {
        if (batch.length >= batchRevisions) await write();
        batch.push({ revision, changes: [], versions: [] });
      }
      batch.at(-1)!.changes.push(changeIn(value, path));
    }
    await write();
    if (compactRevision) await log.compact(compactRevision, []);
  } finally {
    await db.close();
  }
}

function changeIn(bytes: Buffer, path: string): Change {
  if (bytes.length < headerBytes || bytes.readUInt32LE(0) !== crc32(bytes.subarray(4)))
    throw damaged(path, 'a checksum is wrong');
  const marked = bytes.readUInt32LE(12);
  const leased = marked >= hasLease;
  const keyStart = headerBytes + (leased ? 8 : 0);
  const valueStart = keyStart + bytes.readUInt32LE(16);
  const change: Change = {
    key: bytes.toString('utf8', keyStart, valueStart),
    value: new Uint8Array(bytes.subarray(valueStart)),
    createRevision: bytes.readDoubleLE(4),
    version: leased ? marked - hasLease : marked,
    time: 0,
  };
  if (leased) change.lease = bytes.readDoubleLE(headerBytes);
  return change;
}
