// How Go prints, orders and compares JSON values: kubectl's templates show it.

/** A JSON value's kind in the words of Go. */
export type GoKind = 'nil' | 'bool' | 'int' | 'float' | 'string' | 'slice' | 'map';

/** A float literal of a template that is whole: the data's whole numbers are ints. */
export class Float {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
  valueOf(): number {
    return this.value;
  }
}

export function kindOf(value: unknown): GoKind {
  if (value === null || value === undefined) return 'nil';
  switch (typeof value) {
    case 'boolean':
      return 'bool';
    case 'number':
      return Number.isSafeInteger(value) ? 'int' : 'float';
    case 'bigint':
      return 'int';
    case 'string':
      return 'string';
    default:
      return Array.isArray(value) ? 'slice' : value instanceof Float ? 'float' : 'map';
  }
}

/** The type's name, as in messages: `map[string]interface {}`. */
export function typeName(value: unknown): string {
  switch (kindOf(value)) {
    case 'nil':
      return 'interface {}';
    case 'bool':
      return 'bool';
    case 'int':
      return 'int64';
    case 'float':
      return 'float64';
    case 'string':
      return 'string';
    case 'slice':
      return '[]interface {}';
    default:
      return 'map[string]interface {}';
  }
}

const byName = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
export const sortedKeys = (value: object): string[] => Object.keys(value).sort(byName);

/** A float: shortest digits, an exponent from `largest` (a power of ten) up and below 1e-4. */
function floatText(value: number, largest: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';
  if (value === 0) return Object.is(value, -0) ? '-0' : '0';
  const [digits, exponent] = value.toExponential().split('e') as [string, string];
  const power = Number(exponent);
  if (power >= -4 && power < largest) return String(value);
  return `${digits}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
}

/** A float as `%v` and `%g` have it. */
export const formatFloat = (value: number): string => floatText(value, 6);

/** `%v`: `<nil>`, `map[a:1 b:2]`, `[a b]`. */
export function goText(value: unknown): string {
  switch (kindOf(value)) {
    case 'nil':
      return '<nil>';
    case 'float':
      return formatFloat(Number(value));
    case 'slice':
      return `[${(value as unknown[]).map(goText).join(' ')}]`;
    case 'map':
      return `map[${sortedKeys(value as object)
        .map((key) => `${key}:${goText((value as Record<string, unknown>)[key])}`)
        .join(' ')}]`;
    default:
      return String(value);
  }
}

const escapes: Record<string, string> = {
  '<': '\\u003c',
  '>': '\\u003e',
  '&': '\\u0026',
  '\u2028': '\\u2028',
  '\u2029': '\\u2029',
};

/** JSON as Go writes it: keys sorted, `<`, `>` and `&` escaped. `indent` is the text of one level; '' for one line. */
export function goJson(value: unknown, indent = '', at = ''): string {
  switch (kindOf(value)) {
    case 'nil':
      return 'null';
    case 'string':
      return JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, (c) => escapes[c]!);
    case 'slice':
    case 'map':
      break;
    case 'float':
      return floatText(value as number, 21);
    default:
      return String(value);
  }
  const inner = at + indent;
  const items = Array.isArray(value)
    ? value.map((item) => goJson(item, indent, inner))
    : sortedKeys(value as object)
        .filter((key) => (value as Record<string, unknown>)[key] !== undefined)
        .map(
          (key) =>
            `${goJson(key)}:${indent ? ' ' : ''}${goJson((value as Record<string, unknown>)[key], indent, inner)}`,
        );
  const [open, close] = Array.isArray(value) ? '[]' : '{}';
  if (!items.length) return open! + close!;
  return indent
    ? `${open}\n${items.map((item) => inner + item).join(',\n')}\n${at}${close}`
    : open + items.join(',') + close;
}

/** Thrown where Go's templates refuse to compare. */
export class ComparisonError extends Error {}

/** `==` of templates: basic kinds only, and of one kind. */
export function goEqual(a: unknown, b: unknown): boolean {
  const [x, y] = [kindOf(a), kindOf(b)];
  if (x === 'slice' || x === 'map' || y === 'slice' || y === 'map')
    throw new ComparisonError('invalid type for comparison');
  if (x === 'nil' || y === 'nil') return x === y;
  if (x !== y) throw new ComparisonError('incompatible types for comparison');
  return a === b;
}

/** `<` of templates. */
export function goLess(a: unknown, b: unknown): boolean {
  const [x, y] = [kindOf(a), kindOf(b)];
  for (const kind of [x, y])
    if (kind === 'slice' || kind === 'map' || kind === 'nil' || kind === 'bool')
      throw new ComparisonError('invalid type for comparison');
  if (x !== y) throw new ComparisonError('incompatible types for comparison');
  return (a as string | number) < (b as string | number);
}

const simpleEscapes: Record<string, string> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  "'": "'",
  '"': '"',
};

/** The text inside a quoted Go literal (without its quotes). Throws an Error on an escape that Go does not know. */
export function unquote(text: string, quote: string): string {
  return text.replace(
    /\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}|[\s\S])/g,
    (_, code: string) => {
      if (/^[xuU]./.test(code)) return String.fromCodePoint(Number.parseInt(code.slice(1), 16));
      if (/^[0-7]{3}$/.test(code)) return String.fromCharCode(Number.parseInt(code, 8));
      const plain = simpleEscapes[code];
      if (plain === undefined || ((code === "'" || code === '"') && code !== quote))
        throw new Error('invalid syntax');
      return plain;
    },
  );
}
