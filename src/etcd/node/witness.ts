import { closeSync, existsSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';

/** How far the log is acknowledged. */
export interface Acknowledged {
  segment: number;
  end: number;
  revision: number;
}

/** Under load, one write of the witness in so long: a file system makes each wait for what it is flushing. */
const restMs = 5;
const bytes = 32;
const magic = 0x57_49_54_4e;

/**
 * A file of 32 bytes beside the log that says how far it is acknowledged: an end of the log before that is damage, not a
 * write that was cut off. It is written after each write (under load, within 5 ms), and not flushed: after a loss of power it may lag behind, or be
 * gone, and then nothing is concluded from it. It is never ahead.
 */
export class Witness {
  readonly #fd: number;
  readonly #record = Buffer.alloc(bytes);
  #written = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(dir: string) {
    this.#fd = openSync(pathOf(dir), existsSync(pathOf(dir)) ? 'r+' : 'w', 0o600);
  }

  note({ segment, end, revision }: Acknowledged): void {
    const record = this.#record;
    record.writeUInt32LE(magic, 0);
    record.writeUInt32LE(segment, 4);
    record.writeDoubleLE(end, 8);
    record.writeDoubleLE(revision, 16);
    record.writeUInt32LE(crc32(record.subarray(0, 24)), 24);
    if (this.#timer) return;
    const wait = this.#written + restMs - performance.now();
    if (wait <= 0) this.#write();
    else this.#timer = setTimeout(() => this.#write(), wait);
  }
  #write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    writeSync(this.#fd, this.#record, 0, bytes, 0);
    this.#written = performance.now();
  }

  close(): void {
    if (this.#timer) this.#write();
    fsyncSync(this.#fd);
    closeSync(this.#fd);
  }
}

const pathOf = (dir: string): string => join(dir, 'witness');

/** undefined: there is none, or it is not whole. */
export function readWitness(dir: string): Acknowledged | undefined {
  const path = pathOf(dir);
  if (!existsSync(path)) return undefined;
  const record = readFileSync(path);
  if (record.length !== bytes || record.readUInt32LE(0) !== magic) return undefined;
  if (record.readUInt32LE(24) !== crc32(record.subarray(0, 24))) return undefined;
  return {
    segment: record.readUInt32LE(4),
    end: record.readDoubleLE(8),
    revision: record.readDoubleLE(16),
  };
}
