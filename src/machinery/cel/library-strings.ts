// Text: the extended string library (its version 2), regular expressions, and `format`.
// https://kubernetes.io/docs/reference/using-api/cel/#cel-options-language-features-and-libraries
import {
  type CostModel,
  literalInt,
  MOST,
  matching,
  PER_CHARACTER,
  plus,
  type Range,
  reads,
  scale,
  sizeOf,
  times,
  walked,
} from './cost.ts';
import type { Declarations } from './functions.ts';
import { patternOf } from './pattern.ts';
import { format, quote } from './text.ts';
import { CelError, type Value } from './values.ts';

/** Characters as the language counts them: code points. */
const characters = (text: string): string[] => [...text];

function checkRange(index: bigint, length: number): number {
  if (index < 0n || index > BigInt(length)) throw new CelError(`index out of range: ${index}`);
  return Number(index);
}

function indexOf(text: string, part: string, from = 0n): bigint {
  if (part === '') return from;
  if (from < 0n) throw new CelError(`index out of range: ${from}`);
  const list = characters(text);
  if (from >= BigInt(list.length)) return -1n;
  const start = list.slice(0, Number(from)).join('').length;
  const found = text.indexOf(part, start);
  return found < 0 ? -1n : BigInt(characters(text.slice(0, found)).length);
}

function lastIndexOf(text: string, part: string, from?: bigint): bigint {
  const list = characters(text);
  if (part === '') return from ?? BigInt(list.length);
  if (from !== undefined && from < 0n) throw new CelError(`index out of range: ${from}`);
  if (from !== undefined && from >= BigInt(list.length)) return -1n;
  const start = from === undefined ? text.length : list.slice(0, Number(from)).join('').length;
  const found = text.lastIndexOf(part, start);
  return found < 0 ? -1n : BigInt(characters(text.slice(0, found)).length);
}

function replace(text: string, from: string, to: string, limit = -1n): string {
  if (limit === 0n) return text;
  const parts = from === '' ? ['', ...characters(text), ''] : text.split(from);
  if (limit < 0n || limit >= BigInt(parts.length - 1)) return parts.join(to);
  const most = Number(limit);
  return [...parts.slice(0, most), parts.slice(most).join(from)].join(to);
}

function split(text: string, by: string, limit = -1n): string[] {
  if (limit === 0n) return [];
  const parts = by === '' ? characters(text) : text.split(by);
  if (limit < 0n || BigInt(parts.length) <= limit) return parts;
  const most = Number(limit) - 1;
  return [...parts.slice(0, most), parts.slice(most).join(by)];
}

function substring(text: string, from: bigint, to?: bigint): string {
  const list = characters(text);
  if (to !== undefined && from > to)
    throw new CelError(`invalid substring range. start: ${from}, end: ${to}`);
  const start = checkRange(from, list.length);
  return list.slice(start, to === undefined ? undefined : checkRange(to, list.length)).join('');
}

function join(list: Value[], by = ''): string {
  for (const item of list)
    if (typeof item !== 'string') throw new CelError(`join: invalid input: ${String(item)}`);
  return list.join(by);
}

function findAll(text: string, pattern: string, limit = -1n): string[] {
  const matcher = patternOf(pattern).matcher(text);
  const found: string[] = [];
  while ((limit < 0n || BigInt(found.length) < limit) && matcher.find()) found.push(matcher.group() ?? '');
  return found;
}

function find(text: string, pattern: string): string {
  const matcher = patternOf(pattern).matcher(text);
  return matcher.find() ? (matcher.group() ?? '') : '';
}

/** White space as Unicode has it: a byte order mark is none. */
const space = /^[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]$/;
function trimmed(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && space.test(text[start]!)) start++;
  while (end > start && space.test(text[end - 1]!)) end--;
  return text.slice(start, end);
}

const sameSize = (size: Range): Range => size;
const searched: CostModel = { actual: ([text]) => walked(text), estimate: reads().estimate };
const rewritten = reads(0, 1, sameSize);

const replaceCost: CostModel = {
  actual: ([text]) => Math.ceil(sizeOf(text) * 2 * PER_CHARACTER),
  estimate: ([text, from, to]) => {
    const longest = replacements(text!.size.max, from!.size.min, to!.size.max <= from!.size.min);
    const shortest = replacements(text!.size.min, from!.size.max, from!.size.max <= to!.size.min);
    const count = { min: shortest.count, max: longest.count };
    const kept = { min: shortest.kept, max: longest.kept };
    return { cost: scale(text!.size, 2 * PER_CHARACTER), size: plus(times(count, to!.size), kept) };
  },
};

