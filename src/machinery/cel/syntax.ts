// Tokens, the parsed expression, and what is said about one that cannot be read.

export interface Issue {
  message: string;
  /** Counts UTF-16 units from 0; -1 for the whole expression. */
  at: number;
}

const MOST_ISSUES = 100;
const LONGEST_LINE = 16384;

/** Thrown for an expression that cannot be compiled. The message shows each place as cel-go shows it. */
export class CelSyntaxError extends Error {
  readonly issues: readonly Issue[];
  constructor(source: string, issues: readonly Issue[]) {
    const sorted = [...issues].sort((a, b) => a.at - b.at);
    const shown = sorted.slice(0, MOST_ISSUES).map((issue) => issueText(source, issue));
    if (sorted.length > MOST_ISSUES) shown.push(`${sorted.length - MOST_ISSUES} more errors were truncated`);
    super(shown.join('\n'));
    this.issues = sorted;
  }
}

/** `ERROR: <input>:1:5: Syntax error: ...`, the line, and a mark under the place. */
function issueText(source: string, { message, at }: Issue): string {
  if (at < 0) return `ERROR: <input>:-1:0: ${message}`;
  const before = source.slice(0, at).split('\n');
  const left = [...before.at(-1)!];
  const text = `ERROR: <input>:${before.length}:${left.length + 1}: ${message}`;
  const line = (source.split('\n')[before.length - 1] ?? '').replaceAll('\t', ' ');
  if (line.length > LONGEST_LINE) return text;
  const wide = (c: string | undefined) => c !== undefined && c.codePointAt(0)! > 0x7f;
  const dots = left.map((c) => (wide(c) ? '．' : '.')).join('');
  const mark = wide([...line][left.length]) ? '＾' : '^';
  return `${text}\n | ${line}\n | ${dots}${mark}`;
}

/** Where a node stands: of calls the parenthesis, of operators the operator, of selections the dot. */
interface At {
  at: number;
}

/**
 * A parsed expression, macros expanded. Operators are calls: `_+_`, `_?_:_`, `_[_]`; `a.?b` is `_?._(a, 'b')`.
 * `has(a.b)` is a select that tests.
 */
export type Node = At &
  (
    | { kind: 'literal'; value: string | number | bigint | boolean | null | Uint8Array | UintLiteral }
    | { kind: 'name'; name: string }
    | { kind: 'select'; of: Node; name: string; test: boolean }
    | { kind: 'call'; name: string; target?: Node; args: Node[] }
    | { kind: 'list'; items: { value: Node; optional: boolean }[] }
    | { kind: 'map'; entries: { key: Node; value: Node; optional: boolean }[] }
    | { kind: 'struct'; type: string; fields: { name: string; value: Node; optional: boolean; at: number }[] }
    | Fold
  );

/**
 * A loop: `result` of an accumulator that starts as `init` and becomes `step` for each element of `range`, as long as
 * `condition` holds. `names` has the variable of the element, or those of place and element.
 */
export interface Fold extends At {
  kind: 'fold';
  range: Node;
  names: string[];
  accumulator: string;
  init: Node;
  condition: Node;
  step: Node;
  result: Node;
}

/** `12u` */
export interface UintLiteral {
  uint: bigint;
}

export interface Token {
  kind: 'name' | 'literal' | 'symbol' | 'end';
  text: string;
  value?: any;
  at: number;
}

