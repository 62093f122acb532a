// Values as text, in Go's words.
import { noOverload } from './functions.ts';
import {
  CelError,
  Duration,
  durationText,
  isMap,
  Opaque,
  Timestamp,
  TypeValue,
  timestampText,
  Uint,
  type Value,
} from './values.ts';

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Numbers as Go prints them with `%g`. */
export function doubleText(value: number): string {
  if (Object.is(value, -0)) return '-0';
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';
  const scientific = value.toExponential();
  const exponent = Number(scientific.slice(scientific.indexOf('e') + 1));
  return value !== 0 && (exponent < -4 || exponent >= 6) ? twoDigits(scientific) : String(value);
}

/** `1e+9` is written `1e+09`. */
const twoDigits = (text: string): string => text.replace(/e([+-])(\d)$/, 'e$10$2');

export function bytesText(value: Uint8Array): string {
  try {
    return utf8.decode(value);
  } catch {
    throw new CelError('invalid UTF-8 in bytes, cannot convert to string');
  }
}

export function toText(value: Value): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'bigint' || typeof value === 'boolean') return String(value);
  if (typeof value === 'number') return doubleText(value);
  if (value instanceof Uint) return String(value.value);
  if (value instanceof Timestamp) return timestampText(value);
  if (value instanceof Duration) return durationText(value);
  if (value instanceof Uint8Array) return bytesText(value);
  if (value instanceof TypeValue) return value.name;
  if (value instanceof Opaque) return String(value);
  throw noOverload('string', value);
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
export const quote = (text: string): string =>
  `"${text.toWellFormed().replace(/[\x07\b\f\n\r\t\v\\"]/g, (c) => quoted[c]!)}"`;

/** `%s %d %f %e %b %o %x %X %%`, with a precision where it means something. */
export function format(pattern: string, args: Value[]): string {
  let next = 0;
  let result = '';
  const clauses = /%(?:\.(\d+))?(.?)/gsu;
  let last = 0;
  for (const match of pattern.matchAll(clauses)) {
    const [whole, precision, verb] = match as unknown as [string, string | undefined, string];
    result += pattern.slice(last, match.index);
    last = match.index + whole.length;
    if (verb === '%' && precision === undefined) result += '%';
    else if (verb === '') throw new CelError('unexpected end of string');
    else if (next >= args.length) throw new CelError(`index ${next} out of range`);
    else result += clause(verb, precision === undefined ? 6 : Number(precision), args[next++]!);
  }
  return result + pattern.slice(last);
}

function clause(verb: string, precision: number, value: Value): string {
  if (precision > 100) throw new CelError(`precision ${precision} is too great`);
  const integer = typeof value === 'bigint' ? value : value instanceof Uint ? value.value : undefined;
  switch (verb) {
    case 's':
      return formatText(value);
    case 'd':
      if (integer !== undefined) return String(integer);
      if (typeof value === 'number' && !Number.isFinite(value)) return special(value);
      break;
    case 'f':
    case 'e': {
      const number = doubleOf(value);
      if (number === undefined) break;
      if (!Number.isFinite(number)) return special(number);
      return verb === 'f' ? grouped(fixed(number, precision)) : scientific(number, precision);
    }
    case 'b':
      if (integer !== undefined) return integer.toString(2);
      if (typeof value === 'boolean') return value ? '1' : '0';
      break;
    case 'o':
      if (integer !== undefined) return integer.toString(8);
      break;
    case 'x':
    case 'X': {
      const hex = integer?.toString(16) ?? hexOf(value);
      if (hex !== undefined) return verb === 'X' ? hex.toUpperCase() : hex;
      break;
    }
    default:
      throw new CelError(`could not parse formatting clause: unrecognized formatting clause "${verb}"`);
  }
  throw new CelError(`error during formatting: ${verb} clause cannot be used on this type`);
}

/** `10,002.5`: as English writes numbers. */
const grouped = (text: string): string =>
  text.replace(/^(-?)(\d+)/, (_, sign, digits: string) => sign + digits.replace(/\B(?=(\d{3})+$)/g, ','));

/** `1.05×10⁰³`, as English writes them too. */
function scientific(value: number, precision: number): string {
  const [mantissa, exponent] = twoDigits(value.toExponential(precision)).split('e') as [string, string];
  const raised = exponent
    .replace('+', '')
    .replace(/[-\d]/g, (c) => (c === '-' ? '⁻' : '⁰¹²³⁴⁵⁶⁷⁸⁹'[Number(c)]!));
  return `${mantissa}×10${raised}`;
}

/** Halves go to the even neighbour. */
function fixed(value: number, precision: number): string {
  const rounded = value.toFixed(precision);
  const exact = value.toFixed(Math.min(100, precision + 30));
  const dot = exact.indexOf('.') + 1;
  if (!/^50*$/.test(exact.slice(dot + precision))) return rounded;
  const cut = exact.slice(0, precision ? dot + precision : dot - 1);
  return Number(cut.at(-1)) % 2 ? rounded : cut;
}

const special = (value: number): string =>
  Number.isNaN(value) ? 'NaN' : value > 0 ? 'Infinity' : '-Infinity';

function doubleOf(value: Value): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value === 'bigint') return Number(value);
  if (value instanceof Uint) return Number(value.value);
  return value === 'NaN' || value === 'Infinity' || value === '-Infinity' ? Number(value) : undefined;
}

function hexOf(value: Value): string | undefined {
  const bytes = typeof value === 'string' ? new TextEncoder().encode(value) : value;
  if (!(bytes instanceof Uint8Array)) return undefined;
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

function formatText(value: Value): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return `[${value.map(literalText).join(', ')}]`;
  if (isMap(value)) {
    const entries = value
      .keys()
      .map((key): [string, string] => [literalText(key), literalText(value.get(key)!)]);
    entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    return `{${entries.map(([key, text]) => `${key}:${text}`).join(', ')}}`;
  }
  if (value instanceof Opaque) throw new CelError(`error during formatting: no text of a ${value.type}`);
  return toText(value);
}

/** Within lists and maps, values are written as in an expression. */
function literalText(value: Value): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (value instanceof Uint8Array) return `b${JSON.stringify(bytesText(value))}`;
  if (value instanceof Timestamp) return `timestamp("${timestampText(value)}")`;
  if (value instanceof Duration) return `duration("${durationText(value)}")`;
  if (typeof value === 'number') return Number.isFinite(value) ? value.toFixed(6) : `"${special(value)}"`;
  return formatText(value);
}
