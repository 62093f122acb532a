import { closeSync, constants, fsyncSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import type { Change } from '../backend.ts';
import type { Version } from '../key-index.ts';
import { decodeChange, type SegmentHeader } from './log-frame.ts';

/** The data directory cannot be used as it is; the message says what to do. */
export class DataDirectoryError extends Error {}

export const damaged = (path: string, how: string): DataDirectoryError =>
  new DataDirectoryError(
    `${path} is damaged (${how}): restore a backup ("wherry snapshot restore"), or move the directory away to start empty`,
  );

/** `00000001.log` */
export const segmentPath = (dir: string, number: number): string =>
  join(dir, `${String(number).padStart(8, '0')}.log`);

/** A deletion that no reader sees any more, and that must stay as long as an older segment may have what it deletes. */
export interface Tombstone {
  mod: number;
  offset: number;
  size: number;
}

/** Bytes between two changes that it is quicker to read than to read around. */
const mostGap = 4096;
const mostAtOnce = 256 * 1024;

/** One file of the log. Only the newest is written to. */
export class Segment {
  readonly number: number;
  readonly last: number;
  readonly cleanedAt: number;
  readonly path: string;
  /** Where it ends: what follows is made ready, or nothing. */
  end: number;
  /** Of its last frame. */
  checksum: number;
  /** Bytes of changes that are not forgotten. */
  live = 0;
  /** What has its bytes here, in the order of the file; a size of 0 is forgotten. */
  versions: Version[] = [];
  tombstones: Tombstone[] = [];
  readonly #fd: number;

  constructor(path: string, header: SegmentHeader, end: number, checksum: number) {
    this.path = path;
    this.number = header.number;
    this.last = header.last;
    this.cleanedAt = header.cleanedAt;
    this.end = end;
    this.checksum = checksum;
    this.#fd = openSync(path, 'r');
  }

  hold(version: Version): void {
    this.versions.push(version);
    this.live += version.size;
  }

  drop(version: Version): void {
    this.live -= version.size;
    if (version.version === 0)
      this.tombstones.push({ mod: version.mod, offset: version.offset, size: version.size });
    version.size = 0;
  }

  /** Bytes that could be had by cleaning. */
  get garbage(): number {
    return this.end - this.live;
  }

  read(version: Version): Change {
    const { offset, size, mod } = version;
    const bytes = Buffer.allocUnsafe(size);
    const found = readSync(this.#fd, bytes, 0, size, offset);
    const change = found === size ? decodeChange(bytes, mod) : undefined;
    if (!change) throw this.#unreadable(version);
    return change;
  }

  /** Neighbours together, in the order of the file. */
  readAll(versions: Version[], found: Map<Version, Change>): void {
    versions.sort((a, b) => a.offset - b.offset);
    for (let i = 0; i < versions.length; ) {
      const start = versions[i]!.offset;
      let end = start;
      let next = i;
      while (next < versions.length) {
        const { offset, size } = versions[next]!;
        if (next > i && (offset - end > mostGap || offset + size - start > mostAtOnce)) break;
        end = Math.max(end, offset + size);
        next++;
      }
      const bytes = Buffer.allocUnsafe(end - start);
      const whole = readSync(this.#fd, bytes, 0, bytes.length, start) === bytes.length;
      for (; i < next; i++) {
        const version = versions[i]!;
        const at = version.offset - start;
        const change = whole && decodeChange(bytes.subarray(at, at + version.size), version.mod);
        if (!change) throw this.#unreadable(version);
        found.set(version, change);
      }
    }
  }

  #unreadable({ mod, key }: Version): DataDirectoryError {
    return damaged(this.path, `revision ${mod} of ${key} is not readable`);
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** Makes what was created, renamed or removed in a directory durable. */
export function syncDirectory(dir: string): void {
  const fd = openSync(dir, constants.O_RDONLY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
