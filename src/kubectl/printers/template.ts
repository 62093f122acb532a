// Go templates over JSON values, as `-o go-template` has them. The data's whole numbers are int64, as there.
// https://pkg.go.dev/text/template
import type { Value } from './go-format.ts';
import { Float, goText, sortedKeys } from './go-values.ts';
import { callFunction, functions, truth } from './template-functions.ts';
import {
  type Command,
  type Node,
  type Pipe,
  type Position,
  parseTemplate,
  type Term,
} from './template-parser.ts';

/** The template does not fit the data; the message says where. */
export class TemplateError extends Error {}

class Break extends Error {}
class Continue extends Error {}

const noValue = Symbol('no value');
type Result = Value | typeof noValue;

/** A template that was read once. `missing` says what a missing map key is. */
export class Template {
  readonly #main: Node[];
  readonly #defined: Map<string, Node[]>;
  readonly #missing: 'default' | 'error';
  /** Throws a TemplateSyntaxError. */
  constructor(text: string, options: { allowMissingKeys?: boolean } = {}) {
    const { main, defined } = parseTemplate(text);
    this.#main = main;
    this.#defined = defined;
    this.#missing = (options.allowMissingKeys ?? true) ? 'default' : 'error';
  }

  /** Throws a TemplateError; `write` has had what came before. */
  execute(data: Value, write: (text: string) => void): void {
    new Execution(this.#defined, this.#missing, write).run(this.#main, data);
  }

  print(data: Value): string {
    let text = '';
    this.execute(data, (more) => {
      text += more;
    });
    return text;
  }
}

class Execution {
  readonly #defined: Map<string, Node[]>;
  readonly #missing: 'default' | 'error';
  readonly #write: (text: string) => void;
  #variables: { name: string; value: Result }[] = [];
  #depth = 0;
  #template = 'output';
  constructor(defined: Map<string, Node[]>, missing: 'default' | 'error', write: (text: string) => void) {
    this.#defined = defined;
    this.#missing = missing;
    this.#write = write;
  }

  run(nodes: Node[], data: Result): void {
    this.#variables = [{ name: '$', value: data }];
    this.#walk(nodes, data);
  }

  #fail(at: Position, message: string): never {
    const shown = at.text.length > 20 && !at.text.startsWith('{{') ? `${at.text.slice(0, 20)}...` : at.text;
    throw new TemplateError(
      `template: output:${at.line}:${at.column}: executing "${this.#template}" at <${shown}>: ${message}`,
    );
  }

