// Lists and sets. https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-list-library
import {
  allocated,
  allocates,
  type CostModel,
  eachElement,
  exactly,
  literalInt,
  MOST,
  plus,
  scale,
  sizeOf,
  times,
} from './cost.ts';
import { celCompare, celEqual } from './equality.ts';
import { choose, type Declarations, functionTable } from './functions.ts';
import { standard } from './library-standard.ts';
import { CelError, Duration, Uint, type Value } from './values.ts';

const includes = (all: Value[], item: Value): boolean => all.some((other) => celEqual(other, item));
const comparable = ['int', 'uint', 'double', 'bool', 'duration', 'timestamp', 'string', 'bytes'];

/** An overload for each type of element. */
const each = (
  types: string[],
  id: (type: string) => string,
  signature: (type: string) => string,
  call: (type: string) => (...args: any[]) => Value,
  cost: (type: string) => CostModel,
) => Object.fromEntries(types.map((type) => [id(type), [signature(type), call(type), cost(type)] as const]));

const extreme = (name: 'min' | 'max', sign: 1 | -1): Declarations => ({
  [name]: each(
    comparable,
    (type) => `list_${type}_${name}_${type}`,
    (type) => `list(${type}).() -> ${type}`,
    () => (list: Value[]) => {
      if (!list.length) throw new CelError(`${name} called on empty list`);
      return list.reduce((best, item) => (celCompare(item, best, name) * sign < 0 ? item : best));
    },
    () => eachElement,
  ),
});

const zero: Record<string, Value> = { int: 0n, uint: new Uint(0n), double: 0, duration: new Duration(0n) };
const adding = functionTable({ '_+_': standard['_+_']! }).get('_+_')!;
const add = (a: Value, b: Value): Value => choose('_+_', adding, [a, b]).call!(a, b);

/** Compares every element with every other: `factor` for each pair, and a little more for texts. */
const pairs = (of: number): CostModel => ({
  actual: (args) => {
    const list = args[of] as Value[];
    const text = typeof list[0] === 'string' || list[0] instanceof Uint8Array;
    return allocated(text ? 2.1 : 2, list.length ** 2);
  },
  estimate: (operands) => {
    const { size, type } = operands[of]!;
    const text = ['string', 'bytes'].includes(type.params[0]?.kind ?? '');
    return allocates(text ? 2.1 : 2, times(size, size));
  },
});
const distinctCost: CostModel = {
  actual: pairs(0).actual,
  estimate: ([list]) => allocates(2, times(list!.size, list!.size)),
};

function sortedBy(list: Value[], keys: Value[]): Value[] {
  if (list.length !== keys.length)
    throw new CelError(
      `@sortByAssociatedKeys() expected a list of the same size as the associated keys list, but got ${list.length} and ` +
        `${keys.length} elements respectively`,
    );
  const kinds = new Set(keys.map((key) => (typeof key === 'object' ? key?.constructor : typeof key)));
  if (kinds.size > 1) throw new CelError('list elements must have the same type');
  const order = list.map((_, i) => i);
  order.sort((a, b) => celCompare(keys[a]!, keys[b]!, 'sort'));
  return order.map((i) => list[i]!);
}

function flatten(list: Value[], depth: number): Value[] {
  if (depth < 0) throw new CelError('level must be non-negative');
  const result: Value[] = [];
  for (const item of list)
    if (Array.isArray(item) && depth > 0) for (const inner of flatten(item, depth - 1)) result.push(inner);
    else result.push(item);
  return result;
}
const flattenCost: CostModel = {
  actual: ([list, depth]) => allocated(depth === undefined ? 1 : Number(depth), sizeOf(list)),
  estimate: ([list, depth]) => allocates(depth ? literalInt(depth, MOST) : 1, list!.size),
};

function slice(list: Value[], from: bigint, to: bigint): Value[] {
  if (from < 0n || to < 0n)
    throw new CelError(`cannot slice(${from}, ${to}), negative indexes not supported`);
  if (from > to)
    throw new CelError(`cannot slice(${from}, ${to}), start index must be less than or equal to end index`);
  if (to > BigInt(list.length))
    throw new CelError(`cannot slice(${from}, ${to}), list is length ${list.length}`);
  return Array.prototype.slice.call(list, Number(from), Number(to));
}
const sliceCost: CostModel = {
  actual: ([list, from, to]) =>
    allocated(1, Math.max(0, Math.min(sizeOf(list), Number(to)) - Math.max(0, Number(from)))),
  estimate: ([list, from, to]) =>
    allocates(1, exactly(Math.max(0, literalInt(to, list!.size.max) - literalInt(from, 0)))),
};

