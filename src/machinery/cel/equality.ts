// Equality and order. Numbers of different types compare by what they are worth.
import { noOverload } from './functions.ts';
import {
  Duration,
  isMap,
  Opaque,
  Optional,
  Timestamp,
  TypeValue,
  Uint,
  UniqueList,
  type Value,
} from './values.ts';

const numeric = (value: Value): number | bigint | undefined =>
  typeof value === 'number' || typeof value === 'bigint'
    ? value
    : value instanceof Uint
      ? value.value
      : undefined;

/** Beside a double, a whole number is taken for the double that is nearest to it. */
function compareNumbers(a: number | bigint, b: number | bigint): number {
  const alike = typeof a === typeof b;
  const left = alike ? a : Number(a);
  const right = alike ? b : Number(b);
  if (left === right) return 0;
  return left < right ? -1 : left > right ? 1 : Number.NaN;
}

export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}

/** By code points: units of UTF-16 would put what is beyond the first plane before U+E000. */
export function compareText(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return x >= 0xd800 && y >= 0xd800 ? a.codePointAt(i)! - b.codePointAt(i)! : x - y;
  }
  return a.length - b.length;
}

export function celEqual(a: Value, b: Value): boolean {
  if (a === b) return !(typeof a === 'number' && Number.isNaN(a));
  const left = numeric(a);
  const right = numeric(b);
  if (left !== undefined && right !== undefined) return compareNumbers(left, right) === 0;
  if (a === null || b === null || typeof a !== 'object' || typeof b !== 'object') return false;
  if (Array.isArray(a)) return Array.isArray(b) && listsEqual(a, b);
  if (a instanceof Uint8Array) return b instanceof Uint8Array && compareBytes(a, b) === 0;
  if (a instanceof Timestamp) return b instanceof Timestamp && a.nanos === b.nanos;
  if (a instanceof Duration) return b instanceof Duration && a.nanos === b.nanos;
  if (a instanceof TypeValue) return b instanceof TypeValue && a.name === b.name;
  if (a instanceof Opaque) return a.equals(b);
  if (a instanceof Optional) {
    if (!(b instanceof Optional)) return false;
    if (a.value === undefined || b.value === undefined) return a.value === b.value;
    return celEqual(a.value, b.value);
  }
  if (!isMap(a) || !isMap(b) || a.size !== b.size) return false;
  return a.keys().every((key) => {
    const other = b.get(key);
    return other !== undefined && celEqual(a.get(key)!, other);
  });
}

/** The order of a set, and of a list with keys, means nothing. */
function listsEqual(a: Value[], b: Value[]): boolean {
  if (a.length !== b.length) return false;
  const unique = a instanceof UniqueList ? a : b instanceof UniqueList ? b : undefined;
  if (!unique) return a.every((item, i) => celEqual(item, b[i]!));
  const other = unique === a ? b : a;
  return unique.every((item, i) => celEqual(item, other[i]!)) || sameElements(unique, other);
}

function sameElements(unique: UniqueList, other: Value[]): boolean {
  const left = unique.byIdentity();
  const right = UniqueList.like(unique, other).byIdentity();
  if (left.size !== right.size) return false;
  for (const [identity, item] of left) {
    const counterpart = right.get(identity);
    if (counterpart === undefined || !celEqual(item, counterpart)) return false;
  }
  return true;
}

/** Negative, zero, positive; NaN where the values have no order (a NaN). Throws where their types have none. */
export function celCompare(a: Value, b: Value, name = '_<_'): number {
  if (typeof a === 'string' && typeof b === 'string') return compareText(a, b);
  const left = numeric(a);
  const right = numeric(b);
  if (left !== undefined && right !== undefined) return compareNumbers(left, right);
  if (typeof a === 'boolean' && typeof b === 'boolean') return Number(a) - Number(b);
  if (a instanceof Uint8Array && b instanceof Uint8Array) return compareBytes(a, b);
  if ((a instanceof Timestamp && b instanceof Timestamp) || (a instanceof Duration && b instanceof Duration))
    return a.nanos < b.nanos ? -1 : a.nanos > b.nanos ? 1 : 0;
  throw noOverload(name, a, b);
}
