// The grammar of the Common Expression Language.
// https://github.com/google/cel-spec/blob/master/doc/langdef.md#syntax
import { CelSyntaxError, type Node, type Token, tokenize } from './syntax.ts';

const MAX_DEPTH = 200;
const reserved = new Set([
  'as',
  'break',
  'const',
  'continue',
  'else',
  'for',
  'function',
  'if',
  'import',
  'let',
  'loop',
  'package',
  'return',
  'var',
  'void',
  'while',
]);

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

/** Throws CelSyntaxError. */
export function parse(source: string): Node {
  return new Parser(tokenize(source)).whole();
}

class Parser {
  readonly #tokens: Token[];
  #at = 0;
  #depth = 0;
  constructor(tokens: Token[]) {
    this.#tokens = tokens;
  }

  whole(): Node {
    const node = this.#expression();
    if (this.#peek().kind !== 'end') this.#unexpected();
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
    if (!this.#take(symbol)) this.#unexpected(`, expecting '${symbol}'`);
  }
  #unexpected(more = ''): never {
    const { text, at } = this.#peek();
    throw new CelSyntaxError(`Syntax error: unexpected '${text}'${more}`, at);
  }

  #expression(): Node {
    if (++this.#depth > MAX_DEPTH)
      throw new CelSyntaxError('expression recursion limit exceeded', this.#peek().at);
    const condition = this.#binary(0);
    const { at } = this.#peek();
    let node = condition;
    if (this.#take('?')) {
      const yes = this.#binary(0);
      this.#expect(':');
      node = { kind: 'call', name: '_?_:_', args: [condition, yes, this.#expression()], at };
    }
    this.#depth--;
    return node;
  }

  /** Levels of operators that bind to the left, loosest first. */
  #binary(level: number): Node {
    const operators = [{ '||': '_||_' }, { '&&': '_&&_' }, relations, additions, products][level] as
      | Record<string, string>
      | undefined;
    if (!operators) return this.#unary();
    let left = this.#binary(level + 1);
    for (;;) {
      const { kind, text, at } = this.#peek();
      const name = kind === 'symbol' && Object.hasOwn(operators, text) ? operators[text] : undefined;
      if (!name) return left;
      this.#at++;
      left = { kind: 'call', name, args: [left, this.#binary(level + 1)], at };
    }
  }

  #unary(): Node {
    const { at } = this.#peek();
    let operator = '';
    let count = 0;
    while (this.#is('!') || this.#is('-')) {
      const { text } = this.#peek();
      if (operator && operator !== text) break;
      operator = text;
      count++;
      this.#at++;
    }
    const next = this.#peek();
    // A sign before digits belongs to the number: the smallest integer has no positive counterpart.
    if (
      operator === '-' &&
      count % 2 === 1 &&
      next.kind === 'literal' &&
      (typeof next.value === 'bigint' || typeof next.value === 'number')
    ) {
      this.#at++;
      return this.#member({ kind: 'literal', value: -next.value, at });
    }
    const node = this.#member(this.#primary());
    if (count % 2 === 0) return node;
    return { kind: 'call', name: operator === '!' ? '!_' : '-_', args: [node], at };
  }

  #member(start: Node): Node {
    let node = start;
    for (;;) {
      const { at } = this.#peek();
      if (this.#take('.')) {
        const optional = this.#take('?');
        const token = this.#peek();
        if (token.kind !== 'name' && token.text !== 'in') this.#unexpected();
        this.#at++;
        if (!optional && this.#take('('))
          node = { kind: 'call', name: token.text, target: node, args: this.#list(')'), at };
        else node = { kind: 'select', of: node, name: token.text, optional, at };
      } else if (this.#take('[')) {
        const optional = this.#take('?');
        const index = this.#expression();
        this.#expect(']');
        node = { kind: 'index', of: node, index, optional, at };
      } else if (this.#is('{') && typeName(node)) node = this.#message(typeName(node)!);
      else return node;
    }
  }

  #primary(): Node {
    const token = this.#peek();
    const { at } = token;
    if (token.kind === 'literal') {
      this.#at++;
      return { kind: 'literal', value: token.value, at };
    }
    if (this.#take('(')) {
      const node = this.#expression();
      this.#expect(')');
      return node;
    }
    if (this.#take('[')) return this.#listLiteral(at);
    if (this.#take('{')) return this.#mapLiteral(at);
    this.#take('.');
    const name = this.#peek();
    if (name.kind !== 'name') this.#unexpected();
    if (reserved.has(name.text))
      throw new CelSyntaxError(`Syntax error: reserved identifier: ${name.text}`, at);
    this.#at++;
    if (this.#take('(')) return { kind: 'call', name: name.text, args: this.#list(')'), at };
    return { kind: 'name', name: name.text, at };
  }

  #list(end: string): Node[] {
    const items: Node[] = [];
    while (!this.#take(end)) {
      items.push(this.#expression());
      if (!this.#is(end)) this.#expect(',');
    }
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

  #message(type: string): Node {
    const { at } = this.#peek();
    this.#expect('{');
    const fields: { name: string; value: Node; optional: boolean }[] = [];
    while (!this.#take('}')) {
      const optional = this.#take('?');
      const name = this.#peek();
      if (name.kind !== 'name') this.#unexpected();
      this.#at++;
      this.#expect(':');
      fields.push({ name: name.text, value: this.#expression(), optional });
      if (!this.#is('}')) this.#expect(',');
    }
    return { kind: 'message', type, fields, at };
  }
}

/** `Object.spec`: the name of a type, as far as grammar can tell. */
export function typeName(node: Node): string | undefined {
  if (node.kind === 'name') return node.name;
  if (node.kind !== 'select' || node.optional) return undefined;
  const before = typeName(node.of);
  return before === undefined ? undefined : `${before}.${node.name}`;
}
