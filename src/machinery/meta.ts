import type { ListMeta, ObjectMeta, OwnerReference } from './meta.gen.ts';

/** What every stored object has. */
export interface KubeObject {
  apiVersion?: string;
  kind?: string;
  metadata: ObjectMeta;
}

/** An object of a kind that is not known at compile time. */
export interface AnyObject extends KubeObject {
  spec?: any;
  status?: any;
  [field: string]: any;
}

export interface List<T extends KubeObject = AnyObject> {
  apiVersion?: string;
  kind?: string;
  metadata: ListMeta;
  items: T[];
}

/** What a watch delivers. A BOOKMARK's object carries only the resource version (and, once, `k8s.io/initial-events-end`). */
export interface WatchEvent<T extends KubeObject = AnyObject> {
  type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  object: T;
}

/** `namespace/name`, or `name` for cluster-scoped objects: the key of work queues and caches. */
export const keyOf = (object: KubeObject): string =>
  object.metadata.namespace ? `${object.metadata.namespace}/${object.metadata.name}` : object.metadata.name!;

export const splitKey = (key: string): { namespace?: string; name: string } => {
  const slash = key.indexOf('/');
  return slash < 0 ? { name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
};

/** The owner that controls this object, if any. */
export const controllerOf = (object: KubeObject): OwnerReference | undefined =>
  object.metadata.ownerReferences?.find((owner) => owner.controller);

/** Freezes a JSON value to the bottom: objects in caches are shared, never copied, never changed. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const key in value) deepFreeze(value[key]);
  return value;
}

/** A deep, unfrozen copy of a JSON value: what one edits before an update. */
export function clone<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(clone) as T;
  const copy: any = {};
  for (const key in value) {
    // Assigned, this one would become the copy's prototype, and be lost.
    if (key === '__proto__')
      Object.defineProperty(copy, key, {
        value: clone(value[key]),
        enumerable: true,
        writable: true,
        configurable: true,
      });
    else copy[key] = clone(value[key]);
  }
  return copy;
}

/** Deep equality of JSON values; a field that is undefined equals one that is absent. */
export function equal(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  if (Array.isArray(a))
    return a.length === (b as unknown[]).length && a.every((x, i) => equal(x, (b as unknown[])[i]));
  // Counted, for what one of them has and the other has not may have the name of something that every object has: `toString`.
  let more = 0;
  for (const key in a) {
    const value = (a as any)[key];
    if (value === undefined) continue;
    if (!equal(value, (b as any)[key])) return false;
    more++;
  }
  for (const key in b) if ((b as any)[key] !== undefined) more--;
  return more === 0;
}
