// Operators, sizes and conversions: what the language itself defines.
// https://github.com/google/cel-spec/blob/master/doc/langdef.md#list-of-standard-definitions
import {
  type CostModel,
  compares,
  concatenates,
  contains,
  equals,
  exactly,
  matching,
  nominal,
  plus,
  reads,
} from './cost.ts';
import { celCompare, celEqual } from './equality.ts';
import type { Declarations } from './functions.ts';
import { patternOf } from './pattern.ts';
import { bytesText, toText } from './text.ts';
import {
  CelError,
  type CelMap,
  Duration,
  parseDuration,
  parseTimestamp,
  Timestamp,
  TypeValue,
  typeNameOf,
  Uint,
  UniqueList,
  type Value,
} from './values.ts';

const INT_MAX = 9223372036854775807n;
const INT_MIN = -9223372036854775808n;

export function int(value: bigint): bigint {
  if (value > INT_MAX || value < INT_MIN) throw new CelError('integer overflow');
  return value;
}

function dividing(name: string, a: bigint, b: bigint): [bigint, bigint] {
  if (b === 0n) throw new CelError(name);
  return [a, b];
}
const quotient = (a: bigint, b: bigint): bigint => {
  const [n, d] = dividing('division by zero', a, b);
  return n / d;
};
const remainder = (a: bigint, b: bigint): bigint => {
  const [n, d] = dividing('modulus by zero', a, b);
  return n % d;
};
const moment = (nanos: bigint, { offset }: Timestamp): Timestamp => new Timestamp(nanos, offset);
const span = (nanos: bigint): Duration => new Duration(nanos);

const joined: CostModel = {
  actual: () => 1,
  estimate: ([a, b]) => ({ cost: exactly(1), size: plus(a!.size, b!.size) }),
};

function addLists(a: Value[], b: Value[]): Value[] {
  return a instanceof UniqueList ? a.union(b) : a.concat(b);
}

const arithmetic: Declarations = {
  '_+_': {
    add_bytes: ['(bytes, bytes) -> bytes', (a: Uint8Array, b: Uint8Array) => concat(a, b), concatenates],
    add_double: ['(double, double) -> double', (a: number, b: number) => a + b],
    add_duration_duration: [
      '(duration, duration) -> duration',
      (a: Duration, b: Duration) => span(a.nanos + b.nanos),
    ],
    add_duration_timestamp: [
      '(duration, timestamp) -> timestamp',
      (a: Duration, b: Timestamp) => moment(a.nanos + b.nanos, b),
    ],
    add_timestamp_duration: [
      '(timestamp, duration) -> timestamp',
      (a: Timestamp, b: Duration) => moment(a.nanos + b.nanos, a),
    ],
    add_int64: ['(int, int) -> int', (a: bigint, b: bigint) => int(a + b)],
    add_list: ['(list(A), list(A)) -> list(A)', addLists, joined],
    add_string: ['(string, string) -> string', (a: string, b: string) => a + b, concatenates],
    add_uint64: ['(uint, uint) -> uint', (a: Uint, b: Uint) => new Uint(a.value + b.value)],
  },
  '_-_': {
    subtract_double: ['(double, double) -> double', (a: number, b: number) => a - b],
    subtract_duration_duration: [
      '(duration, duration) -> duration',
      (a: Duration, b: Duration) => span(a.nanos - b.nanos),
    ],
    subtract_int64: ['(int, int) -> int', (a: bigint, b: bigint) => int(a - b)],
    subtract_timestamp_duration: [
      '(timestamp, duration) -> timestamp',
      (a: Timestamp, b: Duration) => moment(a.nanos - b.nanos, a),
    ],
    subtract_timestamp_timestamp: [
      '(timestamp, timestamp) -> duration',
      (a: Timestamp, b: Timestamp) => span(a.nanos - b.nanos),
    ],
    subtract_uint64: ['(uint, uint) -> uint', (a: Uint, b: Uint) => new Uint(a.value - b.value)],
  },
  '_*_': {
    multiply_double: ['(double, double) -> double', (a: number, b: number) => a * b],
    multiply_int64: ['(int, int) -> int', (a: bigint, b: bigint) => int(a * b)],
    multiply_uint64: ['(uint, uint) -> uint', (a: Uint, b: Uint) => new Uint(a.value * b.value)],
  },
  '_/_': {
    divide_double: ['(double, double) -> double', (a: number, b: number) => a / b],
    divide_int64: ['(int, int) -> int', (a: bigint, b: bigint) => int(quotient(a, b))],
    divide_uint64: ['(uint, uint) -> uint', (a: Uint, b: Uint) => new Uint(quotient(a.value, b.value))],
  },
  '_%_': {
    modulo_int64: ['(int, int) -> int', (a: bigint, b: bigint) => remainderOf(a, b)],
    modulo_uint64: ['(uint, uint) -> uint', (a: Uint, b: Uint) => new Uint(remainder(a.value, b.value))],
  },
  '-_': {
    negate_double: ['(double) -> double', (a: number) => -a],
    negate_int64: ['(int) -> int', (a: bigint) => int(-a)],
  },
  '!_': { logical_not: ['(bool) -> bool', (a: boolean) => !a] },
};

