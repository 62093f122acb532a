// Random objects of any type of the API, valid in shape: made from the facts, so that every type, and every field of it, is met.
import { typeFacts } from '../api/facts.gen.ts';
import { canonicalQuantity } from '../machinery/quantity.ts';
import { type ScalarType, type SchemaNode, schemaNode } from '../machinery/schema-node.ts';

/** Where choices come from: a generator of numbers, or a property test that makes what fails smaller. */
export interface Draw {
  /** An integer from 0 to `max`, both included. */
  upTo(max: number): number;
}

/** Choices from a seed: the same seed gives the same choices. */
export function drawFrom(seed: number): Draw {
  let state = seed >>> 0;
  return {
    upTo(max) {
      state = (state + 0x6d2b79f5) | 0;
      let t = Math.imul(state ^ (state >>> 15), 1 | state);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4294967296) * (max + 1));
    },
  };
}

export const pick = <T>(draw: Draw, list: readonly T[]): T => list[draw.upTo(list.length - 1)]!;
/** True once in `n` times. */
export const once = (draw: Draw, n: number): boolean => draw.upTo(n - 1) === 0;

const texts = [
  ...['', 'a', 'web', 'x-1', 'a.b.c/d', 'UPPER', 'with space', '0', 'true', 'null', '25%', '1e3'],
  ...['é', '日本語', '😀', '\u0000', '\n\t"\\', '\u2028', 'ﬀ', '\ufeff', 'a'.repeat(130), '€'.repeat(50)],
  ...['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'prototype'],
];
const keys = ['a', 'b', 'app.kubernetes.io/name', '', '7', '10', ...texts.slice(-5), 'é', 'f:x', '.'];
const numbers: Record<string, readonly number[]> = {
  int32: [0, 1, -1, 80, 300, 65535, 2147483647, -2147483648],
  // What is beyond 2^53 has no exact form; these are exact, and the ends of what an int64 holds.
  int64: [0, 1, -1, 2 ** 31, -(2 ** 31) - 1, 2 ** 53 - 1, -(2 ** 53), 2 ** 62, -(2 ** 63), 2 ** 63 - 1024],
  double: [0, 1, -1, 0.5, 1e-7, 1e300, -123.456],
};
const quantities = ['0', '1', '100m', '1.5Gi', '64Mi', '1e3', '12E', '-5', '0.000000001', '2Ki', '1500m', 7];
const times = [
  '2026-01-02T03:04:05Z',
  '1999-12-31T23:59:59Z',
  '1969-12-31T23:59:59Z',
  '9999-12-31T23:59:59Z',
];
const fractions = ['000000', '000001', '123456', '999999', '500000'];

const word = (draw: Draw): string => (once(draw, 3) ? pick(draw, texts) : `v${draw.upTo(9)}`);

function base64(draw: Draw): string {
  const length = pick(draw, [0, 1, 2, 3, 10, 200]);
  return btoa(String.fromCharCode(...Array.from({ length }, () => draw.upTo(255))));
}

const scalars: Record<ScalarType, (draw: Draw) => unknown> = {
  string: word,
  int32: (draw) => pick(draw, numbers.int32!),
  int64: (draw) => pick(draw, numbers.int64!),
  double: (draw) => pick(draw, numbers.double!),
  boolean: (draw) => once(draw, 2),
  bytes: base64,
  quantity: (draw) => canonicalQuantity(pick(draw, quantities)),
  time: (draw) => pick(draw, times),
  microtime: (draw) => pick(draw, times).replace('Z', `.${pick(draw, fractions)}Z`),
  'int-or-string': (draw) => (once(draw, 2) ? word(draw) : pick(draw, numbers.int32!)),
  json: (draw) => randomJson(draw, 2),
};

/** Any JSON value, at most so deep. */
export function randomJson(draw: Draw, depth: number, full = false): unknown {
  const kind = draw.upTo(depth > 0 ? 6 : 4);
  if (kind === 0) return full ? true : null;
  if (kind === 1) return once(draw, 2);
  if (kind === 2) return pick(draw, [...numbers.double!, ...numbers.int32!]);
  if (kind <= 4) return word(draw);
  const length = full ? 1 + draw.upTo(2) : draw.upTo(3);
  if (kind === 5) return Array.from({ length }, () => randomJson(draw, depth - 1, full));
  return record(Array.from({ length }, () => [pick(draw, keys), randomJson(draw, depth - 1, full)] as const));
}

/** Also a key called `__proto__` becomes a key. */
function record(entries: readonly (readonly [string, unknown])[]): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const [key, value] of entries)
    Object.defineProperty(result, key, { value, enumerable: true, writable: true, configurable: true });
  return result;
}

export interface Wishes {
  /** How deep messages go; lists and maps do not count. */
  depth?: number;
  /** Fields of one message at most. */
  fields?: number;
  /** Elements of lists that merge are distinct, and have their keys: as in objects that a server has accepted. */
  distinct?: boolean;
  /** No empty lists and maps, and no null in what is free: they have no owners, and patches cannot say them. */
  full?: boolean;
}

