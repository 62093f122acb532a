// kubectl's JSONPath templates: text with `{…}` actions in it, ranges, unions, slices, filters, recursive descent.
// https://kubernetes.io/docs/reference/kubectl/jsonpath/
import { goEqual, goJson, goLess, goText, kindOf, sortedKeys, typeName, unquote } from './go-values.ts';

type Step =
  | { op: 'constant'; value: string | number | boolean }
  | { op: 'field'; name: string }
  | { op: 'wildcard' }
  | { op: 'recursive' }
  | {
      op: 'slice';
      from: number | undefined;
      to: number | undefined;
      step: number | undefined;
      single: boolean;
    }
  | { op: 'union'; members: Step[][] }
  | { op: 'filter'; left: Step[]; operator: string; right: Step[] };

type Part =
  | { type: 'text'; text: string }
  | { type: 'action'; steps: Step[] }
  | { type: 'range'; steps: Step[]; body: Part[] };

/** The template cannot be read, or does not fit the data. */
export class JsonPathError extends Error {}

const fail = (message: string): never => {
  throw new JsonPathError(message);
};

/** A template that was read once and can be evaluated many times. */
export class JsonPath {
  readonly #parts: Part[];
  readonly #allowMissing: boolean;
  /** Throws a JsonPathError. */
  constructor(template: string, options: { allowMissingKeys?: boolean } = {}) {
    this.#parts = new Parser(template).parse();
    this.#allowMissing = options.allowMissingKeys ?? true;
  }

  /** What each text and action gave, in order. */
  find(data: unknown): unknown[][] {
    return this.#evaluate(this.#parts, data);
  }

  /** The template's text for this data. */
  print(data: unknown): string {
    return this.find(data)
      .map((results) => results.map(resultText).join(' '))
      .join('');
  }

  /** Each action's results as an indented JSON array. */
  printJson(data: unknown): string {
    return this.find(data)
      .map((results) => `${goJson(results, '    ')}\n`)
      .join('');
  }

  #evaluate(parts: Part[], data: unknown): unknown[][] {
    const found: unknown[][] = [];
    for (const part of parts) {
      if (part.type === 'text') found.push([part.text]);
      else if (part.type === 'action') found.push(this.#walk([data], part.steps));
      else for (const item of this.#walk([data], part.steps)) found.push(...this.#evaluate(part.body, item));
    }
    return found;
  }

  #walk(input: unknown[], steps: Step[]): unknown[] {
    let values = input;
    for (const step of steps) values = this.#step(values, step);
    return values;
  }

  #step(values: unknown[], step: Step): unknown[] {
    switch (step.op) {
      case 'constant':
        return typeof step.value === 'string' ? [step.value] : values.map(() => step.value);
      case 'field':
        return this.#field(values, step.name);
      case 'wildcard':
        return values.flatMap(childrenOf);
      case 'recursive':
        return values.flatMap(descend);
      case 'slice':
        return values.flatMap((value) => slice(value, step));
      case 'union':
        return step.members.flatMap((member) => this.#walk(values, member));
      case 'filter':
        return values.flatMap((value) => this.#filter(value, step));
    }
  }

  #field(values: unknown[], name: string): unknown[] {
    if (!values.length) return [];
    const found: unknown[] = [];
    for (const value of values) {
      if (kindOf(value) === 'map' && Object.hasOwn(value as object, name))
        found.push((value as Record<string, unknown>)[name]);
    }
    if (!found.length && !this.#allowMissing) fail(`${name} is not found`);
    return found;
  }

  #filter(value: unknown, { left, operator, right }: Extract<Step, { op: 'filter' }>): unknown[] {
    if (!Array.isArray(value)) return fail(`${goText(value)} is not array or slice and cannot be filtered`);
    return value.filter((item) => {
      if (operator === 'exists') return this.#exists(item, left);
      const lefts = this.#walk([item], left);
      if (!lefts.length) return false;
      const rights = this.#walk([item], right);
      if (lefts.length > 1 || rights.length > 1) fail('can only compare one element at a time');
      if (!rights.length) return false;
      return compare(operator, lefts[0], rights[0]);
    });
  }

  #exists(item: unknown, steps: Step[]): boolean {
    try {
      return this.#walk([item], steps).length > 0;
    } catch (error) {
      if (error instanceof JsonPathError) return false;
      throw error;
    }
  }
}

