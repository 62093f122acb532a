// The protobuf wire format: varints, tags, lengths. Knows nothing of messages; message.ts and the API's own codec
// build on it. Format: https://protobuf.dev/programming-guides/encoding/
//
// 64-bit integers are JavaScript numbers, exact up to 2^53.

// A byte order mark is a character like others.
const textDecoder = new TextDecoder('utf-8', { ignoreBOM: true });
const textEncoder = new TextEncoder();
const TWO_32 = 0x1_0000_0000;
const TWO_63 = 2 ** 63;
/** The largest double below 2^63. */
export const largestInt64 = TWO_63 - 1024;
/** What a writer that is used again keeps of its room. */
const mostKept = 1 << 20;

/**
 * Writes into one growing buffer. A nested message is written in place: beginMessage() leaves one byte for the length,
 * endMessage() fills it in and moves the content only when the length needs more (content of 128 bytes and above).
 */
export class ProtoWriter {
  private buffer: Uint8Array<ArrayBuffer>;
  private view: DataView | undefined;
  private length = 0;

  constructor(capacity = 256) {
    this.buffer = new Uint8Array(capacity);
  }

  private reserve(count: number): void {
    if (this.length + count <= this.buffer.length) return;
    const larger = new Uint8Array(Math.max(this.buffer.length * 2, this.length + count));
    larger.set(this.buffer.subarray(0, this.length));
    this.buffer = larger;
    this.view = undefined;
  }

  tag(field: number, wire: number): this {
    return this.uint32(((field << 3) | wire) >>> 0);
  }

