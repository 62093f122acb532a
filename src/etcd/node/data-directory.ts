import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { DataDirectoryError } from './record.ts';

/** The layout of the file. A file of another number is refused, never changed. */
export const formatVersion = 1;

/**
 * What a data directory has: `format` (the number, a line), `wherry.mdb`, and `owner` while it is in use. `format` is written first, with ` new` after
 * the number, and again without it when the store is there: a start that was cut off in between has lost nothing, and the
 * next one begins again.
 */
export interface DataDirectory {
  file: string;
  /**
   * Set when the file ends before the last page that its newest transaction counts. A killed process leaves that behind: LMDB
   * does not write pages that a transaction took and gave back. Or the file was cut off. Reading all of it tells.
   */
  short?: { bytes: number; wanted: number };
  /** Call when the store is open. */
  complete(): void;
  /** Lets another process have it. */
  release(): void;
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
    if (!beginning) {
      if (!existsSync(file)) throw new DataDirectoryError(`${file} is missing: ${away}`);
      const short = refuseForeign(file);
      claim(dir);
      return { file, ...(short ? { short } : {}), complete: () => {}, release: () => release(dir) };
    }
  } else if (existsSync(file))
    throw new DataDirectoryError(`${dir} is half made (there is no ${format}): ${away}`);
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    claim(dir);
    rmSync(file, { force: true });
    writeDurably(dir, format, `${formatVersion} new\n`);
  } catch (error) {
    if (error instanceof DataDirectoryError) throw error;
    throw new DataDirectoryError(
      `the data directory ${dir} cannot be made (${(error as Error).message}): choose another with --data-dir`,
    );
  }
  return {
    file,
    complete: () => writeDurably(dir, format, `${formatVersion}\n`),
    release: () => release(dir),
  };
}

const held = new Set<string>();

/**
 * Two processes on one store would each overwrite what the other has decided. The file `owner` names the process that has
 * it, with the time at which that process began: one that was killed does not keep it, even when its id is given again.
 */
function claim(dir: string): void {
  const path = join(dir, 'owner');
  const [pid, began] = existsSync(path) ? readFileSync(path, 'utf8').trim().split(' ') : [];
  const owner = Number(pid);
  const taken = owner === process.pid ? held.has(realpathSync(dir)) : began && began === beginningOf(owner);
  if (taken) throw new DataDirectoryError(`${dir} is in use by process ${owner}: stop it first`);
  writeFileSync(path, `${process.pid} ${beginningOf(process.pid) ?? ''}\n`, { mode: 0o600 });
  held.add(realpathSync(dir));
}

function release(dir: string): void {
  if (!existsSync(dir)) return;
  held.delete(realpathSync(dir));
  rmSync(join(dir, 'owner'), { force: true });
}

/** When the process began, in ticks since boot; undefined when there is none. Source: proc(5), /proc/PID/stat, field 22. */
function beginningOf(pid: number): string | undefined {
  const path = `/proc/${pid}/stat`;
  if (!existsSync(path)) return undefined;
  const stat = readFileSync(path, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
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

export const notWhole = (path: string): DataDirectoryError =>
  new DataDirectoryError(
    `${path} is not a whole Wherry store (it is cut off, or something else): restore a backup, or move the directory away to start empty`,
  );

/**
 * LMDB maps the file and dies on a page that is not there: look at both meta pages before it does. A meta page has, from
 * offset 24: magic u32, version u32, address, map size, page size u32 (at 48), ..., last page u64 (at 144), transaction u64.
 */
function refuseForeign(path: string): DataDirectory['short'] {
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
    const wanted = newest ? Number((newest.last + 1n) * BigInt(newest.pageSize)) : 0;
    // No transaction gives back half of the file: LMDB need not be asked.
    if (!newest || size < 2 * newest.pageSize || size < wanted / 2) throw notWhole(path);
    return size < wanted ? { bytes: size, wanted } : undefined;
  } finally {
    closeSync(file);
  }
}
