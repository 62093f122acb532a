/** Thrown for an expression that cannot be read; `position` counts characters from 0. */
export class CelSyntaxError extends Error {
  readonly position: number;
  constructor(message: string, position: number) {
    super(message);
    this.position = position;
  }
}

/** A parsed expression. Macros stand as calls of their names; what they do is for the compiler to know. */
export type Node =
  | {
      kind: 'literal';
      value: string | number | bigint | boolean | null | Uint8Array | UintLiteral;
      at: number;
    }
  | { kind: 'name'; name: string; at: number }
  | { kind: 'select'; of: Node; name: string; optional: boolean; at: number }
  | { kind: 'index'; of: Node; index: Node; optional: boolean; at: number }
  | { kind: 'call'; name: string; target?: Node; args: Node[]; at: number }
  | { kind: 'list'; items: { value: Node; optional: boolean }[]; at: number }
  | { kind: 'map'; entries: { key: Node; value: Node; optional: boolean }[]; at: number }
  | { kind: 'message'; type: string; fields: { name: string; value: Node; optional: boolean }[]; at: number };

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

const symbols = [
  '||',
  '&&',
  '<=',
  '>=',
  '==',
  '!=',
  '.',
  ',',
  '(',
  ')',
  '[',
  ']',
  '{',
  '}',
  '?',
  ':',
  '<',
  '>',
  '+',
  '-',
  '*',
  '/',
  '%',
  '!',
];
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
const number = /^(0x[0-9a-fA-F]+|(?:\d+\.\d+|\.\d+|\d+)(?:[eE][+-]?\d+)?)(u|U)?/;

/** Splits an expression into tokens. Throws CelSyntaxError. */
export function tokenize(source: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < source.length) {
    const rest = source.slice(at, at + 3);
    if (/^\s/.test(rest)) at++;
    else if (rest.startsWith('//')) while (at < source.length && source[at] !== '\n') at++;
    else {
      const token =
        stringToken(source, at) ??
        nameToken(source, at) ??
        numberToken(source, at) ??
        symbolToken(source, at);
      if (!token) throw new CelSyntaxError(`Syntax error: token recognition error at: '${source[at]}'`, at);
      tokens.push(token.token);
      at = token.end;
    }
  }
  tokens.push({ kind: 'end', text: '<EOF>', at });
  return tokens;
}

interface Found {
  token: Token;
  end: number;
}

function stringToken(source: string, at: number): Found | undefined {
  const match = /^([rRbB]{0,2})("""|'''|"|')/.exec(source.slice(at, at + 5));
  if (!match) return undefined;
  const prefix = match[1]!.toLowerCase();
  const quote = match[2]!;
  const raw = prefix.includes('r');
  const bytes = prefix.includes('b');
  let position = at + match[0].length;
  let text = '';
  const codes: number[] = [];
  for (;;) {
    if (position >= source.length || (quote.length === 1 && source[position] === '\n'))
      throw new CelSyntaxError('Syntax error: a string is not closed', at);
    if (source.startsWith(quote, position)) break;
    if (source[position] === '\\' && !raw) {
      const read = readEscape(source, position, bytes);
      if (bytes && typeof read.value === 'number') codes.push(...encode(text), read.value);
      if (bytes && typeof read.value === 'number') text = '';
      else text += typeof read.value === 'number' ? String.fromCodePoint(read.value) : read.value;
      position = read.end;
    } else text += source[position++];
  }
  const value = bytes ? Uint8Array.from([...codes, ...encode(text)]) : text;
  const end = position + quote.length;
  return { token: { kind: 'literal', text: source.slice(at, end), value, at }, end };
}

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

function readEscape(source: string, at: number, bytes: boolean): { value: string | number; end: number } {
  const c = source[at + 1] ?? '';
  if (escapes[c] !== undefined) return { value: escapes[c]!, end: at + 2 };
  const rest = source.slice(at + 1, at + 10);
  const match = /^(?:[xX]([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2}))/.exec(rest);
  if (!match) throw new CelSyntaxError(`Syntax error: unknown escape \\${c}`, at);
  const [whole, hex, short, long, octal] = match;
  const code = octal ? Number.parseInt(octal, 8) : Number.parseInt((hex ?? short ?? long)!, 16);
  if (code > 0x10ffff) throw new CelSyntaxError('Syntax error: no such character', at);
  const isByte = bytes && (hex !== undefined || octal !== undefined);
  return { value: isByte ? code : String.fromCodePoint(code), end: at + 1 + whole.length };
}

function nameToken(source: string, at: number): Found | undefined {
  const quoted = /^`([A-Za-z0-9_.\-/ ]+)`/.exec(source.slice(at));
  if (quoted) return { token: { kind: 'name', text: quoted[1]!, at }, end: at + quoted[0].length };
  const match = /^[A-Za-z_]\w*/.exec(source.slice(at));
  if (!match) return undefined;
  const text = match[0];
  const end = at + text.length;
  const values: Record<string, unknown> = { true: true, false: false, null: null };
  if (Object.hasOwn(values, text)) return { token: { kind: 'literal', text, value: values[text], at }, end };
  return { token: { kind: text === 'in' ? 'symbol' : 'name', text, at }, end };
}

function numberToken(source: string, at: number): Found | undefined {
  const match = number.exec(source.slice(at));
  if (!match) return undefined;
  const [text, digits, unsigned] = match;
  const isFloat = !digits!.startsWith('0x') && /[.eE]/.test(digits!);
  if (isFloat && unsigned) throw new CelSyntaxError(`Syntax error: ${text}`, at);
  const value = unsigned ? { uint: BigInt(digits!) } : isFloat ? Number(digits) : BigInt(digits!);
  return { token: { kind: 'literal', text, value, at }, end: at + text.length };
}

function symbolToken(source: string, at: number): Found | undefined {
  const text = symbols.find((symbol) => source.startsWith(symbol, at));
  return text ? { token: { kind: 'symbol', text, at }, end: at + text.length } : undefined;
}