function remainderOf(a: bigint, b: bigint): bigint {
  if (a === INT_MIN && b === -1n) throw new CelError('integer overflow');
  return remainder(a, b);
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const result = new Uint8Array(a.length + b.length);
  result.set(a);
  result.set(b, a.length);
  return result;
}

/** `less_int64`, `less_int64_double` ...: the names that overloads of comparisons have. */
const comparable: [id: string, left: string, right: string, cost?: CostModel][] = [
  ['bool', 'bool', 'bool'],
  ['int64', 'int', 'int'],
  ['int64_double', 'int', 'double'],
  ['int64_uint64', 'int', 'uint'],
  ['uint64', 'uint', 'uint'],
  ['uint64_double', 'uint', 'double'],
  ['uint64_int64', 'uint', 'int'],
  ['double', 'double', 'double'],
  ['double_int64', 'double', 'int'],
  ['double_uint64', 'double', 'uint'],
  ['string', 'string', 'string', compares],
  ['bytes', 'bytes', 'bytes', compares],
  ['timestamp', 'timestamp', 'timestamp'],
  ['duration', 'duration', 'duration'],
];
const ordered = (name: string, word: string, holds: (order: number) => boolean): Declarations => ({
  [name]: Object.fromEntries(
    comparable.map(([id, left, right, cost = nominal()]) => [
      `${word}_${id}`,
      [`(${left}, ${right}) -> bool`, (a: Value, b: Value) => holds(celCompare(a, b, name)), cost] as const,
    ]),
  ),
});

const comparisons: Declarations = {
  '_==_': { equals: ['(A, A) -> bool', celEqual, equals] },
  '_!=_': { not_equals: ['(A, A) -> bool', (a: Value, b: Value) => !celEqual(a, b), compares] },
  ...ordered('_<_', 'less', (order) => order < 0),
  ...ordered('_<=_', 'less_equals', (order) => order <= 0),
  ...ordered('_>_', 'greater', (order) => order > 0),
  ...ordered('_>=_', 'greater_equals', (order) => order >= 0),
};

const eachOfList: CostModel = {
  actual: ([, list]) => (list as Value[]).length,
  estimate: ([, list]) => ({ cost: list!.size }),
};

