// What is recorded of a store: every call, every answer, every delivery of a watch, in the order in which they happened.

/** Values are numbers, each written once; `corrupt` is what no writer has written. */
export const corrupt = -1;

export interface Kv {
  key: string;
  value: number;
  create: number;
  mod: number;
  version: number;
  lease: number;
}

export type Compare = { key: string; target: 'mod' | 'create' | 'version'; equals: number };
export type Op =
  | { op: 'put'; key: string; value: number; lease: number }
  | { op: 'delete'; key: string; end?: string }
  | { op: 'range'; key: string; end?: string; limit: number };

export type Call =
  | { call: 'txn'; compare: Compare[]; success: Op[]; failure: Op[] }
  | { call: 'range'; key: string; end?: string; limit: number; revision: number; countOnly: boolean }
  | { call: 'compact'; revision: number }
  | { call: 'grant'; lease: number }
  | { call: 'revoke'; lease: number };

export interface RangeAnswer {
  kvs: Kv[];
  count: number;
  more: boolean;
  revision: number;
}
export type OpAnswer = RangeAnswer | { deleted: Kv[] } | null;
export type Answer =
  | { call: 'txn'; succeeded: boolean; revision: number; answers: OpAnswer[] }
  | { call: 'range'; range: RangeAnswer }
  | { call: 'compact' | 'grant' }
  | { call: 'revoke'; revision: number };

/** `nothing`: it was not done, for sure. `unknown`: it may have been. */
export type Refusal = 'compacted' | 'future' | 'nothing' | 'no lease' | 'unknown';

/** `previous` is left out where it was not asked for; null: there is none, or it is compacted. */
export type Change = { type: 'put' | 'delete'; kv: Kv; previous?: Kv | null };

export type Event =
  /** A store is opened: what it says of itself. Everything that was under way before is over. */
  | { is: 'open'; revision: number; compacted: number; leases: number[] }
  | { is: 'call'; id: number; call: Call }
  | { is: 'answer'; id: number; answer: Answer }
  | { is: 'refusal'; id: number; why: Refusal; text: string }
  /** `next`: the store's newest revision then, and one more; or the revision that was asked for. */
  | { is: 'watch'; watch: number; key: string; end: string; next: number }
  | { is: 'changes'; watch: number; revision: number; changes: Change[] }
  | { is: 'unwatch'; watch: number }
  | { is: 'ended'; watch: number; why: 'compacted' | 'other' }
  /** Nothing is under way, and every watch has had time to be told. */
  | { is: 'quiet'; revision: number };

/** The watch that sees everything, from the first revision on, across restarts. */
export const observer = 0;
export const everything = { key: '/registry/', end: '/registry0' };

/** Some leases last longer than any history. */
export const isLong = (lease: number): boolean => lease % 3 === 0;

const encoder = new TextEncoder();
const decoder = new TextDecoder();
/** What follows the number: some values are empty behind it, some long. */
const padding = (value: number): string => (value % 29 === 0 ? 'x'.repeat(2500) : 'y'.repeat(value % 7));

export const encodeValue = (value: number): Uint8Array => encoder.encode(`${value}:${padding(value)}`);
export function decodeValue(bytes: Uint8Array): number {
  const text = decoder.decode(bytes);
  const value = Number(text.slice(0, text.indexOf(':')));
  return text === `${value}:${padding(value)}` ? value : corrupt;
}

/** A generator of numbers from 0 to 1 that a seed determines (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b_79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