  uint32(value: number): this {
    this.reserve(5);
    let rest = value >>> 0;
    while (rest > 0x7f) {
      this.buffer[this.length++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.buffer[this.length++] = rest;
    return this;
  }

  /** Any integer, signed or not: a negative one is written in two's complement, ten bytes. */
  int64(value: number): this {
    if (value >= 0 && value < TWO_32) return this.uint32(value);
    this.reserve(10);
    let high = Math.floor(value / TWO_32);
    let low = (value - high * TWO_32) >>> 0;
    high >>>= 0;
    while (high > 0 || low > 0x7f) {
      this.buffer[this.length++] = (low & 0x7f) | 0x80;
      low = ((low >>> 7) | (high << 25)) >>> 0;
      high >>>= 7;
    }
    this.buffer[this.length++] = low;
    return this;
  }

  double(value: number): this {
    this.reserve(8);
    this.view ??= new DataView(this.buffer.buffer);
    this.view.setFloat64(this.length, value, true);
    this.length += 8;
    return this;
  }

  /** Length, then the bytes. */
  bytes(value: Uint8Array): this {
    this.uint32(value.length);
    this.reserve(value.length);
    this.buffer.set(value, this.length);
    this.length += value.length;
    return this;
  }

  /** Length, then UTF-8. */
  string(value: string): this {
    const { length } = value;
    if (length < 64) {
      this.reserve(length + 1);
      const start = this.length + 1;
      let index = 0;
      for (; index < length; index++) {
        const code = value.charCodeAt(index);
        if (code > 0x7f) break;
        this.buffer[start + index] = code;
      }
      if (index === length) {
        this.buffer[this.length] = length;
        this.length = start + length;
        return this;
      }
    }
    const mark = this.beginLength();
    this.reserve(length * 3);
    const { written } = textEncoder.encodeInto(value, this.buffer.subarray(this.length));
    this.length += written;
    this.endMessage(mark);
    return this;
  }

  /** Bytes as they are, without a length: a message that is already encoded, a magic prefix. */
  raw(value: Uint8Array): this {
    this.reserve(value.length);
    this.buffer.set(value, this.length);
    this.length += value.length;
    return this;
  }

  /** Starts a length-delimited field; give the result to endMessage(). */
  beginMessage(field: number): number {
    this.tag(field, 2);
    return this.beginLength();
  }

  private beginLength(): number {
    this.reserve(1);
    return ++this.length;
  }

  endMessage(mark: number): void {
    const size = this.length - mark;
    if (size <= 0x7f) {
      this.buffer[mark - 1] = size;
      return;
    }
    const extra = size < 1 << 14 ? 1 : size < 1 << 21 ? 2 : size < 1 << 28 ? 3 : 4;
    this.reserve(extra);
    this.buffer.copyWithin(mark + extra, mark, this.length);
    this.length = mark - 1;
    this.uint32(size);
    this.length += size;
  }

  /** The bytes written so far, as a copy of their own; the writer is empty then. */
  finish(): Uint8Array<ArrayBuffer> {
    const written = this.buffer.slice(0, this.length);
    this.length = 0;
    if (this.buffer.length > mostKept) {
      this.buffer = new Uint8Array(mostKept);
      this.view = undefined;
    }
    return written;
  }
}

/**
 * Reads from a view of the given bytes; nothing is copied but by bytes(), and that only unless `shared`. Throws RangeError
 * where the input ends early.
 */
export class ProtoReader {
  position = 0;
  private readonly buffer: Uint8Array;
  private readonly shared: boolean;

  constructor(buffer: Uint8Array, start = 0, shared = false) {
    this.buffer = buffer;
    this.position = start;
    this.shared = shared;
  }

  private byte(): number {
    const value = this.buffer[this.position++];
    if (value === undefined) throw new RangeError('protobuf: truncated input');
    return value;
  }

  /** The low 32 bits of a varint, unsigned. */
  uint32(): number {
    let value = this.byte();
    if (value < 0x80) return value;
    value &= 0x7f;
    for (let shift = 7; shift < 70; shift += 7) {
      const next = this.byte();
      if (shift < 32) value |= (next & 0x7f) << shift;
      if (next < 0x80) return value >>> 0;
    }
    throw new RangeError('protobuf: a varint of more than ten bytes');
  }

  int32(): number {
    return this.uint32() | 0;
  }

  uint64(): number {
    return this.varint64(false);
  }

  int64(): number {
    return this.varint64(true);
  }

  private varint64(signed: boolean): number {
    let low = 0;
    let high = 0;
    for (let index = 0; index < 10; index++) {
      const next = this.byte();
      const bits = next & 0x7f;
      if (index < 4) low |= bits << (index * 7);
      else if (index === 4) {
        low |= bits << 28;
        high = bits >>> 4;
      } else high |= bits << (index * 7 - 32);
      if (next < 0x80) {
        const value = (signed ? high | 0 : high >>> 0) * TWO_32 + (low >>> 0);
        // Rounded up to 2^63 it would no longer be an int64: written again, it would be negative.
        return signed && value >= TWO_63 ? largestInt64 : value;
      }
    }
    throw new RangeError('protobuf: a varint of more than ten bytes');
  }

  double(): number {
    const start = this.take(8);
    return new DataView(this.buffer.buffer, this.buffer.byteOffset + start, 8).getFloat64(0, true);
  }

  /** Reads a length and returns the position where that field ends. */
  lengthEnd(): number {
    const length = this.uint32();
    const end = this.position + length;
    if (end > this.buffer.length) throw new RangeError('protobuf: truncated input');
    return end;
  }

  /** A copy, so that a small field does not hold a large message in memory; a part of the input for who shares it. */
  bytes(): Uint8Array {
    const end = this.lengthEnd();
    const { buffer, byteOffset } = this.buffer;
    const part = new Uint8Array(buffer, byteOffset + this.position, end - this.position);
    this.position = end;
    return this.shared ? part : new Uint8Array(part);
  }

  string(): string {
    const end = this.lengthEnd();
    const start = this.position;
    this.position = end;
    if (end - start > 24) return textDecoder.decode(this.buffer.subarray(start, end));
    let text = '';
    for (let index = start; index < end; index++) {
      const code = this.buffer[index]!;
      if (code > 0x7f) return textDecoder.decode(this.buffer.subarray(start, end));
      text += String.fromCharCode(code);
    }
    return text;
  }

  skip(wire: number): void {
    if (wire === 0) this.uint64();
    else if (wire === 1) this.take(8);
    else if (wire === 2) this.position = this.lengthEnd();
    else if (wire === 5) this.take(4);
    else throw new RangeError(`protobuf: wire type ${wire}`);
  }

  private take(count: number): number {
    const start = this.position;
    if (start + count > this.buffer.length) throw new RangeError('protobuf: truncated input');
    this.position = start + count;
    return start;
  }
}
