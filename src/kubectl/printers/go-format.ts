// Go's fmt verbs over template values: strings, booleans, nil, lists, maps, bigint for Go's int, number for what
// the data has: int64 where it is whole, float64 where not.
import { Float, formatFloat, goText, kindOf, sortedKeys } from './go-values.ts';

export type Value =
  | string
  | boolean
  | null
  | undefined
  | number
  | bigint
  | Value[]
  | { [key: string]: Value };

export function goType(value: Value): string {
  if (value === null || value === undefined) return '<nil>';
  switch (typeof value) {
    case 'string':
      return 'string';
    case 'boolean':
      return 'bool';
    case 'bigint':
      return 'int';
    case 'number':
      return Number.isSafeInteger(value) ? 'int64' : 'float64';
    default:
      if (value instanceof Float) return 'float64';
      return Array.isArray(value) ? '[]interface {}' : 'map[string]interface {}';
  }
}

/** `%q`. */
export const quote = (text: string): string =>
  `"${text.replace(/["\\\x00-\x1f\x7f]/g, (c) => {
    const simple = {
      '"': '\\"',
      '\\': '\\\\',
      '\n': '\\n',
      '\t': '\\t',
      '\r': '\\r',
      '\b': '\\b',
      '\f': '\\f',
      '\v': '\\v',
      '\x07': '\\a',
    }[c];
    return simple ?? `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`;
  })}"`;

/** `%#v`: `map[string]interface {}{"a":1}`. */
export function goSyntax(value: unknown): string {
  switch (kindOf(value)) {
    case 'nil':
      return 'interface {}(nil)';
    case 'string':
      return quote(value as string);
    case 'slice':
      return `[]interface {}{${(value as unknown[]).map(goSyntax).join(', ')}}`;
    case 'map':
      return `map[string]interface {}{${sortedKeys(value as object)
        .map((key) => `${quote(key)}:${goSyntax((value as Record<string, unknown>)[key])}`)
        .join(', ')}}`;
    default:
      return goText(value);
  }
}

const plain: (value: Value) => string = goText;
/** A whole number of the data is an int64. */
const isInt = (value: Value): value is number | bigint =>
  typeof value === 'bigint' || (typeof value === 'number' && Number.isSafeInteger(value));

interface Spec {
  verb: string;
  minus: boolean;
  plus: boolean;
  zero: boolean;
  space: boolean;
  sharp: boolean;
  width: number | undefined;
  precision: number | undefined;
}

