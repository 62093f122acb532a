// Text: the extended string library, regular expressions, and `format`.
// https://kubernetes.io/docs/reference/using-api/cel/#cel-options-language-features-and-libraries

import { noOverload } from './operators.ts';
import { patternOf } from './pattern.ts';
import type { Library } from './scope.ts';
import { spend } from './scope.ts';
import { doubleText, toText } from './text.ts';
import { CelError, isMap, Timestamp, TypeValue, timestampText, Uint, type Value } from './values.ts';

function text(value: Value | undefined, name: string): string {
  if (typeof value !== 'string') throw noOverload(name, value ?? null);
  return value;
}
function whole(value: Value | undefined, name: string): number {
  if (typeof value !== 'bigint') throw noOverload(name, value ?? null);
  return Number(value);
}

/** Characters as the language counts them: code points. */
const characters = (value: string): string[] => [...value];

function checkRange(index: number, length: number): void {
  if (index < 0 || index > length) throw new CelError(`index out of range: ${index}`);
}

function indexOf(value: Value, part: Value, from: number): bigint {
  if (Array.isArray(value)) throw noOverload('indexOf', value, part);
  const list = characters(text(value, 'indexOf'));
  const wanted = characters(text(part, 'indexOf'));
  checkRange(from, list.length);
  for (let i = from; i + wanted.length <= list.length; i++)
    if (wanted.every((c, j) => list[i + j] === c)) return BigInt(i);
  return -1n;
}

function lastIndexOf(value: Value, part: Value, from: number | undefined): bigint {
  const list = characters(text(value, 'lastIndexOf'));
  const wanted = characters(text(part, 'lastIndexOf'));
  if (from !== undefined) checkRange(from, list.length);
  for (let i = Math.min(from ?? list.length, list.length - wanted.length); i >= 0; i--)
    if (wanted.every((c, j) => list[i + j] === c)) return BigInt(i);
  return -1n;
}

function replace(value: string, from: string, to: string, limit: number): string {
  if (limit === 0) return value;
  if (limit < 0) return value.split(from).join(to);
  const parts = value.split(from);
  const head = parts.slice(0, limit + 1);
  const rest = parts.slice(limit + 1);
  return head.join(to) + (rest.length ? from + rest.join(from) : '');
}

function split(value: string, by: string, limit: number): string[] {
  if (limit === 0) return [];
  const parts = by === '' ? characters(value) : value.split(by);
  if (limit < 0 || parts.length <= limit) return parts;
  return [...parts.slice(0, limit - 1), parts.slice(limit - 1).join(by)];
}

const quoted: Record<string, string> = {
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\\': '\\\\',
  '"': '\\"',
};
const quote = (value: string): string => `"${value.replace(/[\x07\b\f\n\r\t\v\\"]/g, (c) => quoted[c]!)}"`;

/** `%s %d %f %e %b %o %x %X %%`, with a precision where it means something. */
function format(pattern: string, args: Value[]): string {
  let next = 0;
  return pattern.replace(/%(?:\.(\d+))?([a-zA-Z%])/g, (_, precision: string | undefined, verb: string) => {
    if (verb === '%') return '%';
    if (next >= args.length) throw new CelError(`index ${next} out of range`);
    return clause(verb, precision === undefined ? undefined : Number(precision), args[next++]!);
  });
}

