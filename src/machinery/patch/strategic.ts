// Strategic merge patch: a merge patch that knows the types, so that lists merge by key.
// https://github.com/kubernetes/community/blob/master/contributors/devel/sig-api-machinery/strategic-merge-patch.md
import { put } from '../own.ts';
import type { SchemaTable } from '../schema.ts';
import { childNode, type SchemaNode, schemaNode } from '../schema-node.ts';
import { badRequest } from '../status.ts';
import { unprocessable } from './json.ts';
import { isObject, type Json } from './merge.ts';

export const DIRECTIVE = '$patch';
export const RETAIN_KEYS = '$retainKeys';
export const SET_ORDER = '$setElementOrder/';
export const DELETE_FROM_PRIMITIVE_LIST = '$deleteFromPrimitiveList/';

/**
 * Applies a strategic merge patch to an object of a type of the table. Shares what it does not change.
 * Throws 400 for a malformed directive, 422 where the patch does not fit.
 */
export function strategicMergePatch<T = any>(
  original: T,
  patch: unknown,
  typeId: string,
  schemas: SchemaTable,
): T {
  if (!isObject(patch)) throw badRequest('invalid JSON document');
  return mergeMap(original as Json, patch, schemaNode(schemas, typeId)) as T;
}

function mergeMap(original: Json | undefined, patch: Json, node: SchemaNode | undefined): Json {
  const directive = patch[DIRECTIVE];
  if (directive !== undefined) {
    if (directive === 'replace') return withoutDirectives(omit(patch, DIRECTIVE)) as Json;
    if (directive === 'delete') return {};
    if (directive !== 'merge') throw unprocessable(`unknown patch type: ${JSON.stringify(directive)}`);
  }
  const result: Json = { ...original };
  retainKeys(result, patch);
  for (const key of Object.keys(patch)) {
    if (key === DIRECTIVE || key === RETAIN_KEYS) continue;
    if (key.startsWith(SET_ORDER)) {
      const name = key.slice(SET_ORDER.length);
      // With new elements the order is kept below, when they are merged.
      if (!Object.hasOwn(patch, name)) orderList(result, name, [], patch, childNode(node, name));
      continue;
    }
    if (key.startsWith(DELETE_FROM_PRIMITIVE_LIST)) {
      const name = key.slice(DELETE_FROM_PRIMITIVE_LIST.length);
      if (!Array.isArray(patch[key])) throw badRequest('invalid patch format of primitive list');
      const present = result[name];
      const gone = new Set(patch[key]);
      if (Array.isArray(present))
        put(
          result,
          name,
          present.filter((item) => !gone.has(item)),
        );
      continue;
    }
    const value = patch[key];
    const child = childNode(node, key);
    const before = Object.hasOwn(result, key) ? result[key] : undefined;
    if (value === null) delete result[key];
    else if (isObject(value) && isObject(before))
      put(result, key, child?.patchReplace ? withoutDirectives(value) : mergeMap(before, value, child));
    else if (Array.isArray(value) && child?.patchMerge && (Array.isArray(before) || before == null))
      orderList(result, key, value, patch, child);
    else put(result, key, withoutDirectives(value));
  }
  return result;
}

function retainKeys(result: Json, patch: Json): void {
  const keep = patch[RETAIN_KEYS];
  if (keep === undefined) return;
  if (!Array.isArray(keep)) throw badRequest('invalid patch format of retainKeys');
  for (const key of Object.keys(patch))
    if (patch[key] !== null && !key.startsWith('$') && !keep.includes(key))
      throw badRequest('invalid patch format of retainKeys');
  for (const key of Object.keys(result)) if (!keep.includes(key)) delete result[key];
}

/** Merges `patchList` into the list `name`, and puts the result in the order that the patch asks for. */
function orderList(
  result: Json,
  name: string,
  patchList: any[],
  patch: Json,
  node: SchemaNode | undefined,
): void {
  const order = patch[SET_ORDER + name];
  const original: any[] = Array.isArray(result[name]) ? result[name] : [];
  if (order !== undefined && !Array.isArray(order))
    throw badRequest('invalid patch format of setElementOrder list');
  if (!node?.patchMerge) {
    if (patchList.length) put(result, name, withoutDirectives(patchList));
    return;
  }
  const byKey = node.element?.shape !== 'scalar' ? node.mergeKey : undefined;
  const merged = byKey ? mergeByKey(original, patchList, byKey, node) : union(original, patchList);
  if (!merged.length && !Object.hasOwn(result, name) && !patchList.length) return;
  if (merged.replaced) {
    put(result, name, [...merged]);
    return;
  }
  const keyOf = (item: any): unknown => (byKey ? item?.[byKey] : item);
  if (order) {
    const wanted = new Set(order.map(keyOf));
    for (const item of patchList)
      if (item?.[DIRECTIVE] !== 'delete' && !wanted.has(keyOf(item)))
        throw badRequest('invalid patch format of setElementOrder list');
  }
  put(result, name, sortLike(merged, order ?? patchList, original, keyOf));
}

