import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { DataDirectoryError, segmentPath, syncDirectory } from './log-segment.ts';

/** The layout of the directory. One of another number is refused, never changed; `format-1.ts` takes over the older one. */
export const formatVersion = 2;

/**
 * What a data directory has: `format` (the number, a line), the segments of the log (`00000001.log`, ...), `witness`, and
 * `owner` while it is in use. `format` is written first, with ` new` after the number, and again without it when the store is
 * there: a start that was cut off in between has lost nothing, and the next one begins again.
 */
export interface DataDirectory {
  /** Call when the store is open. */
  complete(): void;
  /** Lets another process have it. */
  release(): void;
}

/**
 * Looks before anything is opened. Throws DataDirectoryError, and has then changed nothing. With `older`, a directory of
 * format 1 is given, to be made one of today's.
 */
export function dataDirectory(dir: string, { older = false } = {}): DataDirectory {
  const format = join(dir, 'format');
  const first = segmentPath(dir, 1);
  const away = `restore a backup, or move ${dir} away to start empty`;
  if (existsSync(format)) {
    const [number, ...rest] = readFileSync(format, 'utf8').trim().split(' ');
    const found = Number(number);
    const beginning = rest.join(' ') === 'new';
    if (!Number.isInteger(found) || found < 1 || (rest.length && !beginning))
      throw new DataDirectoryError(`${format} is damaged: ${away}`);
    if (found > formatVersion) {
      throw new DataDirectoryError(
        `${dir} has format ${found}, this version of Wherry knows ${formatVersion}: start the version that wrote it, or choose another --data-dir`,
      );
    }
    if (!beginning && found < formatVersion && !older)
      throw new DataDirectoryError(`${dir} has format ${found}, and nobody has taken it over: ${away}`);
    if (!beginning && found === formatVersion) {
      if (!existsSync(first)) throw new DataDirectoryError(`${first} is missing: ${away}`);
      claim(dir);
      return { complete: () => {}, release: () => release(dir) };
    }
  } else if (existsSync(first) || existsSync(join(dir, 'wherry.mdb')))
    throw new DataDirectoryError(`${dir} is half made (there is no ${format}): ${away}`);
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    if (!statSync(dir).isDirectory()) throw new Error('it is no directory');
    claim(dir);
    if (!older) writeDurably(dir, format, `${formatVersion} new\n`);
    // Of a start, a restore or a taking over that was cut off.
    for (const name of readdirSync(dir)) if (/\.log(\.new)?$|^witness$/.test(name)) rmSync(join(dir, name));
  } catch (error) {
    if (error instanceof DataDirectoryError) throw error;
    throw new DataDirectoryError(
      `the data directory ${dir} cannot be made (${(error as Error).message}): choose another with --data-dir`,
    );
  }
  return {
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
  syncDirectory(dir);
}
