// What calls cost: as they run, and beforehand, when only the sizes that a schema allows are known.
//
// A unit is about 50 ns of the reference implementation. The weights are part of the API: a rule that fits the budget of one
// server must fit that of another. https://kubernetes.io/docs/reference/using-api/cel/#resource-constraints
import type { Node } from './syntax.ts';
import type { CelType } from './types.ts';
import { Opaque, Optional, type Value } from './values.ts';

export const PER_CHARACTER = 0.1;
/** An expression within a pattern is taken for four characters of it. */
export const PER_PATTERN_CHARACTER = 0.25;
export const LIST_COST = 10;
export const MAP_COST = 30;
export const STRUCT_COST = 40;
/** No cost, and no size, is greater than this. */
export const MOST = 2 ** 64;

/** Of sizes and of costs: the least and the most that it may be. */
export interface Range {
  readonly min: number;
  readonly max: number;
}

export const exactly = (n: number): Range => ({ min: n, max: n });
export const unknownSize: Range = { min: 0, max: MOST };

const cap = (n: number): number => Math.min(n, MOST);
export const plus = (a: Range, b: Range): Range => ({ min: cap(a.min + b.min), max: cap(a.max + b.max) });
export const times = (a: Range, b: Range): Range => ({ min: cap(a.min * b.min), max: cap(a.max * b.max) });
export const scale = (a: Range, factor: number): Range => ({
  min: cap(Math.ceil(a.min * factor)),
  max: cap(Math.ceil(a.max * factor)),
});
export const union = (a: Range, b: Range): Range => ({
  min: Math.min(a.min, b.min),
  max: Math.max(a.max, b.max),
});

/** One operand of a call that is estimated; the target, if there is one, is the first. */
export interface Operand {
  node: Node;
  type: CelType;
  size: Range;
  /** The sizes that the elements of a list may have, as far as its schema says. */
  element: Range;
}

export interface Estimate {
  cost: Range;
  /** Of the result. */
  size?: Range;
}

export interface CostModel {
  actual(args: readonly Value[]): number;
  estimate(operands: readonly Operand[]): Estimate;
}

/** What the language's `size` says, and 1 of everything that has none. */
export function sizeOf(value: Value | undefined): number {
  if (typeof value === 'string' || Array.isArray(value) || value instanceof Uint8Array) return value.length;
  if (typeof value !== 'object' || value === null) return 1;
  if (value instanceof Optional) return value.value === undefined ? 1 : sizeOf(value.value);
  if (value instanceof Opaque) return value.weight;
  return 'isMap' in value ? value.size : 1;
}

export const nominal = (cost = 1): CostModel => ({
  actual: () => cost,
  estimate: () => ({ cost: exactly(cost) }),
});

/** Reads operand `i` from end to end, `factor` times. `size`: how large the result is, by the size of the operand. */
export const reads = (i = 0, factor = 1, size?: (of: Range) => Range): CostModel => ({
  actual: (args) => Math.ceil(sizeOf(args[i]) * factor * PER_CHARACTER),
  estimate: (operands) => {
    const of = operands[i]?.size ?? unknownSize;
    return { cost: scale(of, factor * PER_CHARACTER), ...(size ? { size: size(of) } : {}) };
  },
});

/** Both operands, but no more of the longer one than the shorter one has. */
export const compares: CostModel = {
  actual: ([a, b]) => Math.ceil(Math.min(sizeOf(a), sizeOf(b)) * PER_CHARACTER),
  estimate: ([a, b]) => {
    const max = Math.min(a!.size.max, b!.size.max);
    return { cost: scale({ min: max > 0 ? 1 : 0, max }, PER_CHARACTER) };
  },
};

/** As `compares`; values of libraries are compared at once, but for what they hold of text. */
export const equals: CostModel = {
  actual: compares.actual,
  estimate: (operands) => {
    const [a, b] = operands as [Operand, Operand];
    if (a.type.kind !== 'opaque' || a.type.params.length || a.type.name !== b.type.name)
      return compares.estimate(operands);
    if (a.type.name === 'kubernetes.NamedFormat') return { cost: scale({ min: 1, max: 64 }, PER_CHARACTER) };
    const max = a.type.name === 'kubernetes.URL' && b.size.max < MOST ? b.size.max : 1;
    return { cost: scale({ min: 1, max: Math.max(1, max) }, PER_CHARACTER) };
  },
};

export const concatenates: CostModel = {
  actual: ([a, b]) => Math.ceil((sizeOf(a) + sizeOf(b)) * PER_CHARACTER),
  estimate: ([a, b]) => {
    const size = plus(a!.size, b!.size);
    return { cost: scale(size, PER_CHARACTER), size };
  },
};

/** Looks for one text in another. */
export const contains: CostModel = {
  actual: ([a, b]) => Math.ceil(sizeOf(a) * PER_CHARACTER) * Math.ceil(sizeOf(b) * PER_CHARACTER),
  estimate: ([a, b]) => ({
    cost: times(scale(a!.size, PER_CHARACTER), scale(b!.size, PER_CHARACTER)),
  }),
};

/** Runs a pattern, the second operand, over a text. An empty text costs as much as one character. */
export const matching = (resultSize: boolean): CostModel => ({
  actual: ([a, b]) =>
    Math.ceil((1 + sizeOf(a)) * PER_CHARACTER) * Math.ceil(sizeOf(b) * PER_PATTERN_CHARACTER),
  estimate: ([a, b]) => ({
    cost: times(scale(plus(a!.size, exactly(1)), PER_CHARACTER), scale(b!.size, PER_PATTERN_CHARACTER)),
    ...(resultSize ? { size: { min: 0, max: a!.size.max } } : {}),
  }),
});

/** Walks over all of a value: lists within lists, and the characters of texts. */
export function walked(value: Value | undefined): number {
  if (typeof value === 'string' || value instanceof Uint8Array)
    return Math.floor(value.length * PER_CHARACTER);
  if (Array.isArray(value)) return value.reduce<number>((sum, item) => sum + walked(item), 0);
  if (typeof value === 'object' && value !== null && 'isMap' in value)
    return value.keys().reduce<number>((sum, key) => sum + walked(key) + walked(value.get(key)), 0);
  return 1;
}

/** Looks at each element of a list: `sum`, `min`, `isSorted`, `indexOf`. */
export const eachElement: CostModel = {
  actual: ([list]) => walked(list),
  estimate: ([list]) => {
    const [element] = list!.type.params;
    if (!element) return { cost: scale(list!.size, PER_CHARACTER) };
    const text = element.kind === 'string' || element.kind === 'bytes';
    const each = text ? plus(exactly(1), scale(list!.element, PER_CHARACTER)) : exactly(1);
    return { cost: times(list!.size, each) };
  },
};

/** Makes a list of `size` elements, at `factor` each. */
export const allocates = (factor: number, size: Range): Estimate => ({
  cost: plus(scale(size, factor), exactly(1 + LIST_COST)),
  size,
});
export const allocated = (factor: number, size: number): number => Math.floor(size * factor) + 1 + LIST_COST;

/** The value of an operand that is a whole number written out. */
export function literalInt(operand: Operand | undefined, otherwise: number): number {
  const node = operand?.node;
  if (node?.kind !== 'literal' || typeof node.value !== 'bigint') return otherwise;
  return Math.max(0, Number(node.value));
}
