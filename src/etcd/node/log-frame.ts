import { crc32 } from 'node:zlib';
import type { Change, LeaseRecord, Revision } from '../backend.ts';

/**
 * The log's bytes, little-endian. A segment is a header and frames:
 *
 *   header  "WHERRYLG" | first number u32 | last number u32 | cleaned at revision f64 | 0 u32 | checksum u32
 *   frame   length of the payload u32 | checksum u32 | payload
 *
 * The checksum of a frame is that of its payload, begun with the checksum of the frame before it (of the header for the
 * first): a frame is good only behind the very frames that it was written behind. A length of 0 is the end: what follows
 * has been made ready and is not written yet.
 *
 *   state     1 | 0 u24 | revision f64 | compacted revision f64 | n u32 | n * (lease id f64, seconds f64)   first of every segment
 *   revision  2 | 0 u24 | n u32 | revision f64 | n changes          a transaction; all or nothing, since a frame is
 *   compact   3 | 0 u24 | revision f64
 *   lease     4 | 0 u24 | id f64 | seconds f64                      0 seconds: it is gone
 *   seal      5 | 0 u24                                             last of every segment but the newest
 *
 *   change    checksum u32 | sub u32 | create revision f64 | time f64 | version u32 (+ 2^31: has a lease) | length of key u32 |
 *             length of value u32 | lease f64, if it has one | key | value
 *
 * The checksum of a change begins with the low half of its revision, and is looked at whenever it is read.
 */
export const headerBytes = 32;
export const frameBytes = 8;
const changeBytes = 36;
const revisionBytes = 16;
const magic = 'WHERRYLG';
const hasLease = 0x8000_0000;

export const frameType = { state: 1, revision: 2, compact: 3, lease: 4, seal: 5 } as const;

export interface SegmentHeader {
  /** The numbers of the segments that this file stands for. */
  number: number;
  last: number;
  /** What no reader at this revision or later sees has been left out, deletions of older segments' keys excepted. */
  cleanedAt: number;
}

export function encodeHeader({ number, last, cleanedAt }: SegmentHeader): {
  bytes: Buffer;
  checksum: number;
} {
  const bytes = Buffer.alloc(headerBytes);
  bytes.write(magic, 0, 'latin1');
  bytes.writeUInt32LE(number, 8);
  bytes.writeUInt32LE(last, 12);
  bytes.writeDoubleLE(cleanedAt, 16);
  const checksum = crc32(bytes.subarray(0, 28));
  bytes.writeUInt32LE(checksum, 28);
  return { bytes, checksum };
}

export function decodeHeader(bytes: Buffer): (SegmentHeader & { checksum: number }) | undefined {
  if (bytes.length < headerBytes || bytes.toString('latin1', 0, 8) !== magic) return undefined;
  const checksum = crc32(bytes.subarray(0, 28));
  if (checksum !== bytes.readUInt32LE(28)) return undefined;
  const [number, last] = [bytes.readUInt32LE(8), bytes.readUInt32LE(12)];
  return { number, last, cleanedAt: bytes.readDoubleLE(16), checksum };
}

/** Room for a frame with a payload of `size` bytes, to be filled from `frameBytes` on, and then closed. */
const frame = (type: number, size: number): Buffer => {
  const bytes = Buffer.allocUnsafe(frameBytes + size);
  bytes.writeUInt32LE(size, 0);
  bytes.writeUInt32LE(type, frameBytes);
  return bytes;
};

/** Writes the checksum; returns it. */
export function closeFrame(bytes: Buffer, before: number): number {
  const checksum = crc32(bytes.subarray(frameBytes), before);
  bytes.writeUInt32LE(checksum, 4);
  return checksum;
}

/** As `closeFrame`, for all frames of a run. */
export function closeFrames(bytes: Buffer, before: number): number {
  let checksum = before;
  for (let at = 0; at < bytes.length; ) {
    const end = at + frameBytes + bytes.readUInt32LE(at);
    checksum = closeFrame(bytes.subarray(at, end), checksum);
    at = end;
  }
  return checksum;
}

