// What a DNS message says, apart from how it is written (codec/). RFC 1035, section 4; EDNS0: RFC 6891.

/** Record types that are more to us than a number. */
export const types = {
  ...{ A: 1, NS: 2, CNAME: 5, SOA: 6, HINFO: 13, PTR: 12, MX: 15, TXT: 16, AAAA: 28, SRV: 33, OPT: 41 },
  ...{ IXFR: 251, AXFR: 252, ANY: 255 },
} as const;
const typeNames = new Map<number, string>(Object.entries(types).map(([name, type]) => [type, name]));
export const typeName = (type: number): string => typeNames.get(type) ?? `TYPE${type}`;

export const rcodes = {
  ...{ NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5, BADVERS: 16 },
} as const;
const rcodeNames = new Map<number, string>(Object.entries(rcodes).map(([name, code]) => [code, name]));
export const rcodeName = (rcode: number): string => rcodeNames.get(rcode) ?? `RCODE${rcode}`;

export const classIN = 1;

export interface Question {
  /** Absolute, with the final dot, in the letters that it came in. */
  readonly name: string;
  readonly type: number;
  readonly class: number;
}

export interface Srv {
  readonly priority: number;
  readonly weight: number;
  readonly port: number;
  readonly target: string;
}
export interface Mx {
  readonly preference: number;
  readonly exchange: string;
}
export interface Soa {
  readonly mname: string;
  readonly rname: string;
  readonly serial: number;
  readonly refresh: number;
  readonly retry: number;
  readonly expire: number;
  /** Seconds for which "there is no such thing" may be remembered. */
  readonly minimum: number;
}

/** NS, CNAME and PTR: a name; SRV, MX, SOA: their fields; any other type: the bytes as they are (A: 4, AAAA: 16). */
export type RecordData = string | Uint8Array | Srv | Mx | Soa;

export interface ResourceRecord {
  readonly name: string;
  readonly type: number;
  readonly class: number;
  /** Seconds. */
  readonly ttl: number;
  readonly data: RecordData;
}

export interface Edns {
  /** Bytes of UDP payload that the sender can take. */
  readonly udpSize: number;
  readonly version: number;
  /** DNSSEC records are wanted. */
  readonly dnssec: boolean;
  readonly options: Uint8Array;
}

/** Immutable: answers are shared by the cache. */
export interface Message {
  readonly id: number;
  readonly response: boolean;
  readonly opcode: number;
  readonly authoritative: boolean;
  readonly truncated: boolean;
  readonly recursionDesired: boolean;
  readonly recursionAvailable: boolean;
  readonly authenticData: boolean;
  readonly checkingDisabled: boolean;
  /** With the upper bits that EDNS adds. */
  readonly rcode: number;
  readonly questions: readonly Question[];
  readonly answers: readonly ResourceRecord[];
  readonly authorities: readonly ResourceRecord[];
  /** Without the OPT record: that is `edns`. */
  readonly additionals: readonly ResourceRecord[];
  readonly edns?: Edns;
}

/** A question as a client asks it. */
export const query = (id: number, name: string, type: number, more: Partial<Message> = {}): Message => ({
  ...{ id, response: false, opcode: 0, authoritative: false, truncated: false, recursionDesired: true },
  ...{ recursionAvailable: false, authenticData: false, checkingDisabled: false, rcode: rcodes.NOERROR },
  questions: [{ name, type, class: classIN }],
  ...{ answers: [], authorities: [], additionals: [] },
  ...more,
});

/** An answer to a message, without records unless given. */
export const reply = (to: Message, more: Partial<Message> = {}): Message => ({
  ...{ id: to.id, response: true, opcode: to.opcode, authoritative: false, truncated: false },
  ...{ recursionDesired: to.recursionDesired, recursionAvailable: true, authenticData: false },
  ...{ checkingDisabled: to.checkingDisabled, rcode: rcodes.NOERROR, questions: to.questions },
  ...{ answers: [], authorities: [], additionals: [] },
  ...more,
});

/** TXT data: strings of at most 255 bytes each. */
export function text(...strings: string[]): Uint8Array {
  const parts = strings.map((string) => new TextEncoder().encode(string).slice(0, 255));
  return Uint8Array.from(parts.flatMap((part) => [part.length, ...part]));
}