const unions: Record<string, (draw: Draw, wishes: Required<Wishes>) => unknown> = {
  'runtime.RawExtension': (draw, { full }) =>
    record([['kind', word(draw)] as const, ['x', randomJson(draw, 2, full)] as const]),
  'meta.v1.FieldsV1': (draw) => record([[`f:${word(draw)}`, {}] as const]),
  'meta.v1.Patch': () => ({}),
  'apiextensions.v1.CustomResourceSubresourceStatus': () => ({}),
  'apiextensions.v1.JSON': (draw, { full }) => randomJson(draw, 3, full),
  'apiextensions.v1.JSONSchemaPropsOrArray': (draw, wishes) =>
    once(draw, 2) ? schema(draw, wishes) : [schema(draw, wishes), schema(draw, wishes)],
  'apiextensions.v1.JSONSchemaPropsOrBool': (draw, wishes) =>
    once(draw, 2) ? schema(draw, wishes) : once(draw, 2),
  'apiextensions.v1.JSONSchemaPropsOrStringArray': (draw, wishes) =>
    once(draw, 2) ? schema(draw, wishes) : [word(draw)],
};
const schema = (draw: Draw, wishes: Required<Wishes>): unknown =>
  message(draw, schemaNode(typeFacts, 'apiextensions.v1.JSONSchemaProps')!, wishes);

function randomValue(draw: Draw, node: SchemaNode, wishes: Required<Wishes>, name = ''): unknown {
  if (node.shape === 'scalar') {
    if (node.enum && !once(draw, 4)) return pick(draw, node.enum);
    if (name === 'name' && wishes.distinct) return `n${draw.upTo(5)}`;
    return scalars[node.scalar!](draw);
  }
  if (node.shape === 'struct') return message(draw, node, wishes);
  if (node.shape === 'any') return unions[node.type]?.(draw, wishes) ?? {};
  const length = wishes.full ? 1 + draw.upTo(2) : pick(draw, [0, 1, 1, 2, 3]);
  if (node.shape === 'list') return listOf(draw, node, wishes, length);
  const element = node.element!;
  return record(
    Array.from({ length }, () => [pick(draw, keys), randomValue(draw, element, wishes)] as const),
  );
}

function listOf(draw: Draw, node: SchemaNode, wishes: Required<Wishes>, length: number): unknown[] {
  const element = node.element!;
  const items = Array.from({ length }, () => randomValue(draw, element, wishes));
  const merging = node.keys?.map((key) => key.name) ?? (node.mergeKey ? [node.mergeKey] : undefined);
  if (!wishes.distinct || !(merging || node.patchMerge || node.list === 'set')) return items;
  const all = [
    ...new Set([...(node.keys?.map((key) => key.name) ?? []), ...(node.mergeKey ? [node.mergeKey] : [])]),
  ];
  const defaults = new Map(node.keys?.map((key) => [key.name, key.default]));
  const seen = new Set<string>();
  return items.filter((item: any) => {
    for (const key of all) {
      const child = element.struct!.fields.get(key)!;
      const needed = defaults.get(key) === undefined || once(draw, 2);
      if (item[key] === undefined || item[key] === '') {
        if (needed) item[key] = keyValue(draw, child);
        else delete item[key];
      }
    }
    // Also by each key alone: patches merge by one, owners are told apart by all.
    const own = all.length
      ? all.map((key) => `${key}:${JSON.stringify(item[key] ?? defaults.get(key))}`)
      : [JSON.stringify(item)];
    const taken = own.some((one, i) => seen.has(one) && (i === 0 || all[i] === node.mergeKey));
    if (taken || own.join() === '""') return false;
    for (const one of own) seen.add(one);
    return true;
  });
}

const keyValue = (draw: Draw, node: SchemaNode): unknown =>
  node.enum ? pick(draw, node.enum) : node.scalar === 'string' ? `k${draw.upTo(5)}` : draw.upTo(9);

function message(draw: Draw, node: SchemaNode, wishes: Required<Wishes>): Record<string, unknown> {
  const struct = node.struct!;
  const below = { ...wishes, depth: wishes.depth - 1 };
  const result: Record<string, unknown> = {};
  const names = [...struct.fields.keys()].filter((name) => {
    if ((name === 'apiVersion' || name === 'kind') && struct.schema.fields?.[name]?.n === undefined)
      return false;
    const { shape, element } = struct.fields.get(name)!;
    const leaf = shape === 'scalar' || shape === 'any' || (element && element.shape === 'scalar');
    return leaf || below.depth > 0;
  });
  const count = Math.min(names.length, draw.upTo(wishes.fields));
  for (let i = 0; i < count; i++) {
    const name = pick(draw, names);
    if (Object.hasOwn(result, name)) continue;
    result[name] = randomValue(draw, struct.fields.get(name)!, below, name);
  }
  return result;
}

/** Types that stand for themselves: what may be the body of a request, or of an answer. */
export const rootTypes: readonly string[] = Object.keys(typeFacts).filter((id) => typeFacts[id]!.gvk?.length);

/** A random object of a type, with its apiVersion and kind where the type has them. */
export function randomObject(draw: Draw, typeId: string, wishes: Wishes = {}): any {
  const all = { depth: 5, fields: 6, distinct: false, full: false, ...wishes };
  const object = message(draw, schemaNode(typeFacts, typeId)!, all);
  // What goes with every kind, such as DeleteOptions, has no group of its own.
  const { gvk: names } = typeFacts[typeId]!;
  const gvk = Array.isArray(names) ? names[0] : names && `/v1/${typeId.split('.').at(-1)}`;
  if (!gvk) return object;
  const at = gvk.lastIndexOf('/');
  return { apiVersion: gvk.slice(0, at).replace(/^\//, ''), kind: gvk.slice(at + 1), ...object };
}

export { typeFacts as schemas };