export function stateFrame(revision: number, compactRevision: number, leases: LeaseRecord[]): Buffer {
  const bytes = frame(frameType.state, 24 + leases.length * 16);
  bytes.writeDoubleLE(revision, frameBytes + 4);
  bytes.writeDoubleLE(compactRevision, frameBytes + 12);
  bytes.writeUInt32LE(leases.length, frameBytes + 20);
  leases.forEach(({ id, ttlSeconds }, i) => {
    bytes.writeDoubleLE(id, frameBytes + 24 + i * 16);
    bytes.writeDoubleLE(ttlSeconds, frameBytes + 32 + i * 16);
  });
  return bytes;
}

export function compactFrame(revision: number): Buffer {
  const bytes = frame(frameType.compact, 12);
  bytes.writeDoubleLE(revision, frameBytes + 4);
  return bytes;
}

export function leaseFrame({ id, ttlSeconds }: LeaseRecord): Buffer {
  const bytes = frame(frameType.lease, 20);
  bytes.writeDoubleLE(id, frameBytes + 4);
  bytes.writeDoubleLE(ttlSeconds, frameBytes + 12);
  return bytes;
}

export const sealFrame = (): Buffer => frame(frameType.seal, 4);

/** Sets the size of each version of a batch; returns the length of its frames. */
export function measure(batch: Revision[]): number {
  let bytes = 0;
  for (const { changes, versions } of batch) {
    bytes += frameBytes + revisionBytes;
    for (let sub = 0; sub < changes.length; sub++) {
      const { key, value, lease } = changes[sub]!;
      const size = changeBytes + (lease ? 8 : 0) + Buffer.byteLength(key) + value.length;
      versions[sub]!.size = size;
      bytes += size;
    }
  }
  return bytes;
}

/** Writes the frames of a batch that was measured, to be closed; each version's offset is then counted from their beginning. */
export function writeRevisions(to: Buffer, batch: Revision[]): void {
  let at = 0;
  for (const { revision, changes, versions } of batch) {
    const start = at;
    at += frameBytes + revisionBytes;
    to.writeUInt32LE(frameType.revision, start + frameBytes);
    to.writeUInt32LE(changes.length, start + frameBytes + 4);
    to.writeDoubleLE(revision, start + frameBytes + 8);
    for (let sub = 0; sub < changes.length; sub++) {
      const version = versions[sub]!;
      version.offset = at;
      writeChange(to, at, version.size, changes[sub]!, revision, sub);
      at += version.size;
    }
    to.writeUInt32LE(at - start - frameBytes, start);
  }
}

function writeChange(
  to: Buffer,
  at: number,
  size: number,
  change: Change,
  revision: number,
  sub: number,
): void {
  const { key, value, createRevision, version, lease, time } = change;
  const keyStart = at + changeBytes + (lease ? 8 : 0);
  const keyBytes = size - (keyStart - at) - value.length;
  to.writeUInt32LE(sub, at + 4);
  to.writeDoubleLE(createRevision, at + 8);
  to.writeDoubleLE(time, at + 16);
  to.writeUInt32LE((version | (lease ? hasLease : 0)) >>> 0, at + 24);
  to.writeUInt32LE(keyBytes, at + 28);
  to.writeUInt32LE(value.length, at + 32);
  if (lease) to.writeDoubleLE(lease, at + changeBytes);
  to.write(key, keyStart, keyBytes, 'utf8');
  to.set(value, keyStart + keyBytes);
  to.writeUInt32LE(crc32(to.subarray(at + 4, at + size), revision >>> 0), at);
}

/** A frame of changes that are copied as they are, some of their transaction left out. */
export function copyFrame(revision: number, changes: Buffer[]): { bytes: Buffer; offsets: number[] } {
  const bytes = frame(frameType.revision, revisionBytes + changes.reduce((sum, one) => sum + one.length, 0));
  bytes.writeUInt32LE(changes.length, frameBytes + 4);
  bytes.writeDoubleLE(revision, frameBytes + 8);
  const offsets: number[] = [];
  let at = frameBytes + revisionBytes;
  for (const one of changes) {
    offsets.push(at);
    bytes.set(one, at);
    at += one.length;
  }
  return { bytes, offsets };
}