function resultText(value: unknown): string {
  const kind = kindOf(value);
  if (kind === 'map' || kind === 'slice') return goJson(value);
  return kind === 'nil' ? 'null' : goText(value);
}

function childrenOf(value: unknown): unknown[] {
  const kind = kindOf(value);
  if (kind === 'map') return Object.values(value as object);
  return kind === 'slice' ? (value as unknown[]) : [];
}

/** The value and all maps and lists below it, parents first. */
function descend(value: unknown): unknown[] {
  const kind = kindOf(value);
  if (kind !== 'map' && kind !== 'slice') return [];
  const children =
    kind === 'slice'
      ? (value as unknown[])
      : sortedKeys(value as object).map((key) => (value as Record<string, unknown>)[key]);
  return children.length ? [value, ...children.flatMap(descend)] : [];
}

function slice(value: unknown, { from, to, step = 1, single }: Extract<Step, { op: 'slice' }>): unknown[] {
  if (value === null || value === undefined) return [];
  if (!Array.isArray(value)) return fail(`${typeName(value)} is not array or slice`);
  const { length } = value;
  let start = from ?? 0;
  if (start < 0) start += length;
  let end = single ? start + 1 : (to ?? length);
  if (end < 0) end += length;
  if (start === end) return [];
  if (start >= length || start < 0) fail(`array index out of bounds: index ${start}, length ${length}`);
  if (end > length || end < 0) fail(`array index out of bounds: index ${end - 1}, length ${length}`);
  if (start > end) fail(`starting index ${start} is greater than ending index ${end}`);
  if (step <= 0) fail('step must be > 0');
  return value.slice(start, end).filter((_, i) => i % step === 0);
}

function compare(operator: string, left: unknown, right: unknown): boolean {
  switch (operator) {
    case '==':
      return goEqual(left, right);
    case '!=':
      return !goEqual(left, right);
    case '<':
      return goLess(left, right);
    case '<=':
      return goLess(left, right) || goEqual(left, right);
    case '>':
      return !(goLess(left, right) || goEqual(left, right));
    case '>=':
      return !goLess(left, right);
    default:
      return fail(`unrecognized filter operator ${operator}`);
  }
}

const isTerminator = (c: string | undefined): boolean => c === undefined || ' \t\r\n.,[]$@{}'.includes(c);
const isWord = (c: string | undefined): boolean => c !== undefined && /[\p{L}\p{Nd}_]/u.test(c);

/** Reads a template. An action's steps follow each other without separators: `.items[*].metadata.name`. */
class Parser {
  readonly #text: string;
  #at = 0;
  constructor(text: string) {
    this.#text = text;
  }

