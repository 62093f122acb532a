// HPACK (RFC 7541): headers as the peer sends them, decoded; ours are sent without a table, so that there is no state.

import { decodeHuffman } from './huffman.ts';

type Header = readonly [name: string, value: string];

/** Appendix A, from index 1. */
const fixed: Header[] = [
  [':authority', ''],
  [':method', 'GET'],
  [':method', 'POST'],
  [':path', '/'],
  [':path', '/index.html'],
  [':scheme', 'http'],
  [':scheme', 'https'],
  ...['200', '204', '206', '304', '400', '404', '500'].map((status): Header => [':status', status]),
  ['accept-charset', ''],
  ['accept-encoding', 'gzip, deflate'],
  ...(
    'accept-language accept-ranges accept access-control-allow-origin age allow authorization cache-control ' +
    'content-disposition content-encoding content-language content-length content-location content-range content-type ' +
    'cookie date etag expect expires from host if-match if-modified-since if-none-match if-range if-unmodified-since ' +
    'last-modified link location max-forwards proxy-authenticate proxy-authorization range referer refresh retry-after ' +
    'server set-cookie strict-transport-security transfer-encoding user-agent vary via www-authenticate'
  )
    .split(' ')
    .map((name): Header => [name, '']),
];
/** What an entry takes of the table beyond its characters (section 4.1). */
const entryBytes = 32;
const largestTable = 4096;
/** Clients repeat themselves: the same few blocks again and again, none of them long. */
const longestKnown = 256;
const mostKnown = 32;

const malformed = () => new RangeError('a header block is not well formed');

/** One connection's headers. The table lives as long as the connection. */
export class HeaderDecoder {
  /** Newest first. */
  #table: Header[] = [];
  #size = 0;
  #limit = largestTable;
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  /** Blocks that left the table as it was, by their bytes; what they say does not change as long as the table does not. */
  readonly #known = new Map<string, ReadonlyMap<string, string>>();

  /** Throws a RangeError; the connection is of no use then. */
  decode(block: Buffer): ReadonlyMap<string, string> {
    const bytes = block.length > longestKnown ? '' : block.toString('latin1');
    const known = this.#known.get(bytes);
    if (known) return known;
    this.#changed = false;
    const headers = this.#decode(block);
    if (this.#changed || this.#known.size === mostKnown) this.#known.clear();
    if (bytes && !this.#changed) this.#known.set(bytes, headers);
    return headers;
  }

  #changed = false;
  #decode(block: Buffer): Map<string, string> {
    const headers = new Map<string, string>();
    this.#bytes = block;
    this.#at = 0;
    while (this.#at < block.length) {
      const byte = block[this.#at]!;
      if (byte & 0x80) {
        const [name, value] = this.#entry(this.#integer(7));
        headers.set(name, value);
      } else if ((byte & 0xe0) === 0x20) {
        this.#limit = this.#integer(5);
        this.#changed = true;
        if (this.#limit > largestTable) throw malformed();
        this.#evict();
      } else {
        const indexed = (byte & 0xc0) === 0x40;
        const index = this.#integer(indexed ? 6 : 4);
        const name = index ? this.#entry(index)[0] : this.#string();
        const value = this.#string();
        headers.set(name, value);
        if (indexed) this.#add([name, value]);
      }
    }
    return headers;
  }

  #add(header: Header): void {
    this.#changed = true;
    this.#table.unshift(header);
    this.#size += header[0].length + header[1].length + entryBytes;
    this.#evict();
  }
  #evict(): void {
    while (this.#size > this.#limit) {
      const [name, value] = this.#table.pop()!;
      this.#size -= name.length + value.length + entryBytes;
    }
  }
  #entry(index: number): Header {
    const found = index <= fixed.length ? fixed[index - 1] : this.#table[index - fixed.length - 1];
    if (!found) throw malformed();
    return found;
  }

  /** Section 5.1: the low bits of a byte, and more bytes when they are all ones. */
  #integer(bits: number): number {
    const most = 2 ** bits - 1;
    let value = this.#bytes[this.#at++]! & most;
    if (value < most) return value;
    for (let shift = 0; ; shift += 7) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined || shift > 21) throw malformed();
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
  }
  #string(): string {
    const huffman = (this.#bytes[this.#at] ?? 0) & 0x80;
    const length = this.#integer(7);
    const bytes = this.#bytes.subarray(this.#at, this.#at + length);
    if (bytes.length < length) throw malformed();
    this.#at += length;
    return huffman ? decodeHuffman(bytes) : Buffer.from(bytes).toString('latin1');
  }
}

const length = (n: number): number[] => {
  if (n < 127) return [n];
  const bytes = [127];
  for (n -= 127; n >= 128; n = Math.floor(n / 128)) bytes.push((n % 128) + 128);
  return [...bytes, n];
};

/** Headers, each a literal that nobody need remember. */
export function encodeHeaders(headers: Record<string, string>): Buffer {
  return Buffer.concat(
    Object.entries(headers).flatMap(([name, value]) =>
      name === ':status' && value === '200'
        ? [Buffer.from([0x88])]
        : [
            Buffer.from([0, ...length(name.length)]),
            Buffer.from(name),
            Buffer.from(length(value.length)),
            Buffer.from(value, 'latin1'),
          ],
    ),
  );
}
