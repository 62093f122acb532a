// Header blocks of SPDY/3.1: names and values, through one zlib stream for each direction of a connection.
//
//   block = count, then for each header: length, name, length, value      (numbers of 32 bits, names in lower case)
//
// Ours are not compressed: they are stored blocks of deflate, which every inflater reads, need no state, and cost some
// hundred bytes for each of the few streams of a connection. Peers compress theirs; reading needs an inflater.
import { spdyDictionaryId } from './dictionary.ts';

export type SpdyHeaders = Record<string, string>;

/** Inflates the blocks of one direction of a connection, in the order in which they came. */
export type Inflate = (block: Uint8Array) => Promise<Uint8Array>;

const encoder = new TextEncoder();
const decoder = new TextDecoder();
/** A stored block carries its length in 16 bits. */
const storedMax = 0xffff;

/** Several values of one header are written with a NUL between them. */
export function encodeHeaders(headers: SpdyHeaders): Uint8Array {
  const parts = Object.entries(headers).flatMap(([name, value]) => [
    encoder.encode(name.toLowerCase()),
    encoder.encode(value),
  ]);
  const out = new Uint8Array(4 + parts.reduce((size, part) => size + 4 + part.length, 0));
  const view = new DataView(out.buffer);
  view.setUint32(0, parts.length / 2);
  let at = 4;
  for (const part of parts) {
    view.setUint32(at, part.length);
    out.set(part, at + 4);
    at += 4 + part.length;
  }
  return out;
}

/** Throws a RangeError for a block that ends early. */
export function decodeHeaders(block: Uint8Array): SpdyHeaders {
  const view = new DataView(block.buffer, block.byteOffset, block.length);
  const headers: SpdyHeaders = {};
  let at = 4;
  const text = () => {
    const size = view.getUint32(at);
    if (at + 4 + size > block.length) throw new RangeError('a header block ends early');
    at += 4 + size;
    return decoder.decode(block.subarray(at - size, at));
  };
  for (let left = view.getUint32(0); left > 0; left--) {
    const name = text();
    headers[name.toLowerCase()] = text();
  }
  return headers;
}

/** Writes the zlib stream of one direction: its first block has the zlib header, which names the dictionary. */
export class HeaderWriter {
  #started = false;

  write(headers: SpdyHeaders): Uint8Array {
    const block = encodeHeaders(headers);
    const start = this.#started ? 0 : 6;
    // The last piece is empty: that is what ends a flush, and what makes inflaters hand out what they have.
    const pieces = Math.ceil(block.length / storedMax) + 1;
    const out = new Uint8Array(start + pieces * 5 + block.length);
    const view = new DataView(out.buffer);
    if (start) {
      view.setUint16(0, 0x783f); // deflate, 32 KiB window, fastest, with a dictionary; a multiple of 31
      view.setUint32(2, spdyDictionaryId);
      this.#started = true;
    }
    let at = start;
    for (let i = 0; i < pieces; i++) {
      const piece =
        i < pieces - 1 ? block.subarray(i * storedMax, (i + 1) * storedMax) : block.subarray(0, 0);
      view.setUint16(at + 1, piece.length, true);
      view.setUint16(at + 3, ~piece.length & 0xffff, true);
      out.set(piece, at + 5);
      at += 5 + piece.length;
    }
    return out;
  }
}
