// The functions of Go templates, and the two that kubectl adds (`exists`, `base64decode`).
import { goType, sprintf, type Value } from './go-format.ts';
import { Float, goText as plain } from './go-values.ts';

/** Whether a value counts as true: not zero, not empty. */
export function truth(value: Value): boolean {
  if (value === null || value === undefined) return false;
  if (typeof value === 'object')
    return Array.isArray(value) ? value.length > 0 : Object.keys(value).length > 0;
  return Boolean(value);
}

const isContainer = (value: Value): boolean => typeof value === 'object' && !(value instanceof Float);

const basic = (value: Value): string => {
  const type = goType(value);
  if (type === '<nil>' || type.startsWith('[') || type.startsWith('map'))
    throw new Error('invalid type for comparison');
  return type === 'int64' ? 'int' : type;
};

function equal(a: Value, b: Value): boolean {
  const nil = (value: Value) => value === null || value === undefined;
  if (nil(a) || nil(b)) return nil(a) && nil(b);
  if (isContainer(a) || isContainer(b)) throw new Error('non-comparable type');
  if (basic(a) !== basic(b)) throw new Error('incompatible types for comparison');
  return basic(a) === 'int' || basic(a) === 'float64' ? Number(a) === Number(b) : a === b;
}

function less(a: Value, b: Value): boolean {
  const [x, y] = [basic(a), basic(b)];
  if (x !== y) throw new Error('incompatible types for comparison');
  if (x === 'bool') throw new Error('invalid type for comparison');
  return (a as string) < (b as string);
}

function at(item: Value, index: Value): Value {
  if (item === null || item === undefined) throw new Error('index of untyped nil');
  if (Array.isArray(item) || typeof item === 'string') {
    if (typeof index !== 'bigint' && !Number.isSafeInteger(index)) {
      throw new Error(
        index === null || index === undefined
          ? 'cannot index slice/array with nil'
          : `cannot index slice/array with type ${goType(index)}`,
      );
    }
    const i = Number(index);
    if (i < 0 || i >= item.length) throw new Error(`index out of range: ${i}`);
    return typeof item === 'string' ? BigInt(new TextEncoder().encode(item)[i]!) : item[i];
  }
  if (typeof item !== 'object') throw new Error(`can't index item of type ${goType(item)}`);
  if (typeof index !== 'string') throw new Error(`value has type ${goType(index)}; should be string`);
  return item[index];
}

function slice(item: Value, ...indexes: Value[]): Value {
  if (typeof item !== 'string' && !Array.isArray(item))
    throw new Error(`can't slice item of type ${goType(item)}`);
  const [from = 0n, to = BigInt(item.length)] = indexes as bigint[];
  for (const index of [from, to])
    if (index < 0n || index > BigInt(item.length)) throw new Error(`index out of range: ${index}`);
  if (from > to) throw new Error(`invalid slice index: ${from} > ${to}`);
  return item.slice(Number(from), Number(to));
}

/** `fmt.Sprint`: a space between operands when neither is a string. */
const sprint = (args: Value[]): string =>
  args.reduce<string>((text, arg, i) => {
    const apart = i > 0 && typeof arg !== 'string' && typeof args[i - 1] !== 'string';
    return text + (apart ? ' ' : '') + plain(arg);
  }, '');

const joined = (args: Value[]): string =>
  args.length === 1 && typeof args[0] === 'string' ? args[0] : sprint(args);

const htmlEscapes: Record<string, string> = {
  '"': '&#34;',
  "'": '&#39;',
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '\0': '\uFFFD',
};
const jsEscapes: Record<string, string> = {
  '\\': '\\\\',
  "'": "\\'",
  '"': '\\"',
  '<': '\\u003C',
  '>': '\\u003E',
  '&': '\\u0026',
  '=': '\\u003D',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
};

const percent = (c: string): string => `%${c.charCodeAt(0).toString(16).toUpperCase()}`;

function decodeBase64(text: Value): string {
  if (typeof text !== 'string') throw new Error(`wrong type for value; expected string; got ${goType(text)}`);
  let binary: string;
  try {
    binary = atob(text);
  } catch {
    throw new Error('illegal base64 data at input byte 0');
  }
  return new TextDecoder().decode(Uint8Array.from(binary, (c) => c.charCodeAt(0)));
}

function length(item: Value): bigint {
  if (typeof item === 'string') return BigInt(new TextEncoder().encode(item).length);
  if (Array.isArray(item)) return BigInt(item.length);
  if (typeof item === 'object' && item !== null) return BigInt(Object.keys(item).length);
  if (item === null || item === undefined)
    throw new Error('reflect: call of reflect.Value.Type on zero Value');
  throw new Error(`len of type ${goType(item)}`);
}

function exists(item: Value, ...indexes: Value[]): boolean {
  let value = item;
  for (const index of indexes) {
    if (typeof value !== 'object' || value === null) return false;
    const key = Array.isArray(value) ? Number(index) : String(index);
    if (!Object.hasOwn(value, key)) return false;
    value = (value as Record<string | number, Value>)[key];
  }
  return true;
}

/** `and` and `or` are listed for their names: the execution looks at their arguments one by one. */
export const functions: Record<string, (...args: Value[]) => Value> = {
  and: (...args) => args.find((arg) => !truth(arg)) ?? args.at(-1),
  or: (...args) => args.find(truth) ?? args.at(-1),
  not: (value) => !truth(value),
  len: length,
  index: (item, ...indexes) => indexes.reduce(at, item),
  slice,
  print: (...args) => sprint(args),
  println: (...args) => `${args.map(plain).join(' ')}\n`,
  printf: (format, ...args) => sprintf(String(format), args),
  html: (...args) => joined(args).replace(/["'&<>\0]/g, (c) => htmlEscapes[c]!),
  js: (...args) => joined(args).replace(/[\\'"<>&=\n\r\t]/g, (c) => jsEscapes[c]!),
  urlquery: (...args) =>
    encodeURIComponent(joined(args))
      .replaceAll('%20', '+')
      .replace(/[!'()*]/g, percent),
  eq: (first, ...others) => {
    if (!others.length) throw new Error('missing argument for comparison');
    return others.some((other) => equal(first, other));
  },
  ne: (a, b) => !equal(a, b),
  lt: less,
  le: (a, b) => less(a, b) || equal(a, b),
  gt: (a, b) => !(less(a, b) || equal(a, b)),
  ge: (a, b) => !less(a, b),
  exists,
  base64decode: decodeBase64,
};

const arity: Record<string, [number, number]> = {
  not: [1, 1],
  len: [1, 1],
  ne: [2, 2],
  lt: [2, 2],
  le: [2, 2],
  gt: [2, 2],
  ge: [2, 2],
  base64decode: [1, 1],
  printf: [1, Infinity],
  eq: [1, Infinity],
  index: [1, Infinity],
};

/** Calls a function by its name; what it dislikes is an Error. */
export function callFunction(name: string, args: Value[]): Value {
  const [least, most] = arity[name] ?? [0, Infinity];
  if (args.length < least || args.length > most)
    throw new Error(`wrong number of args for ${name}: want ${least} got ${args.length}`);
  return functions[name]!(...args);
}
