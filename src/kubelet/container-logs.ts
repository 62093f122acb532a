// Logs of containers, as the runtime writes them (the CRI format) and as users read them.
//
//   2026-01-02T03:04:05.123456789Z stdout F a whole line
//   2026-01-02T03:04:05.223456789Z stderr P the beginning of a lo
//   2026-01-02T03:04:05.223456790Z stderr F ng line
//
// <logDir>/<namespace>_<pod>_<uid>/<container>/<restart count>.log, and older ones `.log.<YYYYMMDD-HHMMSS>`.
import type { LogFiles } from './host.ts';

export interface LogOptions {
  follow?: boolean;
  tailLines?: number;
  sinceSeconds?: number;
  /** RFC 3339. */
  sinceTime?: string;
  timestamps?: boolean;
  limitBytes?: number;
  /** Only one of the two: `Stdout`, `Stderr`. */
  stream?: string;
}

interface Line {
  time: string;
  stream: string;
  partial: boolean;
  /** With its line end, unless it is partial. */
  content: Uint8Array;
}

const newline = 10;
const space = 32;
const decoder = new TextDecoder();
const encoder = new TextEncoder();
const blockBytes = 65_536;

/** A line without its end; undefined for what is not in the CRI format. */
function parseLine(bytes: Uint8Array): Line | undefined {
  const a = bytes.indexOf(space);
  const b = a < 0 ? -1 : bytes.indexOf(space, a + 1);
  if (b < 0) return undefined;
  const end = bytes.indexOf(space, b + 1);
  const tag = decoder.decode(bytes.subarray(b + 1, end < 0 ? bytes.length : end));
  const partial = tag.startsWith('P');
  const text = end < 0 ? new Uint8Array(0) : bytes.subarray(end + 1);
  const content = new Uint8Array(text.length + (partial ? 0 : 1));
  content.set(text);
  if (!partial) content[text.length] = newline;
  return {
    time: decoder.decode(bytes.subarray(0, a)),
    stream: decoder.decode(bytes.subarray(a + 1, b)),
    partial,
    content,
  };
}

/** Where the last `count` lines begin, counted from the end of the file. */
async function tailOffset(files: LogFiles, path: string, size: number, count: number): Promise<number> {
  if (count <= 0) return size;
  let seen = 0;
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - blockBytes);
    const block = await files.read(path, start, end - start);
    for (let i = block.length - 1; i >= 0; i--) {
      if (block[i] !== newline) continue;
      // The last byte of the file ends a line; it does not begin one.
      if (start + i + 1 === size) continue;
      if (++seen === count) return start + i + 1;
    }
    end = start;
  }
  return 0;
}

/** The last words of a log, without times. */
export async function tailText(files: LogFiles, path: string, lines: number, bytes: number): Promise<string> {
  const size = await files.size(path);
  if (!size) return '';
  // What the runtime adds to short lines is more than the lines: read generously.
  const from = Math.max(await tailOffset(files, path, size, lines), size - blockBytes - bytes * 4);
  let text = '';
  for (const line of splitLines(await files.read(path, from, size - from)))
    text += decoder.decode(parseLine(line)?.content ?? line);
  return text.length > bytes ? text.slice(-bytes) : text;
}

function* splitLines(bytes: Uint8Array): Iterable<Uint8Array> {
  let start = 0;
  for (let i = bytes.indexOf(newline); i >= 0; i = bytes.indexOf(newline, start)) {
    yield bytes.subarray(start, i);
    start = i + 1;
  }
}

/** Older, rotated files of a log, oldest first, and then itself. */
export async function filesOf(files: LogFiles, path: string): Promise<string[]> {
  const slash = path.lastIndexOf('/');
  const directory = path.slice(0, slash);
  const name = path.slice(slash + 1);
  const older = (await files.list(directory)).filter(
    (file) => file.startsWith(`${name}.`) && !file.endsWith('.tmp'),
  );
  return [...older.sort().map((file) => `${directory}/${file}`), path];
}

export interface LogSource {
  path: string;
  /** Whether the container still writes: following ends after it does not. */
  running(): Promise<boolean>;
}

