import type { Edns, Message, Question, RecordData, ResourceRecord } from '../message.ts';
import { types } from '../message.ts';

/** The bytes are no DNS message. */
export class MalformedError extends Error {}

const utf = Array.from({ length: 256 }, (_, byte) => {
  const character = String.fromCharCode(byte);
  if (character === '.' || character === '\\') return `\\${character}`;
  return byte > 32 && byte < 127 ? character : `\\${String(byte).padStart(3, '0')}`;
});

/** A name has at most 127 labels: no honest one is in more pieces. */
const maxJumps = 127;

/** Reads on from an offset; throws MalformedError at the end of the bytes. */
class Reader {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  offset = 0;
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
  #advance(count: number): number {
    const at = this.offset;
    if (at + count > this.bytes.length) throw new MalformedError('message ends early');
    this.offset += count;
    return at;
  }
  u16(): number {
    return this.view.getUint16(this.#advance(2));
  }
  u32(): number {
    return this.view.getUint32(this.#advance(4));
  }
  slice(count: number): Uint8Array {
    const at = this.#advance(count);
    return this.bytes.slice(at, at + count);
  }
  /** A pointer may only lead back, before all that was read of this name: so a name always ends. RFC 1035, 4.1.4. */
  name(): string {
    let text = '';
    let length = 1;
    let at = this.offset;
    let before = at;
    let jumps = 0;
    for (;;) {
      const size = this.bytes[at];
      if (size === undefined) throw new MalformedError('name ends early');
      if (size === 0) {
        if (jumps === 0) this.offset = at + 1;
        return text || '.';
      }
      if (size >= 0xc0) {
        const low = this.bytes[at + 1];
        if (low === undefined) throw new MalformedError('name ends early');
        if (jumps === 0) this.offset = at + 2;
        if (++jumps > maxJumps) throw new MalformedError('name in too many pieces');
        at = ((size & 0x3f) << 8) | low;
        if (at >= before) throw new MalformedError('name points forward');
        before = at;
        continue;
      }
      if (size >= 0x40) throw new MalformedError('unknown kind of label');
      if ((length += size + 1) > 255) throw new MalformedError('name longer than 255 bytes');
      if (at + 1 + size > this.bytes.length) throw new MalformedError('label ends early');
      for (let i = at + 1; i <= at + size; i++) text += utf[this.bytes[i]!];
      text += '.';
      at += size + 1;
    }
  }
}

function recordData(reader: Reader, type: number, end: number): RecordData {
  switch (type) {
    case types.NS:
    case types.CNAME:
    case types.PTR:
      return reader.name();
    case types.MX:
      return { preference: reader.u16(), exchange: reader.name() };
    case types.SRV:
      return { priority: reader.u16(), weight: reader.u16(), port: reader.u16(), target: reader.name() };
    case types.SOA:
      return {
        ...{ mname: reader.name(), rname: reader.name(), serial: reader.u32(), refresh: reader.u32() },
        ...{ retry: reader.u32(), expire: reader.u32(), minimum: reader.u32() },
      };
    case types.A:
    case types.AAAA:
      if (end - reader.offset !== (type === types.A ? 4 : 16))
        throw new MalformedError('address of wrong size');
      return reader.slice(end - reader.offset);
    default:
      return reader.slice(end - reader.offset);
  }
}

function record(reader: Reader): ResourceRecord {
  const name = reader.name();
  const type = reader.u16();
  const recordClass = reader.u16();
  const ttl = reader.u32();
  const end = reader.u16() + reader.offset;
  if (end > reader.bytes.length) throw new MalformedError('record ends early');
  const data = recordData(reader, type, end);
  if (reader.offset !== end) throw new MalformedError('record of wrong size');
  // A TTL with the highest bit set counts as 0. RFC 2181, section 8.
  return { name, type, class: recordClass, ttl: type !== types.OPT && ttl > 0x7fffffff ? 0 : ttl, data };
}

export const headerBytes = 12;

/** Reads a message; throws a MalformedError for what is none. Bytes after the message are ignored. */
export function decode(bytes: Uint8Array): Message {
  const reader = new Reader(bytes);
  const id = reader.u16();
  const flags = reader.u16();
  const [questionCount, ...counts] = [reader.u16(), reader.u16(), reader.u16(), reader.u16()];
  const questions: Question[] = [];
  for (let i = 0; i < questionCount!; i++)
    questions.push({ name: reader.name(), type: reader.u16(), class: reader.u16() });
  const [answers, authorities, extra] = counts.map((count) => {
    const records: ResourceRecord[] = [];
    for (let i = 0; i < count; i++) records.push(record(reader));
    return records;
  }) as [ResourceRecord[], ResourceRecord[], ResourceRecord[]];
  const opts = extra.filter(({ type }) => type === types.OPT);
  if (opts.length > 1) throw new MalformedError('more than one OPT record');
  const [opt] = opts;
  const edns: Edns | undefined = opt && {
    udpSize: opt.class,
    version: (opt.ttl >>> 16) & 0xff,
    dnssec: (opt.ttl & 0x8000) !== 0,
    options: opt.data as Uint8Array,
  };
  return {
    id,
    response: (flags & 0x8000) !== 0,
    opcode: (flags >> 11) & 15,
    authoritative: (flags & 0x400) !== 0,
    truncated: (flags & 0x200) !== 0,
    recursionDesired: (flags & 0x100) !== 0,
    recursionAvailable: (flags & 0x80) !== 0,
    authenticData: (flags & 0x20) !== 0,
    checkingDisabled: (flags & 0x10) !== 0,
    rcode: (flags & 15) | (opt ? (opt.ttl >>> 24) << 4 : 0),
    questions,
    answers,
    authorities,
    additionals: opt ? extra.filter(({ type }) => type !== types.OPT) : extra,
    ...(edns ? { edns } : {}),
  };
}
