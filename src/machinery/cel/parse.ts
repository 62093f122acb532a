// The grammar of the Common Expression Language.
// https://github.com/google/cel-spec/blob/master/doc/langdef.md#syntax
import { expandMacro } from './macros.ts';
import { CelSyntaxError, type Issue, type Node, type Token, tokenize } from './syntax.ts';

/** How deep an expression may be nested, and how long it may be in characters. */
const MAX_DEPTH = 250;
const MAX_LENGTH = 100_000;

const reserved = new Set(
  (
    'as break const continue else false for function if import in let loop package namespace null return true var ' +
    'void while'
  ).split(' '),
);

/** Names of the functions that operators stand for. */
const relations: Record<string, string> = {
  '<': '_<_',
  '<=': '_<=_',
  '>': '_>_',
  '>=': '_>=_',
  '==': '_==_',
  '!=': '_!=_',
  in: '@in',
};
const additions: Record<string, string> = { '+': '_+_', '-': '_-_' };
const products: Record<string, string> = { '*': '_*_', '/': '_/_', '%': '_%_' };

const anyExpression =
  "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}";

export interface Grammar {
  /** Names in backquotes: `a.`b-c``. */
  quotedNames: boolean;
}

/** Throws CelSyntaxError. */
export function parse(source: string, { quotedNames }: Grammar): Node {
  const length = source.length > MAX_LENGTH ? [...source].length : 0;
  if (length > MAX_LENGTH)
    throw new CelSyntaxError(source, [
      { message: `expression code point size exceeds limit: size: ${length}, limit ${MAX_LENGTH}`, at: -1 },
    ]);
  const issues: Issue[] = [];
  const parser = new Parser(tokenize(source, issues, quotedNames), issues);
  let root: Node | undefined;
  try {
    root = parser.whole();
  } catch (error) {
    if (!(error instanceof Stop)) throw error;
  }
  if (issues.length || !root) throw new CelSyntaxError(source, issues);
  return root;
}

/** Nothing more can be read after a mistake in the grammar. */
class Stop extends Error {}

class Parser {
  readonly #tokens: Token[];
  readonly #issues: Issue[];
  #at = 0;
  #depth = 0;
  constructor(tokens: Token[], issues: Issue[]) {
    this.#tokens = tokens;
    this.#issues = issues;
  }

