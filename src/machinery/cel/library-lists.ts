// Lists and sets. https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-list-library

import { textIndexOf, textLastIndexOf } from './library-strings.ts';
import { add, celCompare, celEqual, noOverload } from './operators.ts';
import type { Library } from './scope.ts';
import { spend } from './scope.ts';
import { CelError, type Value } from './values.ts';

function list(value: Value | undefined, name: string): Value[] {
  if (!Array.isArray(value)) throw noOverload(name, value ?? null);
  return value;
}

const includes = (all: Value[], item: Value): boolean => all.some((other) => celEqual(other, item));

function extreme(name: string, better: (order: number) => boolean) {
  return (args: Value[]): Value => {
    const all = args.length === 1 ? list(args[0], name) : args;
    if (!all.length) throw new CelError(`${name} called on empty list`);
    return all.reduce((best, item) => (better(celCompare(item, best, name)) ? item : best));
  };
}
const least = extreme('min', (order) => order < 0);
const greatest = extreme('max', (order) => order > 0);

function sum(value: Value | undefined): Value {
  const all = list(value, 'sum');
  return all.length ? all.reduce(add) : 0n;
}

function flatten(all: Value[], depth: number): Value[] {
  return all.flatMap((item) => (Array.isArray(item) && depth > 0 ? flatten(item, depth - 1) : [item]));
}

export const lists: Library = {
  isSorted: ([value]) => {
    const all = list(value, 'isSorted');
    return all.every((item, i) => i === 0 || celCompare(all[i - 1]!, item, 'isSorted') <= 0);
  },
  sum: ([value]) => sum(value),
  min: least,
  max: greatest,
  'math.least': least,
  'math.greatest': greatest,
  indexOf: ([value, item, from]) =>
    Array.isArray(value)
      ? BigInt(value.findIndex((other) => celEqual(other, item!)))
      : textIndexOf(value!, item!, from === undefined ? 0 : Number(from)),
  lastIndexOf: ([value, item, from]) =>
    Array.isArray(value)
      ? BigInt(value.findLastIndex((other) => celEqual(other, item!)))
      : textLastIndexOf(value!, item!, from === undefined ? undefined : Number(from)),
  distinct: ([value]) => {
    const result: Value[] = [];
    for (const item of list(value, 'distinct')) if (!includes(result, item)) result.push(item);
    return result;
  },
  flatten: ([value, depth]) => flatten(list(value, 'flatten'), depth === undefined ? 1 : Number(depth)),
  slice: ([value, from, to]) => list(value, 'slice').slice(Number(from), Number(to)),
  sort: ([value]) => [...list(value, 'sort')].sort((a, b) => celCompare(a, b, 'sort')),
  'lists.range': ([count]) => Array.from({ length: Number(count) }, (_, i) => BigInt(i)),
  'sets.contains': ([value, part], _, budget) => {
    const all = list(value, 'sets.contains');
    const items = list(part, 'sets.contains');
    spend(budget, all.length * items.length);
    return items.every((item) => includes(all, item));
  },
  'sets.equivalent': ([a, b], _, budget) => {
    const left = list(a, 'sets.equivalent');
    const right = list(b, 'sets.equivalent');
    spend(budget, left.length * right.length);
    return left.every((item) => includes(right, item)) && right.every((item) => includes(left, item));
  },
  'sets.intersects': ([a, b], _, budget) => {
    const left = list(a, 'sets.intersects');
    const right = list(b, 'sets.intersects');
    spend(budget, left.length * right.length);
    return left.some((item) => includes(right, item));
  },
};
