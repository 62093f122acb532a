// Reads Go templates. https://pkg.go.dev/text/template
import { Float, unquote } from './go-values.ts';

/** One operand with the fields asked of it: `.a.b`, `$x.c`, `(index .items 0).d`, `"text"`, `printf`. */
export interface Term {
  kind: 'dot' | 'variable' | 'function' | 'string' | 'number' | 'int' | 'bool' | 'nil' | 'pipe';
  value?: string | number | bigint | boolean | Float | Pipe;
  fields: string[];
  at: Position;
}

export interface Position {
  line: number;
  column: number;
  /** The source of this term or command, as messages show it. */
  text: string;
}

export interface Command {
  terms: Term[];
  at: Position;
}

export interface Pipe {
  /** `$x := …` declares, `$x = …` assigns. */
  variables: string[];
  assign: boolean;
  commands: Command[];
}

export type Node =
  | { type: 'text'; text: string }
  | { type: 'print'; pipe: Pipe }
  | { type: 'if' | 'with' | 'range'; pipe: Pipe; body: Node[]; otherwise: Node[] }
  | { type: 'template'; name: string; pipe: Pipe | undefined; at: Position }
  | { type: 'break' | 'continue' };

/** The template cannot be read; the message has the line. */
export class TemplateSyntaxError extends Error {}

interface Token {
  kind: 'word' | 'field' | 'variable' | 'string' | 'number' | 'char' | 'symbol' | 'dot' | 'space' | 'end';
  text: string;
  at: number;
}

const tokenPattern =
  /(?<space>[ \t\r\n]+)|(?<field>\.[\p{L}_][\p{L}\p{Nd}_]*)|(?<dot>\.(?!\d))|(?<variable>\$[\p{L}\p{Nd}_]*)|(?<string>"(?:\\.|[^"\\\n])*"|`[^`]*`)|(?<char>'(?:\\.[^']*|[^'\\\n])')|(?<number>[-+]?(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?))|(?<word>[\p{L}_][\p{L}\p{Nd}_]*)|(?<symbol>:=|[=,|()])/uy;

/** Parses a template with its `define`s. Throws a TemplateSyntaxError. */
export function parseTemplate(text: string, name = 'output'): { main: Node[]; defined: Map<string, Node[]> } {
  return new Parser(text, name).parse();
}

class Parser {
  readonly #text: string;
  readonly #name: string;
  readonly #defined = new Map<string, Node[]>();
  #at = 0;
  #tokens: Token[] = [];
  #next = 0;
  #trimNext = false;
  #ranges = 0;
  constructor(text: string, name: string) {
    this.#text = text;
    this.#name = name;
  }

  parse(): { main: Node[]; defined: Map<string, Node[]> } {
    const { nodes, stop } = this.#nodes([]);
    if (stop) this.#fail(`unexpected {{${stop}}}`);
    return { main: nodes, defined: this.#defined };
  }

  #fail(message: string, at = this.#at): never {
    const line = this.#text.slice(0, at).split('\n').length;
    throw new TemplateSyntaxError(`template: ${this.#name}:${line}: ${message}`);
  }