  parse(): Part[] {
    const root: Part[] = [];
    const open: Part[][] = [root];
    while (this.#at < this.#text.length) {
      const brace = this.#text.indexOf('{', this.#at);
      const end = brace < 0 ? this.#text.length : brace;
      if (end > this.#at) open.at(-1)!.push({ type: 'text', text: this.#text.slice(this.#at, end) });
      this.#at = end;
      if (brace < 0) break;
      this.#at++;
      const { keyword, steps } = this.#action();
      if (keyword === 'range') {
        const range: Part = { type: 'range', steps, body: [] };
        open.at(-1)!.push(range);
        open.push(range.body);
      } else if (keyword === 'end') {
        if (open.length === 1) fail('not in range, nothing to end');
        open.pop();
      } else open.at(-1)!.push({ type: 'action', steps });
    }
    return root;
  }

  /** Steps up to the closing brace. */
  #action(): { keyword: string | undefined; steps: Step[] } {
    const steps: Step[] = [];
    let keyword: string | undefined;
    for (;;) {
      const c = this.#text[this.#at];
      if (c === undefined || c === '\n' || c === '\r') fail('unclosed action');
      else if (c === '}') {
        this.#at++;
        return { keyword, steps };
      } else if (this.#text.startsWith('[?(', this.#at)) steps.push(this.#filter());
      else if (this.#text.startsWith('..', this.#at)) {
        if (steps.at(-1)?.op === 'recursive') fail('invalid multiple recursive descent');
        this.#at += 2;
        steps.push({ op: 'recursive' });
        if (isWord(this.#text[this.#at])) steps.push(this.#field());
      } else if (c === ' ' || c === '@' || c === '$') this.#at++;
      else if (c === '[') steps.push(...this.#array());
      else if (c === '"' || c === "'") steps.push(this.#quoted(c));
      else if (c === '.') {
        this.#at++;
        steps.push(this.#field());
      } else if (/[-+\d]/.test(c!)) steps.push(this.#number());
      else if (isWord(c)) {
        const word = this.#take(/[^\s.,[\]$@{}]*/y);
        if (word === 'true' || word === 'false') steps.push({ op: 'constant', value: word === 'true' });
        else if (word === 'range' || word === 'end') keyword = word;
        else fail(`unrecognized identifier ${word}`);
      } else {
        const code = c!.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0');
        fail(`unrecognized character in action: U+${code} '${c}'`);
      }
    }
  }

  #take(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0] ?? '';
    this.#at += found.length;
    return found;
  }

  #field(): Step {
    let name = '';
    while (!isTerminator(this.#text[this.#at])) {
      if (this.#text[this.#at] === '\\') this.#at++;
      name += this.#text[this.#at++] ?? '';
    }
    return name === '*' ? { op: 'wildcard' } : { op: 'field', name };
  }

  #number(): Step {
    const text = this.#take(/[-+]?[\d.]*/y);
    const value = Number(text);
    if (Number.isNaN(value) || !/\d/.test(text)) fail(`cannot parse number ${text}`);
    return { op: 'constant', value };
  }

  #quoted(quote: string): Step {
    const start = ++this.#at;
    for (; ; this.#at++) {
      const c = this.#text[this.#at];
      if (c === undefined || c === '\n') fail('unterminated quoted string');
      if (c === quote && this.#text[this.#at - 1] !== '\\') break;
    }
    const raw = this.#text.slice(start, this.#at++);
    try {
      return { op: 'constant', value: unquote(raw, quote) };
    } catch (error) {
      return fail(`unquote string ${quote}${raw}${quote} error ${(error as Error).message}`);
    }
  }

  #array(): Step[] {
    const end = this.#text.slice(this.#at).search(/[\]\n]/);
    if (end < 0 || this.#text[this.#at + end] === '\n') fail('unterminated array');
    const text = this.#text.slice(this.#at + 1, this.#at + end);
    this.#at += end + 1;
    const members = text.split(',');
    if (members.length > 1)
      return [{ op: 'union', members: members.map((member) => subscript(member.trim())) }];
    return subscript(text);
  }

  #filter(): Step {
    this.#at += 3;
    const start = this.#at;
    let quote: string | undefined;
    for (; ; this.#at++) {
      const c = this.#text[this.#at];
      if (c === undefined || c === '\n') fail('unterminated filter');
      else if (quote) {
        if (c === quote && this.#text[this.#at - 1] !== '\\') quote = undefined;
      } else if (c === '"' || c === "'") quote = c;
      else if (c === ')') break;
    }
    const text = this.#text.slice(start, this.#at);
    if (this.#text[++this.#at] !== ']') fail('unclosed array expect ]');
    this.#at++;
    const match = /^([^!<>=]+)([!<>=]+)(.+?)$/s.exec(text);
    const steps = (inner: string): Step[] => new Parser(`${inner}}`).#action().steps;
    return match
      ? { op: 'filter', left: steps(match[1]!), operator: match[2]!, right: steps(match[3]!) }
      : { op: 'filter', left: steps(text), operator: 'exists', right: [] };
  }
}

/** What stands between brackets: `*`, `'name'`, `3`, `-1`, `1:3`, `::2`. */
function subscript(text: string): Step[] {
  const name = /^'([^']*)'$/.exec(text)?.[1];
  if (name !== undefined) {
    // A dot in a quoted name is part of it only where it is escaped, as kubectl has it.
    return name
      .split(/(?<!\\)\./)
      .map(
        (part): Step =>
          part === '*' ? { op: 'wildcard' } : { op: 'field', name: part.replaceAll('\\', '') },
      );
  }
  const match = /^(-?\d*)(:-?\d*)?(:-?\d*)?$/.exec(text === '*' ? ':' : text);
  if (!match || text === '') return fail(`invalid array index ${text}`);
  const number = (part: string | undefined): number | undefined =>
    part === undefined || part === '' || part === ':' ? undefined : Number(part.replace(':', ''));
  return [
    {
      op: 'slice',
      from: number(match[1]),
      to: number(match[2]),
      step: number(match[3]),
      single: match[2] === undefined,
    },
  ];
}
