// The functions that expressions may call, by name: conversions, text, time; the rest in files of their own.
// https://github.com/google/cel-spec/blob/master/doc/langdef.md#list-of-standard-definitions
import { lists } from './library-lists.ts';
import { networks } from './library-networks.ts';
import { quantities } from './library-quantities.ts';
import { strings } from './library-strings.ts';
import { times } from './library-times.ts';
import { int, noOverload } from './operators.ts';
import { patternOf } from './pattern.ts';
import { type CelFunction, type Library, spend } from './scope.ts';
import { toText } from './text.ts';
import {
  CelError,
  Duration,
  isMap,
  Optional,
  parseDuration,
  parseTimestamp,
  Timestamp,
  TypeValue,
  typeNameOf,
  Uint,
  type Value,
} from './values.ts';

function toInt(value: Value): bigint {
  if (typeof value === 'bigint') return value;
  if (value instanceof Uint) return int(value.value);
  if (value instanceof Timestamp) return value.nanos / 1_000_000_000n;
  if (value instanceof Duration) return value.nanos / 1_000_000_000n;
  if (typeof value === 'number') {
    if (!Number.isFinite(value) || Math.abs(value) >= 2 ** 63) throw new CelError('integer overflow');
    return BigInt(Math.trunc(value));
  }
  if (typeof value === 'string') {
    if (!/^[+-]?\d+$/.test(value)) throw new CelError(`cannot convert ${JSON.stringify(value)} to int`);
    return int(BigInt(value));
  }
  throw noOverload('int', value);
}

function toUint(value: Value): Uint {
  if (value instanceof Uint) return value;
  if (typeof value === 'string' && !/^\d+$/.test(value))
    throw new CelError(`cannot convert ${JSON.stringify(value)} to uint`);
  return new Uint(typeof value === 'string' ? BigInt(value) : toInt(value));
}

function toDouble(value: Value): number {
  if (typeof value === 'number') return value;
  if (typeof value === 'bigint') return Number(value);
  if (value instanceof Uint) return Number(value.value);
  if (typeof value === 'string') {
    const number = Number(value);
    if (value.trim() === '' || (Number.isNaN(number) && value !== 'NaN'))
      throw new CelError(`cannot convert ${JSON.stringify(value)} to double`);
    return number;
  }
  throw noOverload('double', value);
}

function size(value: Value): bigint {
  if (typeof value === 'string') return BigInt([...value].length);
  if (Array.isArray(value) || value instanceof Uint8Array) return BigInt(value.length);
  if (typeof value === 'object' && value !== null && isMap(value)) return BigInt(value.size);
  throw noOverload('size', value);
}

function text(value: Value | undefined, name: string): string {
  if (typeof value !== 'string') throw noOverload(name, value ?? null);
  return value;
}

const inText =
  (name: string, test: (text: string, part: string) => boolean): CelFunction =>
  ([value, part], _, budget) => {
    const whole = text(value, name);
    spend(budget, Math.ceil(whole.length / 10));
    return test(whole, text(part, name));
  };

const standard: Library = {
  size: ([value]) => size(value!),
  int: ([value]) => toInt(value!),
  uint: ([value]) => toUint(value!),
  double: ([value]) => toDouble(value!),
  string: ([value]) => toText(value!),
  bytes: ([value]) => (typeof value === 'string' ? new TextEncoder().encode(value) : value!),
  bool: ([value]) => {
    if (typeof value === 'boolean') return value;
    if (['true', 't', 'TRUE', 'True', '1'].includes(value as string)) return true;
    if (['false', 'f', 'FALSE', 'False', '0'].includes(value as string)) return false;
    throw new CelError('type conversion error');
  },
  dyn: ([value]) => value!,
  type: ([value]) => new TypeValue(typeNameOf(value!)),
  duration: ([value]) => (value instanceof Duration ? value : parseDuration(text(value, 'duration'))),
  timestamp: ([value]) => {
    if (value instanceof Timestamp) return value;
    if (typeof value === 'bigint') return new Timestamp(value * 1_000_000_000n);
    return parseTimestamp(text(value, 'timestamp'));
  },
  contains: inText('contains', (whole, part) => whole.includes(part)),
  startsWith: inText('startsWith', (whole, part) => whole.startsWith(part)),
  endsWith: inText('endsWith', (whole, part) => whole.endsWith(part)),
  matches: ([value, pattern], _, budget) => {
    const whole = text(value, 'matches');
    spend(budget, Math.ceil(whole.length / 10) * Math.ceil(text(pattern, 'matches').length / 4));
    return patternOf(pattern as string)
      .matcher(whole)
      .find();
  },
};

const isZero = (value: Value): boolean =>
  value === null ||
  value === '' ||
  value === false ||
  value === 0n ||
  value === 0 ||
  (value instanceof Uint && value.value === 0n) ||
  ((Array.isArray(value) || value instanceof Uint8Array) && value.length === 0) ||
  (typeof value === 'object' && value !== null && isMap(value) && value.size === 0);

function optional(value: Value | undefined, name: string): Optional {
  if (!(value instanceof Optional)) throw noOverload(name, value ?? null);
  return value;
}

/** https://pkg.go.dev/github.com/google/cel-go/cel#OptionalTypes */
const optionals: Library = {
  'optional.of': ([value]) => new Optional(value),
  'optional.none': () => new Optional(),
  'optional.ofNonZeroValue': ([value]) => (isZero(value!) ? new Optional() : new Optional(value)),
  hasValue: ([of]) => optional(of, 'hasValue').value !== undefined,
  value: ([of]) => {
    const { value } = optional(of, 'value');
    if (value === undefined) throw new CelError('optional.none() dereference');
    return value;
  },
  or: ([of, other]) => (optional(of, 'or').value !== undefined ? of! : optional(other, 'or')),
  orValue: ([of, other]) => optional(of, 'orValue').value ?? other!,
};

/** Everything that the API server offers to all its expressions. */
export const functions: Library = {
  ...standard,
  ...optionals,
  ...times,
  ...strings,
  ...lists,
  ...networks,
  ...quantities,
};
