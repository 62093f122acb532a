// The values of the Common Expression Language.
//
//   int: bigint     uint: Uint      double: number     bool, string, null: themselves    bytes: Uint8Array
//   list: array     map: CelMap     timestamp, duration, type, optional: classes below
import type { SchemaNode } from '../schema-node.ts';

/** Thrown when an evaluation fails; `no such key: x`, `division by zero`. */
export class CelError extends Error {}

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
  constructor(nanos: bigint) {
    if (nanos < -62135596800_000_000_000n || nanos > 253402300799_999_999_999n)
      throw new CelError('timestamp overflow');
    this.nanos = nanos;
  }
}

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

export const isMap = (value: Value): value is CelMap =>
  typeof value === 'object' && value !== null && (value as CelMap).isMap === true;

/** A map that an expression made. */
export class MapValue implements CelMap {
  readonly isMap = true;
  readonly messageType?: string;
  readonly #entries = new Map<string | bigint | boolean, [Value, Value]>();
  constructor(entries: Iterable<[Value, Value]> = [], messageType?: string) {
    if (messageType) this.messageType = messageType;
    for (const [key, value] of entries) this.#entries.set(keyOf(key), [key, value]);
  }
  get(key: Value): Value | undefined {
    return this.#entries.get(keyOf(key))?.[1];
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

/** Keys that are equal as numbers are one key. */
function keyOf(key: Value): string | bigint | boolean {
  if (typeof key === 'string' || typeof key === 'bigint' || typeof key === 'boolean') return key;
  if (key instanceof Uint) return key.value;
  if (typeof key === 'number' && Number.isInteger(key)) return BigInt(key);
  throw new CelError(`unsupported key type: ${typeNameOf(key)}`);
}

const escaped: Record<string, string> = {
  __underscores__: '__',
  __dot__: '.',
  __dash__: '-',
  __slash__: '/',
};
const keywords = [
  'true',
  'false',
  'null',
  'in',
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
  'namespace',
  'return',
];

/** `foo__dash__bar` -> `foo-bar`: how fields are named whose names are no identifiers. */
function unescapeName(name: string): string {
  if (!name.includes('__')) return name;
  const word = /^__([a-z]+)__$/.exec(name)?.[1];
  if (word && keywords.includes(word)) return word;
  return name.replace(/__(underscores|dot|dash|slash)__/g, (match) => escaped[match]!);
}

/** A JSON object seen through its schema, as far as it has one. Nothing is converted before it is asked for. */
export class JsonMap implements CelMap {
  readonly isMap = true;
  readonly json: Record<string, any>;
  readonly #node: SchemaNode | undefined;
  constructor(json: Record<string, any>, node?: SchemaNode) {
    this.json = json;
    this.#node = node;
  }
  get(key: Value): Value | undefined {
    if (typeof key !== 'string' || !Object.hasOwn(this.json, key) || this.json[key] === undefined)
      return undefined;
    const node = this.#node;
    return adapt(this.json[key], node?.struct ? node.struct.fields.get(key) : node?.element);
  }
  select(name: string): Value | undefined {
    return this.get(name) ?? (name.includes('__') ? this.get(unescapeName(name)) : undefined);
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

const times = new Set([
  'meta.v1.Time',
  'meta.v1.MicroTime',
  'string:date-time',
  'string:datetime',
  'string:date',
]);

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
      if (Array.isArray(json)) return json.map((item) => adapt(item, node?.element));
      return new JsonMap(json, node);
  }
}

function adaptString(text: string, type: string): Value {
  if (times.has(type)) return parseTimestamp(text);
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
const rfc3339 = /^(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?([Zz]|[+-]\d\d:\d\d))?$/;

export function parseTimestamp(text: string): Timestamp {
  const match = rfc3339.exec(text);
  const [, date, time = '00:00:00', fraction = '', zone = 'Z'] = match ?? [];
  const ms = match ? Date.parse(`${date}T${time}${zone.toUpperCase()}`) : Number.NaN;
  if (Number.isNaN(ms)) throw new CelError(`cannot parse ${JSON.stringify(text)} as a timestamp`);
  return new Timestamp(BigInt(ms) * MILLION + BigInt(fraction.padEnd(9, '0')));
}

export function timestampText({ nanos }: Timestamp): string {
  const seconds = nanos >= 0n ? nanos / 1_000_000_000n : -((-nanos + 999_999_999n) / 1_000_000_000n);
  const rest = nanos - seconds * 1_000_000_000n;
  const whole = new Date(Number(seconds) * 1000).toISOString().slice(0, 19);
  return `${whole}${rest ? `.${String(rest).padStart(9, '0').replace(/0+$/, '')}` : ''}Z`;
}

const units: Record<string, bigint> = {
  h: 3_600_000_000_000n,
  m: 60_000_000_000n,
  s: 1_000_000_000n,
  ms: MILLION,
  us: 1000n,
  µs: 1000n,
  ns: 1n,
};

export function parseDuration(text: string): Duration {
  const match = /^([+-]?)((?:\d+(?:\.\d*)?(?:h|ms|us|µs|ns|m|s))+|0)$/.exec(text);
  if (!match) throw new CelError(`cannot parse ${JSON.stringify(text)} as a duration`);
  let nanos = 0n;
  for (const [, whole, fraction = '', unit] of match[2]!.matchAll(/(\d+)(?:\.(\d*))?(h|ms|us|µs|ns|m|s)/g)) {
    const size = units[unit!]!;
    nanos += BigInt(whole!) * size;
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