  /** Text and actions up to one of the words, or the end of the text. */
  #nodes(until: string[]): { nodes: Node[]; stop: string | undefined } {
    const nodes: Node[] = [];
    while (this.#at < this.#text.length) {
      const open = this.#text.indexOf('{{', this.#at);
      let text = this.#text.slice(this.#at, open < 0 ? undefined : open);
      if (this.#trimNext) text = text.trimStart();
      this.#trimNext = false;
      const trimmed = open >= 0 && /^\{\{-\s/.test(this.#text.slice(open, open + 4));
      if (trimmed) text = text.trimEnd();
      if (text) nodes.push({ type: 'text', text });
      if (open < 0) {
        this.#at = this.#text.length;
        break;
      }
      this.#at = open + (trimmed ? 3 : 2);
      if (/^\s*\/\*/.test(this.#text.slice(this.#at))) {
        this.#comment();
        continue;
      }
      this.#lex();
      const word = this.#peek().kind === 'word' ? this.#peek().text : '';
      if (word === 'end' || word === 'else') {
        if (!until.includes(word)) this.#fail(`unexpected {{${word}}}`);
        this.#take();
        return { nodes, stop: word };
      }
      const node = this.#action(word);
      if (node) nodes.push(node);
    }
    if (until.length) this.#fail('unexpected EOF');
    return { nodes, stop: undefined };
  }

  #comment(): void {
    const end = this.#text.indexOf('*/', this.#at);
    if (end < 0) this.#fail('unclosed comment');
    const close = /^\s*(-)?\}\}/.exec(this.#text.slice(end + 2));
    if (!close) this.#fail('comment ends before closing delimiter');
    this.#trimNext = close[1] !== undefined;
    this.#at = end + 2 + close[0].length;
  }

  /** Tokens of one action, up to and with its closing braces. */
  #lex(): void {
    this.#tokens = [];
    this.#next = 0;
    let parens = 0;
    for (;;) {
      const rest = /^(\s-)?\}\}/.exec(this.#text.slice(this.#at, this.#at + 4));
      if (rest) {
        if (parens) this.#fail('unclosed left paren');
        this.#trimNext = rest[1] !== undefined;
        this.#tokens.push({ kind: 'end', text: '}}', at: this.#at });
        this.#at += rest[0].length;
        return;
      }
      tokenPattern.lastIndex = this.#at;
      const match = tokenPattern.exec(this.#text);
      if (!match) {
        const c = this.#text[this.#at];
        if (c === undefined) this.#fail('unclosed action');
        if (c === '"') this.#fail('unterminated quoted string');
        if (c === "'") this.#fail('unterminated character constant');
        if (c === '`') this.#fail('unterminated raw quoted string');
        const code = c.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0');
        this.#fail(`unrecognized character in action: U+${code} '${c}'`);
      }
      const [kind] = Object.entries(match.groups!).find(([, text]) => text !== undefined)!;
      if (match[0] === '(') parens++;
      if (match[0] === ')' && --parens < 0) this.#fail('unexpected right paren');
      this.#tokens.push({ kind: kind as Token['kind'], text: match[0], at: this.#at });
      this.#at += match[0].length;
    }
  }

  #peek(): Token {
    while (this.#tokens[this.#next]?.kind === 'space') this.#next++;
    return this.#tokens[this.#next]!;
  }
  #take(): Token {
    const token = this.#peek();
    this.#next++;
    return token;
  }
  #end(context: string): void {
    const token = this.#take();
    if (token.kind !== 'end') this.#fail(`unexpected ${shown(token)} in ${context}`, token.at);
  }

  #action(word: string): Node | undefined {
    switch (word) {
      case 'if':
      case 'with':
      case 'range':
        this.#take();
        return this.#control(word);
      case 'define':
      case 'block':
        return this.#define(word);
      case 'template': {
        const from = this.#take().at;
        const at = this.#position(this.#peek().at, this.#peek().at);
        const name = this.#name_('template clause');
        const pipe = this.#peek().kind === 'end' ? undefined : this.#pipe('template clause');
        this.#end('template clause');
        at.text = `{{${this.#text.slice(from, this.#tokens.at(-1)!.at).trim()}}}`;
        return { type: 'template', name, pipe, at };
      }
      case 'break':
      case 'continue':
        this.#take();
        this.#end(`{{${word}}}`);
        if (!this.#ranges) this.#fail(`{{${word}}} outside {{range}}`);
        return { type: word };
      default: {
        const pipe = this.#pipe('command');
        this.#end('command');
        return { type: 'print', pipe };
      }
    }
  }

  #control(type: 'if' | 'with' | 'range'): Node {
    const pipe = this.#pipe(type);
    this.#end(type);
    if (type === 'range') this.#ranges++;
    const { nodes: body, stop } = this.#nodes(['end', 'else']);
    if (type === 'range') this.#ranges--;
    let otherwise: Node[] = [];
    if (stop === 'else') {
      const next = this.#peek();
      if (next.kind === 'word' && (next.text === 'if' || next.text === 'with') && type !== 'range') {
        this.#take();
        otherwise = [this.#control(next.text)];
      } else {
        this.#end('else');
        otherwise = this.#nodes(['end']).nodes;
        this.#end('end');
      }
    } else this.#end('end');
    return { type, pipe, body, otherwise };
  }

  #define(word: 'define' | 'block'): Node | undefined {
    const at = this.#position(this.#take().at, this.#peek().at);
    const name = this.#name_(`${word} clause`);
    const pipe = word === 'block' ? this.#pipe('block clause') : undefined;
    this.#end(`${word} clause`);
    this.#defined.set(name, this.#nodes(['end']).nodes);
    this.#end('end');
    return word === 'block' ? { type: 'template', name, pipe, at } : undefined;
  }

  #name_(context: string): string {
    const token = this.#take();
    if (token.kind !== 'string') this.#fail(`unexpected ${shown(token)} in ${context}`, token.at);
    return this.#string(token);
  }

  #string(token: Token): string {
    if (token.text.startsWith('`')) return token.text.slice(1, -1);
    try {
      return unquote(token.text.slice(1, -1), '"');
    } catch (error) {
      return this.#fail((error as Error).message, token.at);
    }
  }

  #pipe(context: string): Pipe {
    const variables: string[] = [];
    let assign = false;
    const start = this.#next;
    while (this.#peek().kind === 'variable') {
      const name = this.#take().text;
      const after = this.#peek();
      if (after.text === ',' && context === 'range' && variables.length === 0) {
        this.#take();
        variables.push(name);
        continue;
      }
      if (after.text === ':=' || after.text === '=') {
        this.#take();
        variables.push(name);
        assign = after.text === '=';
      } else {
        this.#next = start;
        variables.length = 0;
      }
      break;
    }
    const commands: Command[] = [];
    for (;;) {
      const first = this.#peek();
      if (first.kind === 'end' || first.text === ')') {
        if (!commands.length) this.#fail(`missing value for ${context}`);
        else this.#fail(`unexpected ${shown(first)} in ${context}`, first.at);
      }
      commands.push(this.#command());
      if (this.#peek().text !== '|') return { variables, assign, commands };
      this.#take();
    }
  }

  #position(from: number, to: number): Position {
    const before = this.#text.slice(0, from);
    const newline = before.lastIndexOf('\n');
    return {
      line: before.split('\n').length,
      column: from - newline - 1,
      text: this.#text.slice(from, to).trim(),
    };
  }

  #command(): Command {
    const terms: Term[] = [];
    const from = this.#peek().at;
    for (;;) {
      const token = this.#peek();
      if (token.kind === 'end' || token.text === '|' || token.text === ')')
        return { terms, at: this.#position(from, token.at) };
      terms.push(this.#term());
    }
  }

  #term(): Term {
    const token = this.#take();
    const term: Term = { kind: 'dot', fields: [], at: this.#position(token.at, token.at) };
    switch (token.kind) {
      case 'dot':
        break;
      case 'field':
        term.fields.push(token.text.slice(1));
        break;
      case 'variable':
        Object.assign(term, { kind: 'variable', value: token.text });
        break;
      case 'string':
        Object.assign(term, { kind: 'string', value: this.#string(token) });
        break;
      case 'char':
        Object.assign(term, {
          kind: 'int',
          value: BigInt(unquote(token.text.slice(1, -1), "'").codePointAt(0)!),
        });
        break;
      case 'number':
        Object.assign(term, number(token.text));
        break;
      case 'word':
        if (token.text === 'true' || token.text === 'false')
          Object.assign(term, { kind: 'bool', value: token.text === 'true' });
        else if (token.text === 'nil') term.kind = 'nil';
        else Object.assign(term, { kind: 'function', value: token.text });
        break;
      default:
        if (token.text !== '(') this.#fail(`unexpected ${shown(token)} in operand`, token.at);
        Object.assign(term, { kind: 'pipe', value: this.#pipe('parenthesized pipeline') });
        if (this.#take().text !== ')') this.#fail('unclosed left paren');
    }
    // A chain of fields is where its first link is.
    const chain = this.#tokens[this.#next]?.kind === 'field' ? this.#tokens[this.#next]!.at : token.at;
    while (this.#tokens[this.#next]?.kind === 'field')
      term.fields.push(this.#tokens[this.#next++]!.text.slice(1));
    const { text } = this.#position(token.at, this.#tokens[this.#next]?.at ?? this.#at);
    term.at = { ...this.#position(chain, chain), text };
    return term;
  }
}

const shown = (token: Token): string => (token.kind === 'end' ? '"}}"' : `<${token.text}>`);

function number(text: string): Pick<Term, 'kind' | 'value'> {
  const clean = text.replaceAll('_', '');
  if (/^[-+]?(\d+|0[xXbBoO][\da-fA-F]+)$/.test(clean)) {
    const negative = clean.startsWith('-');
    const digits = clean.replace(/^[-+]/, '').replace(/^0(?=\d)/, '0o');
    return { kind: 'int', value: negative ? -BigInt(digits) : BigInt(digits) };
  }
  return { kind: 'number', value: new Float(Number(clean)) };
}