function clause(verb: string, precision: number | undefined, value: Value): string {
  const integer = typeof value === 'bigint' ? value : value instanceof Uint ? value.value : undefined;
  const bytes =
    value instanceof Uint8Array
      ? value
      : typeof value === 'string'
        ? new TextEncoder().encode(value)
        : undefined;
  switch (verb) {
    case 's':
      return formatText(value);
    case 'd':
      if (integer !== undefined) return String(integer);
      if (typeof value === 'number' && !Number.isFinite(value)) return doubleText(value);
      break;
    case 'f':
      if (typeof value === 'number' || integer !== undefined)
        return Number(integer ?? value).toFixed(precision ?? 6);
      break;
    case 'e':
      if (typeof value === 'number' || integer !== undefined)
        return Number(integer ?? value)
          .toExponential(precision ?? 6)
          .replace(/e([+-])(\d)$/, 'e$10$2');
      break;
    case 'b':
      if (integer !== undefined) return integer.toString(2);
      if (typeof value === 'boolean') return value ? '1' : '0';
      break;
    case 'o':
      if (integer !== undefined) return integer.toString(8);
      break;
    case 'x':
    case 'X': {
      const hex =
        integer?.toString(16) ?? (bytes && [...bytes].map((b) => b.toString(16).padStart(2, '0')).join(''));
      if (hex !== undefined) return verb === 'X' ? hex.toUpperCase() : hex;
      break;
    }
    default:
      throw new CelError(`could not parse formatting clause: unrecognized formatting clause "${verb}"`);
  }
  throw new CelError(`error during formatting: ${verb} clause cannot be used on this type`);
}

function formatText(value: Value): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return `[${value.map(formatText).join(', ')}]`;
  if (value instanceof TypeValue) return value.name;
  if (value instanceof Timestamp) return timestampText(value);
  if (typeof value === 'object' && !(value instanceof Uint8Array) && isMap(value))
    return `{${value
      .keys()
      .map((key) => `${formatText(key)}: ${formatText(value.get(key)!)}`)
      .sort()
      .join(', ')}}`;
  return toText(value);
}

export const strings: Library = {
  charAt: ([value, index]) => {
    const list = characters(text(value, 'charAt'));
    const at = whole(index, 'charAt');
    checkRange(at, list.length);
    return list[at] ?? '';
  },
  lowerAscii: ([value]) => text(value, 'lowerAscii').replace(/[A-Z]/g, (c) => c.toLowerCase()),
  upperAscii: ([value]) => text(value, 'upperAscii').replace(/[a-z]/g, (c) => c.toUpperCase()),
  replace: ([value, from, to, limit]) =>
    replace(
      text(value, 'replace'),
      text(from, 'replace'),
      text(to, 'replace'),
      limit === undefined ? -1 : whole(limit, 'replace'),
    ),
  split: ([value, by, limit], _, budget) => {
    spend(budget, text(value, 'split').length / 10);
    return split(value as string, text(by, 'split'), limit === undefined ? -1 : whole(limit, 'split'));
  },
  substring: ([value, from, to]) => {
    const list = characters(text(value, 'substring'));
    const start = whole(from, 'substring');
    const end = to === undefined ? list.length : whole(to, 'substring');
    checkRange(start, list.length);
    checkRange(end, list.length);
    if (start > end) throw new CelError(`invalid substring range. start: ${start}, end: ${end}`);
    return list.slice(start, end).join('');
  },
  trim: ([value]) => text(value, 'trim').trim(),
  reverse: ([value]) =>
    Array.isArray(value) ? [...value].reverse() : characters(text(value, 'reverse')).reverse().join(''),
  'strings.quote': ([value]) => quote(text(value, 'strings.quote')),
  join: ([list, by]) => {
    if (!Array.isArray(list)) throw noOverload('join', list!);
    return list.map((item) => text(item, 'join')).join(by === undefined ? '' : text(by, 'join'));
  },
  format: ([pattern, args]) => {
    if (!Array.isArray(args)) throw noOverload('format', pattern!, args ?? null);
    return format(text(pattern, 'format'), args);
  },
  find: ([value, pattern]) => {
    const matcher = patternOf(text(pattern, 'find')).matcher(text(value, 'find'));
    return matcher.find() ? (matcher.group(0) ?? '') : '';
  },
  findAll: ([value, pattern, limit]) => {
    const most = limit === undefined ? -1 : whole(limit, 'findAll');
    const matcher = patternOf(text(pattern, 'findAll')).matcher(text(value, 'findAll'));
    const found: string[] = [];
    while (found.length !== most && matcher.find()) found.push(matcher.group(0) ?? '');
    return found;
  },
  'jsonpatch.escapeKey': ([value]) =>
    text(value, 'jsonpatch.escapeKey').replaceAll('~', '~0').replaceAll('/', '~1'),
};

export const textIndexOf = indexOf;
export const textLastIndexOf = lastIndexOf;
