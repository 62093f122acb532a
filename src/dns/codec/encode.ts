import { type Message, type Mx, type ResourceRecord, type Soa, type Srv, types } from '../message.ts';

const maxBytes = 65_535;

/** A name or a record that cannot be written: a fault of ours, or of a Corefile. */
export class EncodeError extends Error {}
/** The message has become larger than it may be. */
class FullError extends Error {}
const full = new FullError('message is full');

// Written anew for each message: encode() does not wait in the middle, and returns a copy.
const scratch = new Uint8Array(maxBytes);
const scratchView = new DataView(scratch.buffer);

/**
 * `names` has where each name (and each of its tails) was written, for pointers to it:
 * after `web.default.svc.cluster.local.` at 12, a second `web.default...` is the two bytes c0 0c.
 */
class Writer {
  readonly bytes = scratch;
  readonly view = scratchView;
  readonly names = new Map<string, number>();
  offset = 0;
  limit = maxBytes;

  reserve(count: number): number {
    const at = this.offset;
    if (at + count > this.limit) throw full;
    this.offset += count;
    return at;
  }
  u16(value: number): void {
    this.view.setUint16(this.reserve(2), value);
  }
  u32(value: number): void {
    this.view.setUint32(this.reserve(4), value);
  }
  raw(data: Uint8Array): void {
    this.bytes.set(data, this.reserve(data.length));
  }
  name(name: string, compress = true): void {
    const start = this.offset;
    let rest = name;
    while (rest !== '.' && rest !== '') {
      const known = this.names.get(rest);
      if (known !== undefined && compress) {
        this.u16(0xc000 | known);
        return;
      }
      // Pointers have 14 bits.
      if (known === undefined && this.offset < 0x4000) this.names.set(rest, this.offset);
      rest = rest.slice(this.#label(rest));
    }
    this.bytes[this.reserve(1)] = 0;
    if (this.offset - start > 255) throw new EncodeError(`name longer than 255 bytes: ${name}`);
  }
  /** Writes the first label; returns how many characters of the text it took, dot included. */
  #label(text: string): number {
    const at = this.reserve(1);
    let i = 0;
    for (; i < text.length && text[i] !== '.'; i++) {
      let code = text.charCodeAt(i);
      if (code === 0x5c) {
        const digits = /^\d{3}/.exec(text.slice(i + 1))?.[0];
        code = digits ? Number(digits) : text.charCodeAt(i + 1);
        i += digits ? 3 : 1;
      }
      if (!(code < 256)) throw new EncodeError(`character that a name cannot have: ${text}`);
      this.bytes[this.reserve(1)] = code;
    }
    const size = this.offset - at - 1;
    if (size === 0 || size > 63) throw new EncodeError(`label of ${size} bytes: ${text}`);
    this.bytes[at] = size;
    return i + 1;
  }
  record({ name, type, class: recordClass, ttl, data }: ResourceRecord): void {
    this.name(name);
    this.u16(type);
    this.u16(recordClass);
    this.u32(ttl);
    const size = this.reserve(2);
    if (data instanceof Uint8Array) this.raw(data);
    else if (typeof data === 'string') this.name(data);
    else if (type === types.SRV) {
      const { priority, weight, port, target } = data as Srv;
      for (const field of [priority, weight, port]) this.u16(field);
      this.name(target, false); // RFC 2782: not compressed
    } else if (type === types.MX) {
      this.u16((data as Mx).preference);
      this.name((data as Mx).exchange);
    } else {
      const soa = data as Soa;
      this.name(soa.mname);
      this.name(soa.rname);
      for (const field of [soa.serial, soa.refresh, soa.retry, soa.expire, soa.minimum]) this.u32(field);
    }
    this.view.setUint16(size, this.offset - size - 2);
  }
  /** Forgets everything from `offset` on. */
  rewind(offset: number): void {
    this.offset = offset;
    for (const [name, at] of this.names) if (at >= offset) this.names.delete(name);
  }
}

/**
 * The bytes of a message, at most `limit`. What does not fit is left out, from the end, whole records at a time, and the
 * message is marked truncated when answers or authorities are missing: the client then asks again over TCP. The question
 * and the OPT record always stay.
 */
export function encode(message: Message, limit = maxBytes): Uint8Array {
  const writer = new Writer();
  const { edns } = message;
  const reserved = edns ? 11 + edns.options.length : 0;
  const flags =
    (message.response ? 0x8000 : 0) |
    ((message.opcode & 15) << 11) |
    (message.authoritative ? 0x400 : 0) |
    (message.truncated ? 0x200 : 0) |
    (message.recursionDesired ? 0x100 : 0) |
    (message.recursionAvailable ? 0x80 : 0) |
    (message.authenticData ? 0x20 : 0) |
    (message.checkingDisabled ? 0x10 : 0) |
    (message.rcode & 15);
  for (const field of [message.id, flags, message.questions.length, 0, 0, 0]) writer.u16(field);
  for (const { name, type, class: questionClass } of message.questions) {
    writer.name(name);
    writer.u16(type);
    writer.u16(questionClass);
  }
  writer.limit = Math.min(limit, maxBytes) - reserved;
  const counts = [0, 0, 0];
  const sections = [message.answers, message.authorities, message.additionals];
  let truncated = message.truncated;
  fill: for (const [section, records] of sections.entries()) {
    for (const record of records) {
      const start = writer.offset;
      try {
        writer.record(record);
        counts[section]!++;
      } catch (error) {
        if (error !== full) throw error;
        writer.rewind(start);
        // What is only added for the client's convenience is not missed.
        truncated ||= section < 2;
        break fill;
      }
    }
  }
  writer.limit = maxBytes;
  if (edns) {
    writer.bytes[writer.reserve(1)] = 0;
    writer.u16(types.OPT);
    writer.u16(edns.udpSize);
    writer.u32((((message.rcode >> 4) << 24) | (edns.version << 16) | (edns.dnssec ? 0x8000 : 0)) >>> 0);
    writer.u16(edns.options.length);
    writer.raw(edns.options);
    counts[2]!++;
  }
  if (truncated) writer.view.setUint16(2, flags | 0x200);
  counts.forEach((count, section) => {
    writer.view.setUint16(6 + 2 * section, count);
  });
  return writer.bytes.slice(0, writer.offset);
}