const symbols = '|| && <= >= == != . , ( ) [ ] { } ? : < > + - * / % !'.split(' ');
const escapes: Record<string, string> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  '?': '?',
  '"': '"',
  "'": "'",
  '`': '`',
};
const number = /(0x[0-9a-fA-F]+|(?:\d+\.\d+|\.\d+|\d+)(?:[eE][+-]?\d+)?)(u|U)?/y;
const name = /[A-Za-z_]\w*/y;
const quotedName = /`([A-Za-z0-9_.\-/ ]+)`/y;
const opening = /([rR]?[bB]?|[bB][rR])("""|'''|"|')/y;
const constants: Record<string, unknown> = { true: true, false: false, null: null };

interface Found {
  token: Token;
  end: number;
}

/** Splits an expression into tokens. What is none is noted among the issues and left out. */
export function tokenize(source: string, issues: Issue[], quotedNames: boolean): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < source.length) {
    const c = source[at]!;
    if (/\s/.test(c)) at++;
    else if (source.startsWith('//', at)) while (at < source.length && source[at] !== '\n') at++;
    else {
      const found =
        stringToken(source, at, issues) ??
        nameToken(source, at, quotedNames) ??
        numberToken(source, at, issues) ??
        symbolToken(source, at);
      if (typeof found === 'number') at = found;
      else if (found) {
        tokens.push(found.token);
        at = found.end;
      } else {
        const end = unknownEnd(source, at);
        issues.push({ message: `Syntax error: token recognition error at: '${source.slice(at, end)}'`, at });
        at = end;
      }
    }
  }
  tokens.push({ kind: 'end', text: '<EOF>', at });
  return tokens;
}

/** `|` and `&` alone are taken together with what follows, as the start of an operator that does not come. */
function unknownEnd(source: string, at: number): number {
  const length = String.fromCodePoint(source.codePointAt(at)!).length;
  const half = '|&='.includes(source[at]!) && at + 1 < source.length;
  return at + length + (half ? 1 : 0);
}

/** A number for where to go on after a string that is broken. */
function stringToken(source: string, at: number, issues: Issue[]): Found | number | undefined {
  opening.lastIndex = at;
  const match = opening.exec(source);
  if (!match) return undefined;
  const prefix = match[1]!.toLowerCase();
  const quote = match[2]!;
  const raw = prefix.includes('r');
  const bytes = prefix.includes('b');
  let position = at + match[0].length;
  const parts: (string | number)[] = [];
  const broken = (end: number): number => {
    issues.push({ message: `Syntax error: token recognition error at: '${source.slice(at, end)}'`, at });
    return end;
  };
  for (;;) {
    if (position >= source.length) return broken(source.length);
    if (quote.length === 1 && (source[position] === '\n' || source[position] === '\r'))
      return broken(position + 1);
    if (source.startsWith(quote, position)) break;
    if (source[position] === '\\' && !raw) {
      const read = readEscape(source, position, bytes);
      if (!read) return broken(position + 2);
      parts.push(read.value);
      position = read.end;
    } else {
      const end = plainEnd(source, position, quote, raw);
      parts.push(source.slice(position, end).replaceAll('\r\n', '\n').replaceAll('\r', '\n'));
      position = end;
    }
  }
  const value = bytes ? bytesOf(parts) : parts.join('');
  const end = position + quote.length;
  return { token: { kind: 'literal', text: source.slice(at, end), value, at }, end };
}

/** Where a stretch of text without escapes ends. */
function plainEnd(source: string, at: number, quote: string, raw: boolean): number {
  let end = at;
  while (end < source.length) {
    const c = source[end]!;
    if ((c === '\\' && !raw) || source.startsWith(quote, end)) break;
    if (quote.length === 1 && (c === '\n' || c === '\r')) break;
    end++;
  }
  return end;
}

function bytesOf(parts: (string | number)[]): Uint8Array {
  const result: number[] = [];
  const encoder = new TextEncoder();
  for (const part of parts)
    if (typeof part === 'number') result.push(part);
    else for (const byte of encoder.encode(part)) result.push(byte);
  return Uint8Array.from(result);
}

const numericEscape = /[xX]([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})/y;

/** A number is one byte of a bytes literal. */
function readEscape(
  source: string,
  at: number,
  bytes: boolean,
): { value: string | number; end: number } | undefined {
  const c = source[at + 1] ?? '';
  if (Object.hasOwn(escapes, c)) return { value: escapes[c]!, end: at + 2 };
  numericEscape.lastIndex = at + 1;
  const match = numericEscape.exec(source);
  if (!match) return undefined;
  const [whole, hex, short, long, octal] = match;
  const code = octal ? Number.parseInt(octal, 8) : Number.parseInt((hex ?? short ?? long)!, 16);
  if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return undefined;
  const isByte = bytes && (hex !== undefined || octal !== undefined);
  return { value: isByte ? code : String.fromCodePoint(code), end: at + 1 + whole.length };
}

function nameToken(source: string, at: number, quotedNames: boolean): Found | undefined {
  if (quotedNames) {
    quotedName.lastIndex = at;
    const quoted = quotedName.exec(source);
    if (quoted)
      return { token: { kind: 'name', text: quoted[1]!, value: 'quoted', at }, end: at + quoted[0].length };
  }
  name.lastIndex = at;
  const text = name.exec(source)?.[0];
  if (!text) return undefined;
  const end = at + text.length;
  if (Object.hasOwn(constants, text))
    return { token: { kind: 'literal', text, value: constants[text], at }, end };
  return { token: { kind: text === 'in' ? 'symbol' : 'name', text, at }, end };
}

function numberToken(source: string, at: number, issues: Issue[]): Found | undefined {
  number.lastIndex = at;
  const match = number.exec(source);
  if (!match) return undefined;
  const [text, digits, unsigned] = match;
  const isFloat = !digits!.startsWith('0x') && /[.eE]/.test(digits!);
  const end = at + (isFloat && unsigned ? text.length - 1 : text.length);
  const token: Token = { kind: 'literal', text: source.slice(at, end), at };
  if (isFloat) {
    token.value = Number(digits);
    if (!Number.isFinite(token.value)) issues.push({ message: 'invalid double literal', at });
  } else if (unsigned) {
    token.value = { uint: BigInt(digits!) };
    if (token.value.uint > 18446744073709551615n) issues.push({ message: 'invalid uint literal', at });
  } else token.value = BigInt(digits!); // its range is known only with its sign
  return { token, end };
}

function symbolToken(source: string, at: number): Found | undefined {
  const text = symbols.find((symbol) => source.startsWith(symbol, at));
  return text ? { token: { kind: 'symbol', text, at }, end: at + text.length } : undefined;
}