const LONGEST_RANGE = 10_000_000;
function range(count: bigint): Value[] {
  if (count > LONGEST_RANGE) throw new CelError(`range of ${count} elements is too long`);
  return Array.from({ length: Math.max(0, Number(count)) }, (_, i) => BigInt(i));
}
const rangeCost: CostModel = {
  actual: ([count]) => allocated(1, Math.max(0, Number(count))),
  estimate: ([count]) => allocates(1, exactly(literalInt(count, MOST))),
};
const reverseCost: CostModel = {
  actual: ([list]) => allocated(1, sizeOf(list)),
  estimate: ([list]) => allocates(1, list!.size),
};

function distinct(list: Value[]): Value[] {
  const result: Value[] = [];
  for (const item of list) if (!includes(result, item)) result.push(item);
  return result;
}

const setCost = (factor: number): CostModel => ({
  actual: ([a, b]) => 1 + Math.floor(sizeOf(a) * sizeOf(b) * factor),
  estimate: ([a, b]) => ({ cost: plus(scale(times(a!.size, b!.size), factor), exactly(1)) }),
});
const containsAll = (list: Value[], part: Value[]): boolean => part.every((item) => includes(list, item));

export const lists: Declarations = {
  isSorted: each(
    comparable,
    (type) => `list_${type}_is_sorted_bool`,
    (type) => `list(${type}).() -> bool`,
    () => (list: Value[]) =>
      list.every((item, i) => i === 0 || !(celCompare(list[i - 1]!, item, 'isSorted') > 0)),
    () => eachElement,
  ),
  sum: each(
    ['int', 'uint', 'double', 'duration'],
    (type) => `list_${type}_sum_${type}`,
    (type) => `list(${type}).() -> ${type}`,
    (type) => (list: Value[]) => list.reduce(add, zero[type]!),
    () => eachElement,
  ),
  ...extreme('min', 1),
  ...extreme('max', -1),
  indexOf: {
    list_a_index_of_int: [
      'list(A).(A) -> int',
      (list: Value[], item: Value) => BigInt(list.findIndex((other) => celEqual(other, item))),
      eachElement,
    ],
  },
  lastIndexOf: {
    list_a_last_index_of_int: [
      'list(A).(A) -> int',
      (list: Value[], item: Value) => BigInt(list.findLastIndex((other) => celEqual(other, item))),
      eachElement,
    ],
  },
  slice: { list_slice: ['list(T).(int, int) -> list(T)', slice, sliceCost] },
  flatten: {
    list_flatten: ['list(list(T)).() -> list(T)', (list: Value[]) => flatten(list, 1), flattenCost],
    list_flatten_int: [
      'list(dyn).(int) -> list(dyn)',
      (list: Value[], depth: bigint) => flatten(list, Number(depth)),
      flattenCost,
    ],
  },
  sort: each(
    comparable,
    (type) => `list_${type}_sort`,
    (type) => `list(${type}).() -> list(${type})`,
    () => (list: Value[]) => sortedBy(list, list),
    () => pairs(0),
  ),
  '@sortByAssociatedKeys': each(
    comparable,
    (type) => `list_${type}_sortByAssociatedKeys`,
    (type) => `list(T).(list(${type})) -> list(T)`,
    () => sortedBy,
    () => pairs(1),
  ),
  'lists.range': { lists_range: ['(int) -> list(int)', range, rangeCost] },
  reverse: {
    list_reverse: ['list(T).() -> list(T)', (list: Value[]) => Array.from(list).reverse(), reverseCost],
  },
  distinct: { list_distinct: ['list(T).() -> list(T)', distinct, distinctCost] },
  'sets.contains': { list_sets_contains_list: ['(list(T), list(T)) -> bool', containsAll, setCost(1)] },
  'sets.equivalent': {
    list_sets_equivalent_list: [
      '(list(T), list(T)) -> bool',
      (a: Value[], b: Value[]) => containsAll(a, b) && containsAll(b, a),
      setCost(2),
    ],
  },
  'sets.intersects': {
    list_sets_intersects_list: [
      '(list(T), list(T)) -> bool',
      (a: Value[], b: Value[]) => a.some((item) => includes(b, item)),
      setCost(1),
    ],
  },
};