const union = (original: any[], added: any[]): any[] & { replaced?: boolean } => [
  ...new Set([...original, ...added]),
];

function mergeByKey(
  original: any[],
  patchList: any[],
  key: string,
  node: SchemaNode,
): any[] & { replaced?: boolean } {
  if (patchList.some((item) => isObject(item) && item[DIRECTIVE] === 'replace')) {
    const kept = patchList.filter((item) => !(isObject(item) && item[DIRECTIVE] !== undefined));
    return Object.assign(kept.map(withoutDirectives), { replaced: true });
  }
  // Where each key is, so that long lists do not cost their length squared.
  const merged: any[] = [...original];
  const places = new Map<unknown, number[]>();
  const add = (item: any, index: number) => {
    const value = scalarOf(item?.[key]);
    const there = places.get(value);
    if (there) there.push(index);
    else places.set(value, [index]);
  };
  merged.forEach(add);
  for (const item of patchList) {
    if (!isObject(item)) throw unprocessable(`an element of a list merged by ${key} is not an object`);
    if (!Object.hasOwn(item, key))
      throw unprocessable(`map: ${JSON.stringify(item)} does not contain declared merge key: ${key}`);
    const value = scalarOf(item[key]);
    const [index] = places.get(value) ?? [];
    if (item[DIRECTIVE] === 'delete') {
      for (const at of places.get(value) ?? []) merged[at] = GONE;
      places.delete(value);
    } else if (index !== undefined) merged[index] = mergeMap(merged[index], item, node.element);
    else add(item, merged.push(withoutDirectives(item)) - 1);
  }
  return merged.filter((item) => item !== GONE);
}

const GONE = Symbol('deleted');
/** What two equal keys have in common: themselves, or their text where they are no scalars. */
const scalarOf = (key: unknown): unknown =>
  typeof key === 'object' && key !== null ? JSON.stringify(key) : key;

/**
 * Elements named in `order` come in that order; the others keep their place relative to them as `before` had it.
 *
 *   before [a b c d], order [d a], merged [a b c d] -> [b c d a]: b and c were in front of d.
 */
function sortLike(merged: any[], order: any[], before: any[], keyOf: (item: any) => unknown): any[] {
  const rank = new Map(order.map((item, i) => [keyOf(item), i]));
  const place = new Map(before.map((item, i) => [keyOf(item), i]));
  const named = merged.filter((item) => rank.has(keyOf(item)));
  const others = merged.filter((item) => !rank.has(keyOf(item)));
  named.sort((a, b) => rank.get(keyOf(a))! - rank.get(keyOf(b))!);
  others.sort((a, b) => (place.get(keyOf(a)) ?? 0) - (place.get(keyOf(b)) ?? 0));
  const sorted: any[] = [];
  let i = 0;
  let j = 0;
  while (i < named.length && j < others.length) {
    const left = place.get(keyOf(named[i]));
    const right = place.get(keyOf(others[j]));
    sorted.push(left !== undefined && right !== undefined && left < right ? named[i++] : others[j++]);
  }
  return [...sorted, ...named.slice(i), ...others.slice(j)];
}

function omit(object: Json, key: string): Json {
  const { [key]: _, ...rest } = object;
  return rest;
}

/** A value of the patch that is new to the object: its directives have nothing to act on, and nulls mean absence. */
function withoutDirectives(value: unknown): unknown {
  if (Array.isArray(value))
    return value
      .filter((item) => !(isObject(item) && (item[DIRECTIVE] === 'delete' || isMarker(item))))
      .map(withoutDirectives);
  if (!isObject(value)) return value;
  if (value[DIRECTIVE] === 'delete') return {};
  const result: Json = {};
  for (const key of Object.keys(value)) {
    if (
      value[key] === null ||
      key === DIRECTIVE ||
      key === RETAIN_KEYS ||
      key.startsWith(SET_ORDER) ||
      key.startsWith(DELETE_FROM_PRIMITIVE_LIST)
    )
      continue;
    put(result, key, withoutDirectives(value[key]));
  }
  return result;
}

const isMarker = (item: Json): boolean => item[DIRECTIVE] === 'replace' && Object.keys(item).length === 1;