/** How often a part of a size can be replaced, and how much of the text stays besides. */
function replacements(text: number, part: number, noChange: boolean): { count: number; kept: number } {
  if (part === 0) return { count: Math.min(text + 1, MOST), kept: text };
  return noChange ? { count: 0, kept: text } : { count: Math.ceil(text / part), kept: 0 };
}

const splitCost: CostModel = {
  actual: ([text]) => Math.ceil(sizeOf(text) * 2 * PER_CHARACTER),
  estimate: ([text, , limit]) => ({
    cost: scale(text!.size, 2 * PER_CHARACTER),
    size: { min: 0, max: literalInt(limit, text!.size.max) },
  }),
};

const joinCost: CostModel = {
  actual: ([list, by]) => {
    const items = list as Value[];
    const between = Math.max(0, items.length - 1) * (by === undefined ? 0 : sizeOf(by));
    const size = items.reduce<number>((sum, item) => sum + sizeOf(item), between);
    return Math.ceil(size * 2 * PER_CHARACTER);
  },
  estimate: ([list, by]) => {
    const count = { min: Math.max(0, list!.size.min - 1), max: Math.max(0, list!.size.max - 1) };
    const items = times(list!.size, list!.element);
    const size = by ? plus(items, times(by.size, count)) : items;
    return { cost: scale(size, PER_CHARACTER), size };
  },
};

const quoteCost = reads(0, 1, ({ min, max }) => ({ min: min + 2, max: max * 2 + 2 }));

export const strings: Declarations = {
  charAt: {
    string_char_at_int: [
      'string.(int) -> string',
      (text: string, at: bigint) => {
        const list = characters(text);
        return list[checkRange(at, list.length)] ?? '';
      },
    ],
  },
  indexOf: {
    string_index_of_string: ['string.(string) -> int', indexOf, searched],
    string_index_of_string_int: ['string.(string, int) -> int', indexOf, searched],
  },
  lastIndexOf: {
    string_last_index_of_string: ['string.(string) -> int', lastIndexOf, searched],
    string_last_index_of_string_int: ['string.(string, int) -> int', lastIndexOf, searched],
  },
  lowerAscii: {
    string_lower_ascii: [
      'string.() -> string',
      (text: string) => text.replace(/[A-Z]+/g, (part) => part.toLowerCase()),
      rewritten,
    ],
  },
  upperAscii: {
    string_upper_ascii: [
      'string.() -> string',
      (text: string) => text.replace(/[a-z]+/g, (part) => part.toUpperCase()),
      rewritten,
    ],
  },
  replace: {
    string_replace_string_string: ['string.(string, string) -> string', replace, replaceCost],
    string_replace_string_string_int: ['string.(string, string, int) -> string', replace, replaceCost],
  },
  split: {
    string_split_string: ['string.(string) -> list(string)', split, splitCost],
    string_split_string_int: ['string.(string, int) -> list(string)', split, splitCost],
  },
  substring: {
    string_substring_int: ['string.(int) -> string', substring, rewritten],
    string_substring_int_int: ['string.(int, int) -> string', substring, rewritten],
  },
  trim: {
    string_trim: ['string.() -> string', trimmed, rewritten],
  },
  'strings.quote': { strings_quote: ['(string) -> string', quote, quoteCost] },
  join: {
    list_join: ['list(string).() -> string', join, joinCost],
    list_join_string: ['list(string).(string) -> string', join, joinCost],
  },
  format: { string_format: ['string.(list(dyn)) -> string', format, reads()] },
  find: { string_find_string: ['string.(string) -> string', find, matching(true)] },
  findAll: {
    string_find_all_string: ['string.(string) -> list(string)', findAll, matching(true)],
    string_find_all_string_int: ['string.(string, int) -> list(string)', findAll, matching(true)],
  },
};

/** Of use to those who write JSON patches: keys as they stand in paths. */
export const patching: Declarations = {
  'jsonpatch.escapeKey': {
    string_jsonpatch_escapeKey_string: [
      '(string) -> string',
      (text: string) => text.replaceAll('~', '~0').replaceAll('/', '~1'),
      rewritten,
    ],
  },
};
