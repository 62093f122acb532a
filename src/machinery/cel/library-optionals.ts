// Values that may be missing. https://pkg.go.dev/github.com/google/cel-go/cel#OptionalTypes
import type { Declarations } from './functions.ts';
import { CelError, Duration, FIRST_MOMENT, isMap, Optional, Timestamp, Uint, type Value } from './values.ts';

const isZero = (value: Value): boolean =>
  value === null ||
  value === '' ||
  value === false ||
  value === 0n ||
  value === 0 ||
  (value instanceof Uint && value.value === 0n) ||
  (value instanceof Duration && value.nanos === 0n) ||
  (value instanceof Timestamp && value.nanos === FIRST_MOMENT) ||
  (value instanceof Optional && value.value === undefined) ||
  ((Array.isArray(value) || value instanceof Uint8Array) && value.length === 0) ||
  (isMap(value) && value.size === 0);

function contentOf({ value }: Optional): Value {
  if (value === undefined) throw new CelError('optional.none() dereference');
  return value;
}

function unwrapped(list: Value[]): Value[] {
  return list.flatMap((item) => {
    if (!(item instanceof Optional)) throw new CelError(`value ${String(item)} is not optional`);
    return item.value === undefined ? [] : [item.value];
  });
}

/** `or` and `orValue` evaluate their argument only where it is needed: the compiler makes them. */
export const optionals: Declarations = {
  'optional.of': { optional_of: ['(V) -> optional(V)', (a: Value) => new Optional(a)] },
  'optional.none': { optional_none: ['() -> optional(V)', () => new Optional()] },
  'optional.ofNonZeroValue': {
    optional_ofNonZeroValue: [
      '(V) -> optional(V)',
      (a: Value) => (isZero(a) ? new Optional() : new Optional(a)),
    ],
  },
  'optional.unwrap': { optional_unwrap: ['(list(optional(V))) -> list(V)', unwrapped] },
  unwrapOpt: { optional_unwrapOpt: ['list(optional(V)).() -> list(V)', unwrapped] },
  hasValue: { optional_hasValue: ['optional(V).() -> bool', (a: Optional) => a.value !== undefined] },
  value: { optional_value: ['optional(V).() -> V', contentOf] },
  or: {
    optional_or_optional: [
      'optional(V).(optional(V)) -> optional(V)',
      (a: Optional, b: Optional) => (a.value === undefined ? b : a),
    ],
  },
  orValue: {
    optional_orValue_value: ['optional(V).(V) -> V', (a: Optional, b: Value) => a.value ?? b],
  },
  first: { list_first: ['list(V).() -> optional(V)', (list: Value[]) => new Optional(list[0])] },
  last: { list_last: ['list(V).() -> optional(V)', (list: Value[]) => new Optional(list.at(-1))] },
};
