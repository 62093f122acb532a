// The values of the Common Expression Language.
//
//   int: bigint     uint: Uint      double: number     bool, string, null: themselves    bytes: Uint8Array
//   list: array     map: CelMap     timestamp, duration, type, optional: classes below
import type { SchemaNode } from '../schema-node.ts';

/** Thrown when an evaluation fails; `no such key: x`, `division by zero`. */
export class CelError extends Error {}
/** The evaluation costs more than it may: nothing hides this, as `||` hides other failures. */
export class CelLimitError extends CelError {}

export class Uint {
  readonly value: bigint;
  constructor(value: bigint) {
    if (value < 0n || value > 18446744073709551615n) throw new CelError('unsigned integer overflow');
    this.value = value;
  }
}

export class Timestamp {
  /** Nanoseconds since the epoch. */
  readonly nanos: bigint;
  /** Minutes east of Greenwich: how it was written, and is written again. */
  readonly offset: number;
  constructor(nanos: bigint, offset = 0) {
    if (nanos < FIRST_MOMENT || nanos > 253402300799_999_999_999n) throw new CelError('timestamp overflow');
    this.nanos = nanos;
    this.offset = offset;
  }
}
/** The beginning of the year 1, which Go takes for no time at all. */
export const FIRST_MOMENT = -62135596800_000_000_000n;

export class Duration {
  readonly nanos: bigint;
  constructor(nanos: bigint) {
    if (nanos > 9223372036854775807n || nanos < -9223372036854775808n)
      throw new CelError('duration overflow');
    this.nanos = nanos;
  }
}

export class TypeValue {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

export class Optional {
  readonly value: Value | undefined;
  constructor(value?: Value) {
    this.value = value;
  }
}

/** A value of a library: `quantity('1Gi')`, `ip('::1')`, `url('https://x')`. `type` is what `type()` says. */
export abstract class Opaque {
  abstract readonly type: string;
  /** How much it counts for where costs go by size. */
  get weight(): number {
    return 1;
  }
  abstract equals(other: Value): boolean;
}

export type Value =
  | null
  | boolean
  | string
  | number
  | bigint
  | Uint
  | Uint8Array
  | Timestamp
  | Duration
  | TypeValue
  | Optional
  | Opaque
  | CelMap
  | Value[];

export interface CelMap {
  readonly isMap: true;
  /** The name of a message's type. */
  readonly messageType?: string;
  get(key: Value): Value | undefined;
  keys(): Value[];
  readonly size: number;
  /** Field access: like `get`, but knows how names are escaped that are no identifiers. */
  select(name: string): Value | undefined;
}

export const isMap = (value: Value | undefined): value is CelMap =>
  typeof value === 'object' && value !== null && (value as CelMap).isMap === true;

/**
 * A list whose elements are told apart by what they are (a set) or by their keys, not by their places. Two are equal in any
 * order; adding one to another merges them.
 */
export class UniqueList extends Array<Value> {
  static override get [Symbol.species]() {
    return Array;
  }
  keyNames: readonly string[] | undefined;

  static make(items: readonly Value[], keyNames: readonly string[] | undefined): UniqueList {
    const list = new UniqueList();
    for (const item of items) list.push(item);
    list.keyNames = keyNames;
    return list;
  }
  static like(list: UniqueList, items: readonly Value[]): UniqueList {
    return UniqueList.make(items, list.keyNames);
  }

  byIdentity(): Map<string, Value> {
    const result = new Map<string, Value>();
    for (const item of this) result.set(this.#identity(item), item);
    return result;
  }
  #identity(item: Value): string {
    const { keyNames } = this;
    const parts = keyNames && isMap(item) ? keyNames.map((name) => item.get(name) ?? null) : [item];
    return JSON.stringify(parts.map((part) => toJson(part)));
  }