  #walk(nodes: Node[], dot: Result): void {
    for (const node of nodes) this.#node(node, dot);
  }

  #node(node: Node, dot: Result): void {
    switch (node.type) {
      case 'text':
        this.#write(node.text);
        return;
      case 'print': {
        const value = this.#pipe(node.pipe, dot);
        if (!node.pipe.variables.length) this.#write(shown(value));
        return;
      }
      case 'if':
      case 'with': {
        const mark = this.#variables.length;
        const value = this.#pipe(node.pipe, dot);
        if (value !== noValue && truth(value)) this.#walk(node.body, node.type === 'with' ? value : dot);
        else this.#walk(node.otherwise, dot);
        this.#variables.length = mark;
        return;
      }
      case 'range':
        this.#range(node, dot);
        return;
      case 'template':
        this.#call(node, dot);
        return;
      case 'break':
        throw new Break();
      case 'continue':
        throw new Continue();
    }
  }

  #range(node: Extract<Node, { type: 'range' | 'if' | 'with' }>, dot: Result): void {
    const mark = this.#variables.length;
    const { variables, assign, commands } = node.pipe;
    const value = this.#pipe({ variables: [], assign: false, commands }, dot);
    const entries = entriesOf(value);
    if (!entries) this.#fail(commands[0]!.at, `range can't iterate over ${shown(value)}`);
    if (!entries.length) this.#walk(node.otherwise, dot);
    for (const [key, item] of entries) {
      const given: Result[] = variables.length === 2 ? [key, item] : [item];
      variables.forEach((name, i) => {
        if (assign) this.#assign(name, given[i]!);
        else this.#variables.push({ name, value: given[i]! });
      });
      try {
        this.#walk(node.body, item);
      } catch (error) {
        if (error instanceof Break) break;
        if (!(error instanceof Continue)) throw error;
      } finally {
        this.#variables.length = mark;
      }
    }
  }

  #call({ name, pipe, at }: Extract<Node, { type: 'template' }>, outer: Result): void {
    const nodes = this.#defined.get(name);
    if (!nodes) this.#fail(at, `template "${name}" not defined`);
    if (++this.#depth > 1000) this.#fail(at, 'exceeded maximum template depth (1000)');
    const dot = pipe ? this.#pipe(pipe, outer) : noValue;
    const [variables, template] = [this.#variables, this.#template];
    this.#variables = [{ name: '$', value: dot }];
    this.#template = name;
    this.#walk(nodes, dot);
    this.#variables = variables;
    this.#template = template;
    this.#depth--;
  }

  #assign(name: string, value: Result): void {
    const variable = this.#variables.findLast((v) => v.name === name);
    if (!variable) throw new TemplateError(`template: output: undefined variable: ${name}`);
    variable.value = value;
  }

  #pipe(pipe: Pipe, dot: Result): Result {
    let value: Result = noValue;
    pipe.commands.forEach((command, i) => {
      value = this.#command(command, dot, i === 0 ? undefined : { value });
    });
    for (const name of pipe.variables) {
      if (pipe.assign) this.#assign(name, value);
      else this.#variables.push({ name, value });
    }
    return value;
  }

  /** `piped` is the value of the command before, which becomes the last argument. */
  #command({ terms, at }: Command, dot: Result, piped: { value: Result } | undefined): Result {
    const [first, ...rest] = terms as [Term, ...Term[]];
    if (first.kind !== 'function' || first.fields.length) {
      if (rest.length || piped) this.#fail(at, `can't give argument to non-function ${first.at.text}`);
      return this.#term(first, dot);
    }
    const name = first.value as string;
    if (!Object.hasOwn(functions, name))
      throw new TemplateError(`template: output:${at.line}: function "${name}" not defined`);
    // `and` and `or` look at their arguments only as far as they must.
    if (name === 'and' || name === 'or') {
      let value: Result = noValue;
      for (const argument of [
        ...rest.map((term) => () => this.#term(term, dot)),
        ...(piped ? [() => piped.value] : []),
      ]) {
        value = argument();
        if ((value !== noValue && truth(value)) === (name === 'or')) return value;
      }
      return value;
    }
    const args = rest.map((term) => this.#term(term, dot));
    if (piped) args.push(piped.value);
    try {
      return callFunction(
        name,
        args.map((arg) => (arg === noValue ? undefined : arg)),
      );
    } catch (error) {
      return this.#fail(at, `error calling ${name}: ${(error as Error).message}`);
    }
  }

  #term(term: Term, dot: Result): Result {
    return this.#fields(this.#operand(term, dot), term);
  }

  #operand(term: Term, dot: Result): Result {
    switch (term.kind) {
      case 'dot':
        return dot;
      case 'variable': {
        const found = this.#variables.findLast((v) => v.name === term.value);
        if (!found)
          throw new TemplateError(`template: output:${term.at.line}: undefined variable "${term.value}"`);
        return found.value;
      }
      case 'pipe': {
        const mark = this.#variables.length;
        const value = this.#pipe(term.value as Pipe, dot);
        this.#variables.length = mark;
        return value;
      }
      case 'function':
        return this.#command({ terms: [{ ...term, fields: [] }], at: term.at }, dot, undefined);
      case 'nil':
        return null;
      default:
        return term.value as Value;
    }
  }

  #fields(start: Result, term: Term): Result {
    let value = start;
    for (const name of term.fields) {
      if (value === noValue) return noValue;
      if (value === null || value === undefined)
        return this.#fail(term.at, `nil pointer evaluating interface {}.${name}`);
      if (typeof value !== 'object' || Array.isArray(value) || value instanceof Float)
        return this.#fail(term.at, `can't evaluate field ${name} in type interface {}`);
      if (!Object.hasOwn(value, name)) {
        if (this.#missing === 'error')
          this.#fail(term.at, `map has no entry for key ${JSON.stringify(name)}`);
        value = noValue;
      } else value = value[name];
    }
    return value;
  }
}

const shown = (value: Result): string =>
  value === noValue || value === null || value === undefined ? '<no value>' : goText(value);

/** What a range goes over: index or key, and value. Undefined where it cannot. */
function entriesOf(value: Result): [Value, Value][] | undefined {
  if (value === noValue || value === null || value === undefined) return [];
  if (Array.isArray(value)) return value.map((item, i) => [BigInt(i), item]);
  if (value instanceof Float) return undefined;
  if (typeof value === 'object') return sortedKeys(value).map((key) => [key, value[key]]);
  if (typeof value === 'bigint' || Number.isSafeInteger(value))
    return Array.from({ length: Number(value) }, (_, i) => [BigInt(i), BigInt(i)]);
  return undefined;
}