/** What the compiler makes itself: they do not evaluate all of their operands, or cost as accesses do. */
const special: Declarations = {
  '_?_:_': { conditional: ['(bool, A, A) -> A'] },
  '_&&_': { logical_and: ['(bool, bool) -> bool'] },
  '_||_': { logical_or: ['(bool, bool) -> bool'] },
  '@not_strictly_false': { not_strictly_false: ['(bool) -> bool'] },
  '_[_]': {
    index_list: ['(list(A), int) -> A'],
    index_map: ['(map(A, B), A) -> B'],
    optional_list_index_int: ['(optional(list(V)), int) -> optional(V)'],
    optional_map_index_value: ['(optional(map(K, V)), K) -> optional(V)'],
  },
  '_[?_]': {
    list_optindex_optional_int: ['(list(V), int) -> optional(V)'],
    optional_list_optindex_optional_int: ['(optional(list(V)), int) -> optional(V)'],
    map_optindex_optional_value: ['(map(K, V), K) -> optional(V)'],
    optional_map_optindex_optional_value: ['(optional(map(K, V)), K) -> optional(V)'],
  },
  '_?._': { select_optional_field: ['(dyn, string) -> optional(V)'] },
  'cel.@mapInsert': {
    '@mapInsert_map_key_value': ['(map(K, V), K, V) -> map(K, V)'],
    '@mapInsert_map_map': ['(map(K, V), map(K, V)) -> map(K, V)'],
  },
  dyn: { to_dyn: ['(A) -> dyn', (a: Value) => a] },
  type: { type: ['(A) -> type(A)', (a: Value) => new TypeValue(typeNameOf(a))] },
};

const containers: Declarations = {
  '@in': {
    in_list: [
      '(A, list(A)) -> bool',
      (a: Value, list: Value[]) => list.some((item) => celEqual(item, a)),
      eachOfList,
    ],
    in_map: ['(A, map(A, B)) -> bool', (a: Value, map: CelMap) => map.get(a) !== undefined],
  },
  size: {
    size_bytes: ['(bytes) -> int', (a: Uint8Array) => BigInt(a.length)],
    bytes_size: ['bytes.() -> int', (a: Uint8Array) => BigInt(a.length)],
    size_list: ['(list(A)) -> int', (a: Value[]) => BigInt(a.length)],
    list_size: ['list(A).() -> int', (a: Value[]) => BigInt(a.length)],
    size_map: ['(map(A, B)) -> int', (a: CelMap) => BigInt(a.size)],
    map_size: ['map(A, B).() -> int', (a: CelMap) => BigInt(a.size)],
    size_string: ['(string) -> int', characterCount],
    string_size: ['string.() -> int', characterCount],
  },
};

function characterCount(text: string): bigint {
  let count = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit >= 0xd800 && unit < 0xdc00 && i + 1 < text.length) count--;
  }
  return BigInt(count);
}

