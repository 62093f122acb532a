import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { DataDirectoryError } from './record.ts';

/** The layout of the file. A file of another number is refused, never changed. */
export const formatVersion = 1;

/**
 * What a data directory has: `format` (the number, a line) and `wherry.mdb`. `format` is written first, with ` new` after
 * the number, and again without it when the store is there: a start that was cut off in between has lost nothing, and the
 * next one begins again.
 */
export interface DataDirectory {
  file: string;
  /** Call when the store is open. */
  complete(): void;
}

/** Looks before anything is opened. Throws DataDirectoryError, and has then changed nothing. */
export function dataDirectory(dir: string): DataDirectory {
  const file = join(dir, 'wherry.mdb');
  const format = join(dir, 'format');
  const away = `restore a backup, or move ${dir} away to start empty`;
  if (existsSync(format)) {
    const [number, ...rest] = readFileSync(format, 'utf8').trim().split(' ');
    const found = Number(number);
    const beginning = rest.join(' ') === 'new';
    if (!Number.isInteger(found) || found < 1 || (rest.length && !beginning))
      throw new DataDirectoryError(`${format} is damaged: ${away}`);
    if (found !== formatVersion) {
      throw new DataDirectoryError(
        `${dir} has format ${found}, this version of Wherry knows ${formatVersion}: start the version that wrote it, or choose another --data-dir`,
      );
    }
    if (beginning) rmSync(file, { force: true });
    else {
      if (!existsSync(file)) throw new DataDirectoryError(`${file} is missing: ${away}`);
      refuseForeign(file);
      return { file, complete: () => {} };
    }
  } else if (existsSync(file))
    throw new DataDirectoryError(`${dir} is half made (there is no ${format}): ${away}`);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  writeDurably(dir, format, `${formatVersion} new\n`);
  return { file, complete: () => writeDurably(dir, format, `${formatVersion}\n`) };
}

function writeDurably(dir: string, path: string, text: string): void {
  writeFileSync(`${path}.new`, text, { mode: 0o600, flush: true });
  renameSync(`${path}.new`, path);
  const fd = openSync(dir, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
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
