import {
  close,
  createReadStream,
  createWriteStream,
  fsync,
  mkdirSync,
  openSync,
  readdirSync,
  rename,
  statSync,
  unlink,
  write,
} from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { createGzip } from 'node:zlib';
import type { Log } from '../../../machinery/log.ts';
import type { AuditBackend } from '../auditor.ts';
import { type AuditEvent, legacyLine } from '../event.ts';

const [closeFile, syncFile, renameFile, unlinkFile, writeFile] = [
  promisify(close),
  promisify(fsync),
  promisify(rename),
  promisify(unlink),
  promisify(write),
];

export interface LogFileOptions {
  /** A file, or `-` for standard output. */
  path: string;
  format: 'json' | 'legacy';
  /** Days that a file which was put aside is kept; 0 for ever. */
  maxAgeDays?: number;
  /** Files that were put aside; 0 for any number. */
  maxBackups?: number;
  /** Megabytes after which a file is put aside. */
  maxSizeMB?: number;
  compress?: boolean;
  log: Log;
  now?: () => number;
}

const dayMs = 86_400_000;

/** Writes a line for each event. Throws the system's error when the file cannot be opened. */
export function logFile(options: LogFileOptions): AuditBackend {
  const { path, format, log } = options;
  const lineOf = (event: AuditEvent): string =>
    `${format === 'legacy' ? legacyLine(event) : JSON.stringify(event)}\n`;
  if (path === '-') {
    return {
      name: 'log',
      write: (event) => void process.stdout.write(lineOf(event)),
      close: async () => {},
    };
  }
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const file = new RotatedFile(options);
  let waiting: string[] = [];
  let writing: Promise<void> | undefined;
  let failures = 0;

  async function run(): Promise<void> {
    while (waiting.length) {
      const text = waiting.join('');
      const count = waiting.length;
      waiting = [];
      await file.append(text).catch((error) => {
        // A full disk must not fill the log as well.
        if (failures++ % 1000 === 0) log.error('audit events could not be written', { path, count, error });
      });
    }
    writing = undefined;
  }
  return {
    name: 'log',
    write(event) {
      waiting.push(lineOf(event));
      // One write for all that comes in a turn.
      writing ??= new Promise<void>((resolve) => setImmediate(resolve)).then(run);
    },
    async close() {
      while (writing) await writing;
      await file.close();
    },
  };
}

/** A file that is put aside when it is large, under a name with the time: `audit-2026-01-02T03-04-05.678.log`. */
class RotatedFile {
  readonly #options: LogFileOptions;
  readonly #now: () => number;
  #fd: number;
  #size: number;

  constructor(options: LogFileOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#fd = openSync(options.path, 'a', 0o600);
    this.#size = statSync(options.path).size;
  }
  async append(text: string): Promise<void> {
    const bytes = Buffer.from(text);
    const most = (this.#options.maxSizeMB || 100) * 1e6;
    if (this.#size && this.#size + bytes.length > most) await this.#rotate();
    for (let at = 0; at < bytes.length; ) at += (await writeFile(this.#fd, bytes, at)).bytesWritten;
    this.#size += bytes.length;
  }
  async close(): Promise<void> {
    await syncFile(this.#fd).catch(() => {}); // not every file can: a pipe
    await closeFile(this.#fd);
  }
  async #rotate(): Promise<void> {
    const { path, compress } = this.#options;
    const extension = extname(path);
    const time = new Date(this.#now()).toISOString().slice(0, -1).replaceAll(':', '-');
    const aside = `${path.slice(0, path.length - extension.length)}-${time}${extension}`;
    await closeFile(this.#fd);
    await renameFile(path, aside);
    this.#fd = openSync(path, 'a', 0o600);
    this.#size = 0;
    if (compress) {
      await pipeline(
        createReadStream(aside),
        createGzip(),
        createWriteStream(`${aside}.gz`, { mode: 0o600 }),
      );
      await unlinkFile(aside);
    }
    await this.#forget();
  }
  /** Removes what is too old, or too much. */
  async #forget(): Promise<void> {
    const { path, maxBackups = 0, maxAgeDays = 0 } = this.#options;
    const extension = extname(path);
    const stem = `${basename(path, extension)}-`;
    const old = readdirSync(dirname(path))
      .filter((name) => name.startsWith(stem) && /\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}/.test(name))
      .sort()
      .reverse()
      .map((name) => join(dirname(path), name));
    const since = this.#now() - maxAgeDays * dayMs;
    const gone = old.filter(
      (name, i) => (maxBackups && i >= maxBackups) || (maxAgeDays && statSync(name).mtimeMs < since),
    );
    for (const name of gone) await unlinkFile(name);
  }
}