const followMs = 1000;

/** What a user sees of a container's log, in chunks. Ends quietly when the signal aborts. */
export async function* readLog(
  files: LogFiles,
  source: LogSource,
  options: LogOptions,
  nowMs: number,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const since =
    options.sinceSeconds !== undefined
      ? nowMs - options.sinceSeconds * 1000
      : options.sinceTime
        ? Date.parse(options.sinceTime)
        : 0;
  const wanted = options.stream && options.stream !== 'All' ? options.stream.toLowerCase() : undefined;
  let left = options.limitBytes ?? Number.POSITIVE_INFINITY;
  let fresh = true;
  const render = (bytes: Uint8Array): Uint8Array => {
    const parts: Uint8Array[] = [];
    for (const raw of splitLines(bytes)) {
      const line = parseLine(raw);
      if (!line || (wanted && line.stream !== wanted)) continue;
      if (since && Date.parse(line.time) < since) continue;
      // The parts of one long line share one time.
      if (options.timestamps && fresh) parts.push(encoder.encode(`${line.time} `));
      fresh = !line.partial;
      parts.push(line.content);
    }
    return concat(parts);
  };
  const start = await startOf(files, source.path, options);
  for (const [path, from] of start.earlier) {
    const size = (await files.size(path)) ?? 0;
    for (let at = from; at < size && left > 0 && !signal?.aborted; ) {
      const { lines, next } = await wholeLines(files, path, at, size);
      if (next === at) break;
      at = next;
      const out = render(lines).subarray(0, left);
      left -= out.length;
      if (out.length) yield out;
    }
  }
  let at = start.offset;
  let ended = false;
  while (left > 0 && !signal?.aborted) {
    const size = (await files.size(source.path)) ?? 0;
    if (size < at) {
      // It was rotated away: its end is in the newest of the older files, what follows in the new one.
      const rotated = (await filesOf(files, source.path)).at(-2);
      const end = rotated ? ((await files.size(rotated)) ?? 0) : 0;
      const rest = end > at ? render(await files.read(rotated!, at, end - at)).subarray(0, left) : undefined;
      at = 0;
      left -= rest?.length ?? 0;
      if (rest?.length) yield rest;
      continue;
    }
    const { lines, next } = await wholeLines(files, source.path, at, size);
    if (next > at) {
      at = next;
      const out = render(lines).subarray(0, left);
      left -= out.length;
      if (out.length) yield out;
      continue;
    }
    if (!options.follow || ended) return;
    if (!(await source.running())) ended = true;
    else await files.changed(source.path, followMs, signal);
  }
}

/** Whole lines from `at` on, about a block of them. */
async function wholeLines(files: LogFiles, path: string, at: number, size: number) {
  for (let want = blockBytes; at < size; want *= 4) {
    const bytes = await files.read(path, at, Math.min(want, size - at));
    const end = bytes.lastIndexOf(newline) + 1;
    if (end > 0) return { lines: bytes.subarray(0, end), next: at + end };
    if (bytes.length < want) break;
  }
  return { lines: new Uint8Array(0), next: at };
}

/** Rotated files and offsets to begin with. With tailLines, only as far back as needed. */
async function startOf(files: LogFiles, path: string, { tailLines }: LogOptions) {
  const size = (await files.size(path)) ?? 0;
  const older = (await filesOf(files, path)).slice(0, -1);
  if (tailLines === undefined) return { earlier: older.map((file) => [file, 0] as const), offset: 0 };
  const offset = await tailOffset(files, path, size, tailLines);
  if (offset > 0 || older.length === 0) return { earlier: [], offset };
  const all = await files.read(path, 0, size);
  const missing = tailLines - all.reduce((count, byte) => count + (byte === newline ? 1 : 0), 0);
  const last = older.at(-1)!;
  if (missing <= 0) return { earlier: [], offset };
  const from = await tailOffset(files, last, (await files.size(last)) ?? 0, missing);
  return { earlier: [[last, from] as const], offset };
}

function concat(parts: Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
