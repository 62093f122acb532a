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
    if (!change) throw damaged(this.path, `revision ${mod} of ${version.key} is not readable`);
    return change;
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