/** A change as the index needs it. `at` is where it begins in `bytes`. */
export interface ChangeHeader {
  key: string;
  sub: number;
  createRevision: number;
  version: number;
  lease: number;
  at: number;
  size: number;
}

/** What a frame's payload (from `at` to `end`) has of changes. It must have been found good. */
export function revisionIn(
  bytes: Buffer,
  at: number,
  end: number,
): { revision: number; changes: ChangeHeader[] } {
  const revision = bytes.readDoubleLE(at + 8);
  const changes: ChangeHeader[] = [];
  for (at += revisionBytes; at < end; ) {
    const marked = bytes.readUInt32LE(at + 24);
    const leased = marked >= hasLease;
    const keyBytes = bytes.readUInt32LE(at + 28);
    const keyStart = at + changeBytes + (leased ? 8 : 0);
    const size = keyStart - at + keyBytes + bytes.readUInt32LE(at + 32);
    changes.push({
      key: bytes.toString('utf8', keyStart, keyStart + keyBytes),
      sub: bytes.readUInt32LE(at + 4),
      createRevision: bytes.readDoubleLE(at + 8),
      version: leased ? marked - hasLease : marked,
      lease: leased ? bytes.readDoubleLE(at + changeBytes) : 0,
      ...{ at, size },
    });
    at += size;
  }
  return { revision, changes };
}

/** One change, read alone. undefined: it is damaged. */
export function decodeChange(bytes: Buffer, revision: number): Change | undefined {
  if (bytes.readUInt32LE(0) !== crc32(bytes.subarray(4), revision >>> 0)) return undefined;
  const marked = bytes.readUInt32LE(24);
  const leased = marked >= hasLease;
  const keyStart = changeBytes + (leased ? 8 : 0);
  const valueStart = keyStart + bytes.readUInt32LE(28);
  const change: Change = {
    key: bytes.toString('utf8', keyStart, valueStart),
    value: new Uint8Array(
      bytes.buffer as ArrayBuffer,
      bytes.byteOffset + valueStart,
      bytes.length - valueStart,
    ),
    createRevision: bytes.readDoubleLE(8),
    version: leased ? marked - hasLease : marked,
    time: bytes.readDoubleLE(16),
  };
  if (leased) change.lease = bytes.readDoubleLE(changeBytes);
  return change;
}

export function stateIn(bytes: Buffer, at: number) {
  const leases: LeaseRecord[] = Array.from({ length: bytes.readUInt32LE(at + 20) }, (_, i) => ({
    id: bytes.readDoubleLE(at + 24 + i * 16),
    ttlSeconds: bytes.readDoubleLE(at + 32 + i * 16),
  }));
  return { revision: bytes.readDoubleLE(at + 4), compactRevision: bytes.readDoubleLE(at + 12), leases };
}
export const leaseIn = (bytes: Buffer, at: number): LeaseRecord => ({
  id: bytes.readDoubleLE(at + 4),
  ttlSeconds: bytes.readDoubleLE(at + 12),
});
export const compactIn = (bytes: Buffer, at: number): number => bytes.readDoubleLE(at + 4);
export const typeOf = (bytes: Buffer, at: number): number => bytes.readUInt32LE(at);

/**
 * Walks the frames of a segment as far as they are good. `visit` gets where a payload begins and ends. Returns where the
 * good part ends, and the checksum of its last frame.
 */
export function walkFrames(
  bytes: Buffer,
  checksum: number,
  visit: (at: number, end: number) => void,
): { end: number; checksum: number } {
  let at = headerBytes;
  while (at + frameBytes <= bytes.length) {
    const size = bytes.readUInt32LE(at);
    const start = at + frameBytes;
    if (size < 4 || start + size > bytes.length) break;
    const sum = crc32(bytes.subarray(start, start + size), checksum);
    if (sum !== bytes.readUInt32LE(at + 4)) break;
    visit(start, start + size);
    checksum = sum;
    at = start + size;
  }
  return { end: at, checksum };
}
