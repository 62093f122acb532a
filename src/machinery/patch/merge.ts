// JSON Merge Patch (RFC 7386): applying one, and making one.
import { equal } from '../meta.ts';
import { own, put } from '../own.ts';
import { badRequest } from '../status.ts';

export type Json = Record<string, any>;

export const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function merge(document: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const result: Json = isObject(document) ? { ...document } : {};
  for (const key of Object.keys(patch)) {
    const value = patch[key];
    if (value === null) delete result[key];
    else put(result, key, merge(own(result, key), value));
  }
  return result;
}

/** Applies a merge patch: null removes, objects merge, all else replaces. Shares what it does not change. Throws 400. */
export function mergePatch<T = any>(document: T, patch: unknown): T {
  if (!isObject(patch)) throw badRequest('error decoding patch: a merge patch is an object');
  return merge(document, patch) as T;
}

/** The merge patch that turns `original` into `modified`. */
export const createMergePatch = (original: Json, modified: Json): Json =>
  createThreeWayMergePatch(original, modified, original);

/**
 * What must change in `current` for it to have all of `modified`, and nothing that `original` had and `modified` has not:
 * fields that others added stay.
 */
export function createThreeWayMergePatch(original: Json, modified: Json, current: Json): Json {
  const patch: Json = {};
  for (const key of Object.keys(modified)) {
    const wanted = modified[key];
    const present = own(current, key);
    if (isObject(wanted) && isObject(present)) {
      const before = own(original, key);
      const inner = createThreeWayMergePatch(isObject(before) ? before : {}, wanted, present);
      if (Object.keys(inner).length) put(patch, key, inner);
    } else if (!equal(wanted, present)) put(patch, key, wanted);
  }
  for (const key of Object.keys(original))
    if (!Object.hasOwn(modified, key) && Object.hasOwn(current, key)) put(patch, key, null);
  return patch;
}
