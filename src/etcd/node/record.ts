import { crc32 } from 'node:zlib';
import type { Change } from '../backend.ts';

/** The data directory cannot be used as it is; the message says what to do. */
export class DataDirectoryError extends Error {}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const headerBytes = 20;
/** Set in `version` when the change has a lease: 8 more bytes (f64) stand before the key. */
const hasLease = 0x8000_0000;

/**
 * One change on disk, little-endian: checksum u32 of all that follows; createRevision f64; version u32; length of the key
 * u32; perhaps the lease; the key; the value.
 */
export function encodeChange(change: Change): Buffer {
  const key = encoder.encode(change.key);
  const keyStart = headerBytes + (change.lease ? 8 : 0);
  const bytes = Buffer.allocUnsafe(keyStart + key.length + change.value.length);
  bytes.writeDoubleLE(change.createRevision, 4);
  bytes.writeUInt32LE((change.version | (change.lease ? hasLease : 0)) >>> 0, 12);
  bytes.writeUInt32LE(key.length, 16);
  if (change.lease) bytes.writeDoubleLE(change.lease, headerBytes);
  bytes.set(key, keyStart);
  bytes.set(change.value, keyStart + key.length);
  bytes.writeUInt32LE(crc32(bytes.subarray(4)), 0);
  return bytes;
}

/** All but the value, whose checksum is checked too. Throws DataDirectoryError. */
export function decodeHeader(bytes: Buffer, path: string): Omit<Change, 'value'> & { valueStart: number } {
  if (bytes.length < headerBytes || bytes.readUInt32LE(0) !== crc32(bytes.subarray(4))) {
    throw new DataDirectoryError(
      `${path} is damaged (a checksum is wrong): restore a backup, or move the directory away to start empty`,
    );
  }
  const marked = bytes.readUInt32LE(12);
  const leased = marked >= hasLease;
  const keyStart = headerBytes + (leased ? 8 : 0);
  const valueStart = keyStart + bytes.readUInt32LE(16);
  const header = {
    key: decoder.decode(bytes.subarray(keyStart, valueStart)),
    createRevision: bytes.readDoubleLE(4),
    version: leased ? marked - hasLease : marked,
    valueStart,
  };
  return leased ? { ...header, lease: bytes.readDoubleLE(headerBytes) } : header;
}

export function decodeChange(bytes: Buffer, path: string): Change {
  const { valueStart, ...change } = decodeHeader(bytes, path);
  return { ...change, value: new Uint8Array(bytes.subarray(valueStart)) };
}