  /** Elements stay where they are; those of the other list take the place of their like, the rest is appended. */
  union(other: readonly Value[]): UniqueList {
    const merged = this.byIdentity();
    for (const [identity, item] of UniqueList.like(this, other).byIdentity())
      if (this.keyNames || !merged.has(identity)) merged.set(identity, item);
    return UniqueList.like(this, [...merged.values()]);
  }
}

/** A map that an expression made. */
export class MapValue implements CelMap {
  readonly isMap = true;
  readonly messageType?: string;
  readonly #entries = new Map<string | bigint | boolean, [Value, Value]>();
  constructor(entries: Iterable<[Value, Value]> = [], messageType?: string) {
    if (messageType) this.messageType = messageType;
    for (const [key, value] of entries) this.#entries.set(keyOf(key), [key, value]);
  }
  /** False where there is such a key already. */
  insert(key: Value, value: Value): boolean {
    const at = keyOf(key);
    if (this.#entries.has(at)) return false;
    this.#entries.set(at, [key, value]);
    return true;
  }
  get(key: Value): Value | undefined {
    const at = soughtKey(key);
    return at === undefined ? undefined : this.#entries.get(at)?.[1];
  }
  select(name: string): Value | undefined {
    return this.get(name);
  }
  keys(): Value[] {
    return [...this.#entries.values()].map(([key]) => key);
  }
  get size(): number {
    return this.#entries.size;
  }
}

/** Keys that are equal as numbers are one key. A double may be asked for, but be none. */
function keyOf(key: Value): string | bigint | boolean {
  if (typeof key === 'number') throw new CelError('unsupported key type: double');
  const at = soughtKey(key);
  if (at === undefined) throw new CelError(`unsupported key type: ${typeNameOf(key)}`);
  return at;
}

function soughtKey(key: Value): string | bigint | boolean | undefined {
  if (typeof key === 'string' || typeof key === 'bigint' || typeof key === 'boolean') return key;
  if (key instanceof Uint) return key.value;
  return typeof key === 'number' && Number.isInteger(key) ? BigInt(key) : undefined;
}

const escapes: Record<string, string> = {
  __: '__underscores__',
  '.': '__dot__',
  '-': '__dash__',
  '/': '__slash__',
};
const escaped = Object.fromEntries(Object.entries(escapes).map(([plain, name]) => [name, plain]));
const keywords = new Set(
  'true false null in as break const continue else for function if import let loop package namespace return void while var'.split(
    ' ',
  ),
);

/** How an expression names a field: `foo-bar` is `foo__dash__bar`. Undefined where it cannot. */
export function escapeName(name: string): string | undefined {
  if (keywords.has(name)) return `__${name}__`;
  if (!/^[A-Za-z_./-][A-Za-z0-9_./-]*$/.test(name)) return undefined;
  return name.replace(/__|[-./]/g, (part) => escapes[part]!);
}

function unescapeName(name: string): string {
  const word = /^__([a-z]+)__$/.exec(name)?.[1];
  if (word && keywords.has(word)) return word;
  return name.replace(/__(underscores|dot|dash|slash)__/g, (part) => escaped[part]!);
}

/** A JSON object seen through its schema, as far as it has one. Nothing is converted before it is asked for. */
export class JsonMap implements CelMap {
  readonly isMap = true;
  readonly json: Record<string, any>;
  readonly #node: SchemaNode | undefined;
  #seen: Map<string, Value> | undefined;
  constructor(json: Record<string, any>, node?: SchemaNode) {
    this.json = json;
    this.#node = node;
  }
  get(key: Value): Value | undefined {
    if (typeof key !== 'string' || !Object.hasOwn(this.json, key)) return undefined;
    const value = this.json[key];
    if (value === null && this.#node?.struct) return undefined; // a field that is null is not there
    if (typeof value !== 'object' || value === null)
      return value === undefined ? undefined : adapt(value, this.#below(key));
    this.#seen ??= new Map();
    let seen = this.#seen.get(key);
    if (seen === undefined) {
      seen = adapt(value, this.#below(key));
      this.#seen.set(key, seen);
    }
    return seen;
  }
  #below(key: string): SchemaNode | undefined {
    const node = this.#node;
    return node?.struct ? node.struct.fields.get(key) : node?.element;
  }
  select(name: string): Value | undefined {
    const value = this.get(name);
    return value === undefined && this.#node?.struct && name.includes('__')
      ? this.get(unescapeName(name))
      : value;
  }
  keys(): Value[] {
    return Object.keys(this.json).filter((key) => this.json[key] !== undefined);
  }
  get size(): number {
    return this.keys().length;
  }
}

/** Values that are worked out when they are first asked for: the `variables` of an admission policy. */
export class LazyMap implements CelMap {
  readonly isMap = true;
  readonly #make: Record<string, () => Value>;
  readonly #made = new Map<string, { value: Value } | { error: unknown }>();
  constructor(make: Record<string, () => Value>) {
    this.#make = make;
  }
  get(key: Value): Value | undefined {
    if (typeof key !== 'string' || !Object.hasOwn(this.#make, key)) return undefined;
    let made = this.#made.get(key);
    if (!made) {
      try {
        made = { value: this.#make[key]!() };
      } catch (error) {
        made = { error };
      }
      this.#made.set(key, made);
    }
    if ('error' in made) throw made.error;
    return made.value;
  }
  select(name: string): Value | undefined {
    return this.get(name);
  }
  keys(): Value[] {
    return Object.keys(this.#make);
  }
  get size(): number {
    return Object.keys(this.#make).length;
  }
}

const times = new Set(['meta.v1.Time', 'meta.v1.MicroTime', 'string:date-time']);

/** JSON as a value. Whole numbers are ints, unless the schema says `number`; strings with a format are what it says. */
export function adapt(json: any, node?: SchemaNode): Value {
  if (json === null || json === undefined) return null;
  switch (typeof json) {
    case 'boolean':
      return json;
    case 'string':
      return node?.shape === 'scalar' ? adaptString(json, node.type) : json;
    case 'number':
      return Number.isInteger(json) && node?.scalar !== 'double' ? BigInt(json) : json;
    default:
      if (Array.isArray(json)) return adaptList(json, node);
      return new JsonMap(json, node);
  }
}

function adaptList(json: readonly any[], node: SchemaNode | undefined): Value[] {
  const items = json.map((item) => adapt(item, node?.element));
  if (node?.list === 'set') return UniqueList.make(items, undefined);
  const keys = node?.list === 'map' ? node.keys?.map(({ name }) => name) : undefined;
  return keys ? UniqueList.make(items, keys) : items;
}

function adaptString(text: string, type: string): Value {
  if (type === 'string:date') return parseTimestamp(`${text}T00:00:00Z`);
  if (times.has(type)) return parseTimestamp(text.replace(/^([\d-]+) /, '$1T'));
  if (type === 'string:duration') return parseDuration(text);
  if (type === 'string:byte') return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  return text;
}

/** A value as JSON: what a mutation writes, what a message prints. */
export function toJson(value: Value): any {
  if (typeof value === 'bigint') return Number(value);
  if (value instanceof Uint) return Number(value.value);
  if (value instanceof Uint8Array) return btoa(String.fromCharCode(...value));
  if (value instanceof Timestamp) return timestampText(value);
  if (value instanceof Duration) return durationText(value);
  if (value instanceof Optional) return value.value === undefined ? null : toJson(value.value);
  if (value instanceof TypeValue) return value.name;
  if (Array.isArray(value)) return value.map(toJson);
  if (value instanceof JsonMap) return value.json;
  if (typeof value === 'object' && value !== null && isMap(value)) {
    const result: Record<string, any> = {};
    for (const key of value.keys())
      Object.defineProperty(result, String(toJson(key)), {
        value: toJson(value.get(key)!),
        enumerable: true,
        writable: true,
        configurable: true,
      });
    return result;
  }
  if (value instanceof Opaque) return String(value);
  return value;
}

export function typeNameOf(value: Value): string {
  if (value === null) return 'null_type';
  switch (typeof value) {
    case 'boolean':
      return 'bool';
    case 'string':
      return 'string';
    case 'bigint':
      return 'int';
    case 'number':
      return 'double';
    default:
  }
  if (value instanceof Uint) return 'uint';
  if (value instanceof Uint8Array) return 'bytes';
  if (Array.isArray(value)) return 'list';
  if (value instanceof Timestamp) return 'google.protobuf.Timestamp';
  if (value instanceof Duration) return 'google.protobuf.Duration';
  if (value instanceof TypeValue) return 'type';
  if (value instanceof Optional) return 'optional_type';
  if (value instanceof Opaque) return value.type;
  return (value as CelMap).messageType ?? 'map';
}

const MILLION = 1_000_000n;
const rfc3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)$/;

/** `2024-01-31T10:00:00.5+02:00`. Throws CelError. */
export function parseTimestamp(text: string): Timestamp {
  const match = rfc3339.exec(text);
  if (!match) throw notATime('google.protobuf.Timestamp');
  const [, year, month, day, hour, minute, second, fraction = '', zone] = match as string[];
  const date = new Date(0);
  date.setUTCFullYear(Number(year), Number(month) - 1, Number(day));
  date.setUTCHours(Number(hour), Number(minute), Number(second));
  const isReal =
    date.getUTCMonth() === Number(month) - 1 &&
    date.getUTCDate() === Number(day) &&
    Number(hour) < 24 &&
    Number(minute) < 60 &&
    Number(second) < 60;
  if (!isReal) throw notATime('google.protobuf.Timestamp');
  const [, sign, hours, minutes] = /^([+-])(\d\d):(\d\d)$/.exec(zone!) ?? [];
  const offset = hours === undefined ? 0 : (Number(hours) * 60 + Number(minutes)) * (sign === '-' ? -1 : 1);
  const ms = BigInt(date.getTime() - offset * 60_000);
  return new Timestamp(ms * MILLION + BigInt(fraction.slice(0, 9).padEnd(9, '0')), offset);
}
const notATime = (to: string): CelError => new CelError(`type conversion error from 'string' to '${to}'`);

export function timestampText({ nanos, offset }: Timestamp): string {
  const local = nanos + BigInt(offset) * 60_000_000_000n;
  const rest = ((local % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  const whole = new Date(Number((local - rest) / MILLION)).toISOString().slice(0, 19);
  const two = (n: number) => String(n).padStart(2, '0');
  const east = Math.abs(offset);
  const zone = offset ? `${offset < 0 ? '-' : '+'}${two(Math.floor(east / 60))}:${two(east % 60)}` : 'Z';
  return `${whole}${rest ? `.${String(rest).padStart(9, '0').replace(/0+$/, '')}` : ''}${zone}`;
}

const units: Record<string, bigint> = {
  h: 3_600_000_000_000n,
  m: 60_000_000_000n,
  s: 1_000_000_000n,
  ms: MILLION,
  us: 1000n,
  µs: 1000n,
  μs: 1000n,
  ns: 1n,
};

export function parseDuration(text: string): Duration {
  const match = /^([+-]?)((?:(?:\d+(?:\.\d*)?|\.\d+)(?:h|ms|us|µs|μs|ns|m|s))+|0)$/.exec(text);
  if (!match) throw notATime('google.protobuf.Duration');
  let nanos = 0n;
  for (const [, whole, fraction = '', unit] of match[2]!.matchAll(
    /(\d*)(?:\.(\d*))?(h|ms|us|µs|μs|ns|m|s)/g,
  )) {
    const size = units[unit!]!;
    nanos += BigInt(whole || '0') * size;
    if (fraction) nanos += (BigInt(fraction) * size) / 10n ** BigInt(fraction.length);
  }
  return new Duration(match[1] === '-' ? -nanos : nanos);
}

/** In seconds, as the language prints it: `3600s`, `1.5s`. */
export function durationText({ nanos }: Duration): string {
  const magnitude = nanos < 0n ? -nanos : nanos;
  const rest = magnitude % 1_000_000_000n;
  const fraction = rest ? `.${String(rest).padStart(9, '0').replace(/0+$/, '')}` : '';
  return `${nanos < 0n ? '-' : ''}${magnitude / 1_000_000_000n}${fraction}s`;
}
