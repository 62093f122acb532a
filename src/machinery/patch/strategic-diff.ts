import { equal } from '../meta.ts';
import { own, put } from '../own.ts';
import type { SchemaTable } from '../schema.ts';
import { childNode, type SchemaNode, schemaNode } from '../schema-node.ts';
import { isObject, type Json } from './merge.ts';
import { DELETE_FROM_PRIMITIVE_LIST, DIRECTIVE, RETAIN_KEYS, SET_ORDER } from './strategic.ts';

/**
 * A strategic merge patch. Two-way: what turns `original` into `modified`. Three-way (as `kubectl apply` needs it): what
 * must change in `current` for it to have all of `modified`, and nothing that `original` had and `modified` has not.
 * An empty object when nothing is to be done.
 */
export function createStrategicPatch(
  original: Json,
  modified: Json,
  typeId: string,
  schemas: SchemaTable,
  current: Json = original,
): Json {
  return diffMap(original, modified, current, schemaNode(schemas, typeId));
}

function diffMap(original: Json, modified: Json, current: Json, node: SchemaNode | undefined): Json {
  const patch: Json = {};
  for (const key of Object.keys(modified)) {
    const wanted = modified[key];
    const present = own(current, key);
    const former = own(original, key);
    const child = childNode(node, key);
    if (isObject(wanted) && isObject(present)) {
      if (child?.patchReplace) {
        if (!equal(wanted, present)) put(patch, key, { ...wanted, [DIRECTIVE]: 'replace' });
        continue;
      }
      const inner = diffMap(isObject(former) ? former : {}, wanted, present, child);
      if (Object.keys(inner).length === 0) continue;
      if (child?.patchRetainKeys) inner[RETAIN_KEYS] = Object.keys(wanted).sort();
      put(patch, key, inner);
    } else if (Array.isArray(wanted) && Array.isArray(present) && child?.patchMerge) {
      diffList(patch, key, Array.isArray(former) ? former : [], wanted, present, child);
    } else if (!equal(wanted, present)) put(patch, key, wanted);
  }
  for (const key of Object.keys(original))
    if (!Object.hasOwn(modified, key) && Object.hasOwn(current, key)) put(patch, key, null);
  return patch;
}

function diffList(
  patch: Json,
  name: string,
  original: any[],
  modified: any[],
  current: any[],
  node: SchemaNode,
): void {
  const byKey = node.element?.shape !== 'scalar' ? node.mergeKey : undefined;
  const keyOf = (item: any): unknown => (byKey ? item?.[byKey] : item);
  const wanted = new Set(modified.map(keyOf));
  const present = new Map(current.map((item) => [keyOf(item), item]));
  const before = new Map(original.map((item) => [keyOf(item), item]));
  const changes: any[] = [];
  for (const item of modified) {
    const key = keyOf(item);
    const there = present.get(key);
    if (!present.has(key)) changes.push(item);
    else if (byKey) {
      const inner = diffMap(before.get(key) ?? {}, item, there, node.element);
      if (Object.keys(inner).length === 0) continue;
      inner[byKey] = key;
      if (node.patchRetainKeys) inner[RETAIN_KEYS] = Object.keys(item).sort();
      changes.push(inner);
    }
  }
  const gone = original.filter((item) => !wanted.has(keyOf(item)) && present.has(keyOf(item)));
  if (byKey) for (const item of gone) changes.push({ [DIRECTIVE]: 'delete', [byKey]: keyOf(item) });
  const order = current.map(keyOf).filter((key) => wanted.has(key));
  const reordered = order.length === modified.length && !equal(order, modified.map(keyOf));
  if (!changes.length && !gone.length && !reordered) return;
  put(patch, SET_ORDER + name, byKey ? modified.map((item) => ({ [byKey]: keyOf(item) })) : modified);
  if (changes.length) put(patch, name, changes);
  if (!byKey && gone.length) put(patch, DELETE_FROM_PRIMITIVE_LIST + name, gone);
}
