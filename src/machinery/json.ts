import { badRequest } from './status.ts';

/** Deeper nesting than any object has; what walks objects need not fear for its stack. */
const maxDepth = 1000;

function checkDepth(text: string): void {
  if (text.length <= maxDepth) return;
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 34) {
      for (i++; i < text.length; i++) {
        const inner = text.charCodeAt(i);
        if (inner === 92) i++;
        else if (inner === 34) break;
      }
    } else if (c === 123 || c === 91) {
      if (++depth > maxDepth) throw badRequest(`json parse error: exceeded max depth of ${maxDepth}`);
    } else if (c === 125 || c === 93) depth--;
  }
}

/** Clients know these errors by the words of Go's parser. */
const worded = (message: string): string =>
  message
    .replace(/^Unexpected token '(.)'.*$/su, "invalid character '$1' looking for beginning of value")
    .replace(/^Unexpected end of JSON input$/, 'unexpected end of JSON input');

/** Parses JSON. Throws 400 with what is wrong, also for what is nested too deep. */
export function parseJson(text: string): any {
  checkDepth(text);
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError)
      throw badRequest(`couldn't get version/kind; json parse error: ${worded(error.message)}`);
    throw error;
  }
}

function countKeys(value: any): number {
  if (typeof value !== 'object' || value === null) return 0;
  let count = 0;
  if (Array.isArray(value)) for (const item of value) count += countKeys(item);
  else
    for (const key in value) {
      const item = value[key];
      count += typeof item === 'object' && item !== null ? 1 + countKeys(item) : 1;
    }
  return count;
}

function countColons(text: string): number {
  let count = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 58) count++;
    else if (c === 34) {
      // Skips a string: to the next quote that is not escaped.
      for (i++; i < text.length; i++) {
        const inner = text.charCodeAt(i);
        if (inner === 92) i++;
        else if (inner === 34) break;
      }
    }
  }
  return count;
}

/**
 * Paths of keys that stand twice in one object of a JSON text. `value` is the text parsed (and not yet changed):
 * as many colons as keys means that there are none, which is nearly always so; only else is the text read again.
 */
export function duplicateKeys(text: string, value: unknown): string[] {
  if (countColons(text) === countKeys(value)) return [];
  return new DuplicateFinder(text).find();
}

/** Walks a text that is known to be JSON, and keeps the keys of each object. */
class DuplicateFinder {
  readonly #text: string;
  readonly #found = new Set<string>();
  #at = 0;
  constructor(text: string) {
    this.#text = text;
  }

  find(): string[] {
    this.#value('');
    return [...this.#found];
  }

  #space(): void {
    while (' \t\r\n'.includes(this.#text[this.#at] ?? '.')) this.#at++;
  }

  #string(): string {
    const start = this.#at++;
    while (this.#text[this.#at] !== '"') this.#at += this.#text[this.#at] === '\\' ? 2 : 1;
    return JSON.parse(this.#text.slice(start, ++this.#at));
  }

  #value(path: string): void {
    this.#space();
    const c = this.#text[this.#at];
    if (c === '{') this.#members(path, true);
    else if (c === '[') this.#members(path, false);
    else if (c === '"') this.#string();
    else while (this.#at < this.#text.length && !',]} \t\r\n'.includes(this.#text[this.#at]!)) this.#at++;
    this.#space();
  }

  #members(path: string, isObject: boolean): void {
    this.#at++;
    this.#space();
    const seen = new Set<string>();
    for (let i = 0; !'}]'.includes(this.#text[this.#at]!); i++) {
      if (isObject) {
        this.#space();
        const key = this.#string();
        this.#space();
        this.#at++; // the colon
        const at = path ? `${path}.${key}` : key;
        if (seen.has(key)) this.#found.add(at);
        seen.add(key);
        this.#value(at);
      } else this.#value(`${path}[${i}]`);
      if (this.#text[this.#at] === ',') this.#at++;
      this.#space();
    }
    this.#at++;
  }
}
