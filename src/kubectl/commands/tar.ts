// Archives in the tar format (POSIX ustar, with pax headers for long names): what cp sends and gets.
const blockBytes = 512;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

export interface TarEntry {
  name: string;
  type: 'file' | 'directory' | 'link';
  mode: number;
  modifiedMs: number;
  target?: string;
  data?: Uint8Array;
}

const padded = (bytes: number): number => Math.ceil(bytes / blockBytes) * blockBytes;

function header(
  name: string,
  type: string,
  size: number,
  entry: Pick<TarEntry, 'mode' | 'modifiedMs' | 'target'>,
): Uint8Array {
  const block = new Uint8Array(blockBytes);
  const put = (text: string, at: number, length: number) =>
    block.set(encoder.encode(text).subarray(0, length), at);
  const octal = (value: number, at: number, length: number) =>
    put(
      `${Math.floor(value)
        .toString(8)
        .padStart(length - 1, '0')}\0`,
      at,
      length,
    );
  put(name, 0, 100);
  octal(entry.mode, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(Math.max(0, entry.modifiedMs / 1000), 136, 12);
  put('        ', 148, 8);
  put(type, 156, 1);
  put(entry.target ?? '', 157, 100);
  put('ustar\x0000', 257, 8);
  const sum = block.reduce((total, byte) => total + byte, 0);
  put(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 8);
  return block;
}

const paxRecord = (key: string, value: string): string => {
  const body = ` ${key}=${value}\n`;
  const bytes = encoder.encode(body).length;
  // The length counts its own digits.
  let length = bytes + String(bytes).length;
  if (String(length).length + bytes !== length) length = bytes + String(length).length;
  return `${length}${body}`;
};

const withPadding = (data: Uint8Array): Uint8Array => {
  const whole = new Uint8Array(padded(data.length));
  whole.set(data);
  return whole;
};

/** The blocks of one entry. */
export function* tarBlocks(entry: TarEntry): Generator<Uint8Array> {
  const data = entry.data ?? new Uint8Array();
  const name = entry.type === 'directory' && !entry.name.endsWith('/') ? `${entry.name}/` : entry.name;
  const records: string[] = [];
  if (encoder.encode(name).length > 100) records.push(paxRecord('path', name));
  if (entry.target && encoder.encode(entry.target).length > 100)
    records.push(paxRecord('linkpath', entry.target));
  if (data.length >= 8 ** 11) records.push(paxRecord('size', String(data.length)));
  if (records.length) {
    const body = encoder.encode(records.join(''));
    yield header('PaxHeader', 'x', body.length, { mode: 0o644, modifiedMs: 0 });
    yield withPadding(body);
  }
  const type = entry.type === 'file' ? '0' : entry.type === 'directory' ? '5' : '2';
  yield header(name, type, data.length, entry);
  if (data.length) yield withPadding(data);
}

/** What ends an archive. */
export const tarEnd = (): Uint8Array => new Uint8Array(2 * blockBytes);

const text = (block: Uint8Array, at: number, length: number): string => {
  const bytes = block.subarray(at, at + length);
  const end = bytes.indexOf(0);
  return decoder.decode(end < 0 ? bytes : bytes.subarray(0, end));
};

function number(block: Uint8Array, at: number, length: number): number {
  // A first byte with its high bit set: the rest is binary (GNU).
  if (block[at]! & 0x80)
    return block.subarray(at + 1, at + length).reduce((value, byte) => value * 256 + byte, 0);
  return Number.parseInt(text(block, at, length).trim() || '0', 8);
}

/** Reads entries as they come. Throws an Error for what is no archive. */
export async function* readTar(source: AsyncIterable<Uint8Array>): AsyncGenerator<TarEntry> {
  const reader = new Reader(source);
  let extra: Record<string, string> = {};
  for (;;) {
    const block = await reader.take(blockBytes);
    if (!block || block.every((byte) => byte === 0)) {
      await reader.drain();
      return;
    }
    const sum = block.reduce((total, byte, i) => total + (i >= 148 && i < 156 ? 32 : byte), 0);
    if (sum !== number(block, 148, 8)) throw new Error('archive/tar: invalid tar header');
    const type = String.fromCharCode(block[156]!);
    const size = extra.size ? Number(extra.size) : number(block, 124, 12);
    const data = size ? await reader.take(padded(size)) : new Uint8Array();
    if (!data) throw new Error('unexpected EOF');
    const body = data.subarray(0, size);
    if (type === 'x' || type === 'g') {
      if (type === 'x') extra = { ...extra, ...paxRecords(decoder.decode(body)) };
      continue;
    }
    if (type === 'L' || type === 'K') {
      extra[type === 'L' ? 'path' : 'linkpath'] = text(body, 0, body.length);
      continue;
    }
    const prefix =
      text(block, 257, 5) === 'ustar' && text(block, 257, 6) !== 'ustar ' ? text(block, 345, 155) : '';
    const short = text(block, 0, 100);
    yield {
      name: extra.path ?? (prefix ? `${prefix}/${short}` : short),
      type: type === '5' ? 'directory' : type === '2' || type === '1' ? 'link' : 'file',
      mode: number(block, 100, 8) & 0o7777,
      modifiedMs: number(block, 136, 12) * 1000,
      target: extra.linkpath ?? text(block, 157, 100),
      data: body,
    };
    extra = {};
  }
}

function paxRecords(body: string): Record<string, string> {
  const records: Record<string, string> = {};
  for (const line of body.split('\n')) {
    const match = /^\d+ ([^=]+)=(.*)$/.exec(line);
    if (match) records[match[1]!] = match[2]!;
  }
  return records;
}

/** Takes a stream of pieces apart into portions of any size. */
class Reader {
  readonly #source: AsyncIterator<Uint8Array>;
  #pieces: Uint8Array[] = [];
  #have = 0;
  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Undefined at the end of the stream. */
  async take(bytes: number): Promise<Uint8Array | undefined> {
    while (this.#have < bytes) {
      const { done, value } = await this.#source.next();
      if (done) return undefined;
      this.#pieces.push(value);
      this.#have += value.length;
    }
    const taken = new Uint8Array(bytes);
    let at = 0;
    while (at < bytes) {
      const [piece] = this.#pieces as [Uint8Array];
      const part = piece.subarray(0, bytes - at);
      taken.set(part, at);
      at += part.length;
      if (part.length === piece.length) this.#pieces.shift();
      else this.#pieces[0] = piece.subarray(part.length);
    }
    this.#have -= bytes;
    return taken;
  }

  /** Reads on to the end, so that the sender is not cut off. */
  async drain(): Promise<void> {
    while (!(await this.#source.next()).done);
  }
}