  whole(): Node {
    const node = this.#expression();
    if (this.#peek().kind !== 'end') this.#unexpected('<EOF>');
    return node;
  }

  #peek(): Token {
    return this.#tokens[this.#at]!;
  }
  #is(symbol: string): boolean {
    const token = this.#peek();
    return token.kind === 'symbol' && token.text === symbol;
  }
  #take(symbol: string): boolean {
    if (!this.#is(symbol)) return false;
    this.#at++;
    return true;
  }
  #expect(symbol: string): void {
    if (!this.#take(symbol)) this.#unexpected(`'${symbol}'`);
  }
  #report(message: string, at: number): void {
    this.#issues.push({ message, at });
  }
  #unexpected(expecting: string): never {
    const { text, at, kind } = this.#peek();
    const last = kind !== 'end' && expecting === '<EOF>' && this.#tokens[this.#at + 1]!.kind === 'end';
    const what = last ? 'extraneous' : 'mismatched';
    this.#report(`Syntax error: ${what} input '${text}' expecting ${expecting}`, at);
    throw new Stop();
  }
  #deeper(depth: number): void {
    if (depth <= MAX_DEPTH) return;
    this.#report(`expression recursion limit exceeded: ${MAX_DEPTH}`, -1);
    throw new Stop();
  }

  #expression(): Node {
    this.#deeper(++this.#depth);
    const condition = this.#logic('||');
    const { at } = this.#peek();
    let node = condition;
    if (this.#take('?')) {
      const yes = this.#logic('||');
      this.#expect(':');
      node = { kind: 'call', name: '_?_:_', args: [condition, yes, this.#expression()], at };
    }
    this.#depth--;
    return node;
  }

  /** A chain of `||` or `&&` becomes a balanced tree, however long it is. */
  #logic(operator: '||' | '&&'): Node {
    const operand = () => (operator === '||' ? this.#logic('&&') : this.#binary(0));
    const terms = [operand()];
    const places: number[] = [];
    while (this.#is(operator)) {
      places.push(this.#peek().at);
      this.#at++;
      terms.push(operand());
    }
    const tree = (from: number, to: number): Node => {
      if (from === to) return terms[from]!;
      const middle = (from + to + 1) >> 1;
      const args = [tree(from, middle - 1), tree(middle, to)];
      return { kind: 'call', name: `_${operator}_`, args, at: places[middle - 1]! };
    };
    return tree(0, terms.length - 1);
  }

  /** Levels of operators that bind to the left, loosest first. */
  #binary(level: number): Node {
    const operators = [relations, additions, products][level];
    if (!operators) return this.#unary();
    let left = this.#binary(level + 1);
    for (let count = 1; ; count++) {
      const { kind, text, at } = this.#peek();
      const name = kind === 'symbol' && Object.hasOwn(operators, text) ? operators[text] : undefined;
      if (!name) return left;
      this.#deeper(count);
      this.#at++;
      left = { kind: 'call', name, args: [left, this.#binary(level + 1)], at };
    }
  }

  #unary(): Node {
    const { at, text: operator } = this.#peek();
    let count = 0;
    while ((operator === '!' || operator === '-') && this.#is(operator)) {
      count++;
      this.#at++;
    }
    const next = this.#peek();
    // A sign before digits belongs to the number: the smallest integer has no positive counterpart.
    if (operator === '-' && count > 0 && next.kind === 'literal' && isNumber(next.value)) {
      this.#at++;
      const signed = this.#number(-next.value, next.at - 1);
      return this.#member(count % 2 ? signed : { kind: 'call', name: '-_', args: [signed], at });
    }
    const node = this.#member(this.#primary());
    if (count % 2 === 0) return node;
    return { kind: 'call', name: operator === '!' ? '!_' : '-_', args: [node], at };
  }

  #number(value: number | bigint, at: number): Node {
    if (typeof value === 'bigint' && (value > 9223372036854775807n || value < -9223372036854775808n))
      this.#report('invalid int literal', at);
    return { kind: 'literal', value, at };
  }

  #member(start: Node): Node {
    let node = start;
    for (let count = 1; ; count++) {
      const { at } = this.#peek();
      this.#deeper(count);
      if (this.#take('.')) node = this.#afterDot(node, at);
      else if (this.#take('[')) {
        const optional = this.#take('?');
        const args = [node, this.#expression()];
        this.#expect(']');
        node = { kind: 'call', name: optional ? '_[?_]' : '_[_]', args, at };
      } else if (this.#is('{') && typeName(node) !== undefined) {
        node = this.#struct(typeName(node)!);
        if (this.#is('(') || this.#is('{')) this.#unexpected('<EOF>');
      } else return node;
    }
  }

  #afterDot(of: Node, at: number): Node {
    const optional = this.#take('?');
    const token = this.#peek();
    if (token.kind !== 'name') {
      this.#unexpected('IDENTIFIER');
    }
    this.#at++;
    const { at: open } = this.#peek();
    if (!optional && token.value !== 'quoted' && this.#take('(')) {
      const args = this.#arguments();
      return this.#call({ kind: 'call', name: token.text, target: of, args, at: open });
    }
    if (!optional) return { kind: 'select', of, name: token.text, test: false, at };
    const name: Node = { kind: 'literal', value: token.text, at: token.at };
    return { kind: 'call', name: '_?._', args: [of, name], at };
  }

  #primary(): Node {
    const token = this.#peek();
    const { at } = token;
    if (token.kind === 'literal') {
      this.#at++;
      return isNumber(token.value)
        ? this.#number(token.value, at)
        : { kind: 'literal', value: token.value, at };
    }
    if (this.#take('(')) {
      const node = this.#expression();
      this.#expect(')');
      return node;
    }
    if (this.#take('[')) return this.#listLiteral(at);
    if (this.#take('{')) return this.#mapLiteral(at);
    const dot = this.#take('.') ? '.' : '';
    const name = this.#peek();
    if (name.kind !== 'name' || name.value === 'quoted') this.#unexpected(dot ? 'IDENTIFIER' : anyExpression);
    if (reserved.has(name.text)) this.#report(`reserved identifier: ${name.text}`, name.at);
    this.#at++;
    const { at: open } = this.#peek();
    if (this.#take('('))
      return this.#call({ kind: 'call', name: dot + name.text, args: this.#arguments(), at: open });
    return { kind: 'name', name: dot + name.text, at };
  }

  #call(call: Node & { kind: 'call' }): Node {
    return expandMacro(call, (message, at) => this.#report(message, at));
  }

  #arguments(): Node[] {
    const items: Node[] = [];
    if (this.#take(')')) return items;
    do items.push(this.#expression());
    while (this.#take(','));
    this.#expect(')');
    return items;
  }

  #listLiteral(at: number): Node {
    const items: { value: Node; optional: boolean }[] = [];
    while (!this.#take(']')) {
      const optional = this.#take('?');
      items.push({ value: this.#expression(), optional });
      if (!this.#is(']')) this.#expect(',');
    }
    return { kind: 'list', items, at };
  }

  #mapLiteral(at: number): Node {
    const entries: { key: Node; value: Node; optional: boolean }[] = [];
    while (!this.#take('}')) {
      const optional = this.#take('?');
      const key = this.#expression();
      this.#expect(':');
      entries.push({ key, value: this.#expression(), optional });
      if (!this.#is('}')) this.#expect(',');
    }
    return { kind: 'map', entries, at };
  }

  #struct(type: string): Node {
    const { at } = this.#peek();
    this.#expect('{');
    const fields: { name: string; value: Node; optional: boolean; at: number }[] = [];
    while (!this.#take('}')) {
      const optional = this.#take('?');
      const name = this.#peek();
      if (name.kind !== 'name') this.#unexpected('IDENTIFIER');
      this.#at++;
      const { at: colon } = this.#peek();
      this.#expect(':');
      fields.push({ name: name.text, value: this.#expression(), optional, at: colon });
      if (!this.#is('}')) this.#expect(',');
    }
    return { kind: 'struct', type, fields, at };
  }
}

const isNumber = (value: unknown): value is number | bigint =>
  typeof value === 'bigint' || typeof value === 'number';

/** `Object.spec`: the name of a type or a namespace, as far as grammar can tell. */
export function typeName(node: Node): string | undefined {
  if (node.kind === 'name') return node.name;
  if (node.kind !== 'select' || node.test) return undefined;
  const before = typeName(node.of);
  return before === undefined ? undefined : `${before}.${node.name}`;
}