/** `fmt.Sprintf`. */
export function sprintf(format: string, args: Value[]): string {
  let at = 0;
  let out = '';
  const pattern = /%([-+# 0]*)(\*|\d+)?(?:\.(\*|\d+)?)?([a-zA-Z%!]|$)|%./gsu;
  let last = 0;
  for (const match of format.matchAll(pattern)) {
    out += format.slice(last, match.index);
    last = match.index + match[0].length;
    const [whole, flags = '', width, precision, verb] = match;
    if (verb === '') {
      out += '%!(NOVERB)';
      continue;
    }
    const star = (text: string | undefined): number | undefined =>
      text === undefined ? undefined : text === '*' ? Number(args[at++]) : Number(text);
    const spec: Spec = {
      verb: verb ?? whole.slice(1),
      minus: flags.includes('-'),
      plus: flags.includes('+'),
      zero: flags.includes('0') && !flags.includes('-'),
      space: flags.includes(' '),
      sharp: flags.includes('#'),
      width: star(width),
      precision: whole.includes('.') ? (star(precision) ?? 0) : undefined,
    };
    if (spec.verb === '%') out += '%';
    else if (at >= args.length) out += `%!${spec.verb}(MISSING)`;
    else out += padded(one(spec, args[at++]!), spec);
  }
  out += format.slice(last);
  if (at < args.length)
    out += `%!(EXTRA ${args
      .slice(at)
      .map((arg) => (arg === null || arg === undefined ? '<nil>' : `${goType(arg)}=${plain(arg)}`))
      .join(', ')})`;
  return out;
}

function padded(text: string, { width, minus, zero }: Spec): string {
  if (width === undefined) return text;
  const missing = width - [...text].length;
  if (missing <= 0) return text;
  if (minus) return text + ' '.repeat(missing);
  if (!zero) return ' '.repeat(missing) + text;
  const sign = /^[+-]/.test(text) ? text[0]! : '';
  return sign + '0'.repeat(missing) + text.slice(sign.length);
}

/** A verb that does not go with the value: `%!d(string=x)`. */
const bad = (spec: Spec, value: Value): string =>
  value === null || value === undefined
    ? `%!${spec.verb}(<nil>)`
    : `%!${spec.verb}(${goType(value)}=${plain(value)})`;

function one(spec: Spec, value: Value): string {
  const { verb } = spec;
  if (verb === 'T') return goType(value);
  if (verb === 'v') return spec.sharp && typeof value === 'string' ? quote(value) : plain(value);
  if (value instanceof Float) return ofFloat(spec, value.value);
  if (Array.isArray(value)) return `[${value.map((item) => one(spec, item)).join(' ')}]`;
  if (typeof value === 'object' && value !== null)
    return `map[${sortedKeys(value)
      .map((key) => `${one({ ...spec, verb: verb === 'd' ? 'v' : verb }, key)}:${one(spec, value[key])}`)
      .join(' ')}]`;
  switch (typeof value) {
    case 'string':
      return ofString(spec, value);
    case 'boolean':
      return verb === 't' ? String(value) : bad(spec, value);
    case 'bigint':
      return ofInt(spec, value);
    case 'number':
      return isInt(value) ? ofInt(spec, BigInt(value)) : ofFloat(spec, value);
    default:
      return bad(spec, value);
  }
}

const signed = ({ plus, space }: Spec, value: Value, text: string): string =>
  (typeof value === 'bigint' || typeof value === 'number') && !text.startsWith('-')
    ? (plus ? '+' : space ? ' ' : '') + text
    : text;

function ofString(spec: Spec, value: string): string {
  const cut = spec.precision === undefined ? value : [...value].slice(0, spec.precision).join('');
  const hex = () =>
    [...new TextEncoder().encode(cut)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  switch (spec.verb) {
    case 's':
      return cut;
    case 'q':
      return quote(cut);
    case 'x':
      return hex();
    case 'X':
      return hex().toUpperCase();
    default:
      return bad(spec, value);
  }
}

function ofInt(spec: Spec, value: bigint): string {
  const radix = (base: number, prefix: string): string => {
    const digits = (value < 0n ? -value : value).toString(base);
    return (value < 0n ? '-' : '') + (spec.sharp ? prefix : '') + digits;
  };
  switch (spec.verb) {
    case 'd':
      return signed(spec, value, String(value));
    case 'b':
      return radix(2, '0b');
    case 'o':
      return radix(8, '0');
    case 'x':
      return radix(16, '0x');
    case 'X':
      return radix(16, '0X').toUpperCase();
    case 'c':
      return String.fromCodePoint(Number(value));
    case 'q':
      return `'${String.fromCodePoint(Number(value))}'`;
    case 'U':
      return `U+${value.toString(16).toUpperCase().padStart(4, '0')}`;
    default:
      return bad(spec, value);
  }
}

const exponential = (value: number, precision: number): string =>
  value.toExponential(precision).replace(/e([+-])(\d)$/, 'e$10$2');

function ofFloat(spec: Spec, value: number): string {
  switch (spec.verb) {
    case 'f':
    case 'F':
      return signed(spec, value, value.toFixed(spec.precision ?? 6));
    case 'e':
      return signed(spec, value, exponential(value, spec.precision ?? 6));
    case 'E':
      return signed(spec, value, exponential(value, spec.precision ?? 6).toUpperCase());
    case 'g':
    case 'G': {
      const text =
        spec.precision === undefined
          ? formatFloat(value)
          : formatFloat(Number(value.toPrecision(spec.precision || 1)));
      return signed(spec, value, spec.verb === 'G' ? text.toUpperCase() : text);
    }
    default:
      return bad(spec, value);
  }
}