function intOfDouble(value: number): bigint {
  if (!Number.isFinite(value) || value <= -(2 ** 63) || value >= 2 ** 63)
    throw new CelError('integer overflow');
  return BigInt(Math.trunc(value));
}
function uintOfDouble(value: number): Uint {
  if (!Number.isFinite(value) || value < 0 || value >= 2 ** 64)
    throw new CelError('unsigned integer overflow');
  return new Uint(BigInt(Math.trunc(value)));
}
function intOfText(text: string): bigint {
  if (!/^[+-]?\d+$/.test(text)) throw conversion('int');
  return int(BigInt(text.replace('+', '')));
}
function uintOfText(text: string): Uint {
  if (!/^\d+$/.test(text)) throw conversion('uint');
  return new Uint(BigInt(text));
}
function doubleOfText(text: string): number {
  const special = /^([+-]?)(inf|infinity|nan)$/i.exec(text);
  if (special)
    return special[2]!.toLowerCase() === 'nan' ? Number.NaN : special[1] === '-' ? -Infinity : Infinity;
  const number = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isFinite(number)) throw conversion('double');
  return number;
}
function boolOfText(text: string): boolean {
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(text)) return true;
  if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(text)) return false;
  throw conversion('bool');
}
const conversion = (to: string): CelError => new CelError(`type conversion error from 'string' to '${to}'`);
/** Whole seconds before a moment, of moments before 1970 too. */
const secondsOf = ({ nanos }: Timestamp): bigint =>
  (nanos - (((nanos % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n)) / 1_000_000_000n;
const same = (value: Value): Value => value;
const bytesSize = reads(0, 1, ({ min, max }) => ({ min, max: max * 4 }));
const textSize = reads(0, 1, ({ min, max }) => ({ min: Math.floor(min / 4), max }));

const conversions: Declarations = {
  bool: { bool_to_bool: ['(bool) -> bool', same], string_to_bool: ['(string) -> bool', boolOfText] },
  bytes: {
    bytes_to_bytes: ['(bytes) -> bytes', same],
    string_to_bytes: ['(string) -> bytes', (a: string) => new TextEncoder().encode(a), bytesSize],
  },
  double: {
    double_to_double: ['(double) -> double', same],
    int64_to_double: ['(int) -> double', (a: bigint) => Number(a)],
    string_to_double: ['(string) -> double', doubleOfText],
    uint64_to_double: ['(uint) -> double', (a: Uint) => Number(a.value)],
  },
  duration: {
    duration_to_duration: ['(duration) -> duration', same],
    int64_to_duration: ['(int) -> duration', (a: bigint) => new Duration(a)],
    string_to_duration: ['(string) -> duration', (a: string) => parseDuration(a)],
  },
  int: {
    int64_to_int64: ['(int) -> int', same],
    double_to_int64: ['(double) -> int', intOfDouble],
    duration_to_int64: ['(duration) -> int', (a: Duration) => a.nanos],
    string_to_int64: ['(string) -> int', intOfText],
    timestamp_to_int64: ['(timestamp) -> int', secondsOf],
    uint64_to_int64: ['(uint) -> int', (a: Uint) => int(a.value)],
  },
  string: {
    string_to_string: ['(string) -> string', same],
    bool_to_string: ['(bool) -> string', toText],
    bytes_to_string: ['(bytes) -> string', bytesText, textSize],
    double_to_string: ['(double) -> string', toText],
    duration_to_string: ['(duration) -> string', toText],
    int64_to_string: ['(int) -> string', toText],
    timestamp_to_string: ['(timestamp) -> string', toText],
    uint64_to_string: ['(uint) -> string', toText],
  },
  timestamp: {
    timestamp_to_timestamp: ['(timestamp) -> timestamp', same],
    int64_to_timestamp: ['(int) -> timestamp', (a: bigint) => new Timestamp(a * 1_000_000_000n)],
    string_to_timestamp: ['(string) -> timestamp', (a: string) => parseTimestamp(a)],
  },
  uint: {
    uint64_to_uint64: ['(uint) -> uint', same],
    double_to_uint64: ['(double) -> uint', uintOfDouble],
    int64_to_uint64: ['(int) -> uint', (a: bigint) => new Uint(a)],
    string_to_uint64: ['(string) -> uint', uintOfText],
  },
};

const matchText = (text: string, pattern: string): boolean => patternOf(pattern).matcher(text).find();

/** Estimated by the shorter text, charged by the longer one. */
const edges: CostModel = { actual: reads(0).actual, estimate: reads(1).estimate };

const texts: Declarations = {
  contains: {
    contains_string: ['string.(string) -> bool', (a: string, b: string) => a.includes(b), contains],
  },
  endsWith: {
    ends_with_string: ['string.(string) -> bool', (a: string, b: string) => a.endsWith(b), edges],
  },
  startsWith: {
    starts_with_string: ['string.(string) -> bool', (a: string, b: string) => a.startsWith(b), edges],
  },
  matches: {
    matches: ['(string, string) -> bool', matchText, matching(false)],
    matches_string: ['string.(string) -> bool', matchText, matching(false)],
  },
};

export const standard: Declarations = {
  ...special,
  ...arithmetic,
  ...comparisons,
  ...containers,
  ...conversions,
  ...texts,
};
