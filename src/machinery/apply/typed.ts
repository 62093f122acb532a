// Walks over typed objects: which fields one has, how two differ, and what applying one to the other gives.
import { equal } from '../meta.ts';
import { childNode, type SchemaNode } from '../schema-node.ts';
import { type Fields, isMember, keyElement, LEAF } from './fields.ts';

type Json = Record<string, any>;

/** Thrown where an object does not fit its type; `path` as messages write it. */
export class TypedError extends Error {
  readonly path: string;
  constructor(path: string, message: string) {
    super(`${path}: ${message}`);
    this.path = path;
  }
}

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** How a value is walked: as a map of fields, as a list by key, or as one leaf. */
type Form = 'map' | 'list' | 'leaf';

function formOf(node: SchemaNode | undefined, value: unknown): Form {
  if (node && (node.atomic || node.shape === 'scalar')) return 'leaf';
  if (isObject(value)) return node?.shape === 'list' ? 'leaf' : 'map';
  // A list of no known type is one leaf; so is one whose type is not a list.
  return Array.isArray(value) && node?.shape === 'list' ? 'list' : 'leaf';
}

/** The path element of a list's element: `k:{"name":"a"}` or `v:"a"`; undefined where it has none. */
export function elementOf(node: SchemaNode, item: any): string | undefined {
  if (!node.keys) return typeof item === 'object' ? undefined : `v:${JSON.stringify(item)}`;
  if (!isObject(item)) return undefined;
  if (node.keys.length === 1) {
    const { name } = node.keys[0]!;
    const value = item[name] ?? node.keys[0]!.default;
    return value === undefined ? undefined : `k:{"${name}":${JSON.stringify(value)}}`;
  }
  const keys: Json = {};
  for (const { name, default: fallback } of node.keys) {
    const value = item[name] ?? fallback;
    if (value !== undefined) keys[name] = value;
  }
  return Object.keys(keys).length ? keyElement(keys) : undefined;
}

// The server's own bookkeeping is owned by no one.
const untracked = {
  root: new Set(['apiVersion', 'kind']),
  metadata: new Set([
    'name',
    'namespace',
    'creationTimestamp',
    'selfLink',
    'uid',
    'clusterName',
    'generation',
    'managedFields',
    'resourceVersion',
  ]),
};
const none: ReadonlySet<string> = new Set();
const skippedAt = (depth: number, name: string): ReadonlySet<string> =>
  depth === 0 && name === 'metadata' ? untracked.metadata : none;

// Structs that every object of their kind has: adding to them does not make one the owner of the struct.
const always = new Set([
  'metadata',
  'spec',
  'status',
  'template',
  'strategy',
  'updateStrategy',
  'jobTemplate',
]);

/** The set of an object's own fields as server-side apply counts them: leaves, map keys and list elements. */
export function fieldSet(node: SchemaNode | undefined, object: Json): Fields {
  return (mapFields(node, object, untracked.root, 0) ?? LEAF) as Fields;
}

function mapFields(
  node: SchemaNode | undefined,
  value: Json,
  skip: ReadonlySet<string>,
  depth: number,
): Fields | undefined {
  let result: Record<string, Fields> | undefined;
  for (const key in value) {
    const item = value[key];
    if (item === undefined || skip.has(key)) continue;
    const child = childNode(node, key);
    const below = appliedFields(child, item, skippedAt(depth, key), depth + 1);
    const declared = node?.struct !== undefined && child !== undefined;
    if (declared) {
      if (below) (result ??= {})[`f:${key}`] = below;
    } else (result ??= {})[`f:${key}`] = below ? withSelf(below) : LEAF;
  }
  return result;
}

const withSelf = (fields: Fields): Fields => (isMember(fields) ? fields : { '.': LEAF, ...fields });

function appliedFields(
  node: SchemaNode | undefined,
  value: any,
  skip: ReadonlySet<string>,
  depth: number,
): Fields | undefined {
  const form = formOf(node, value);
  if (form === 'leaf') return LEAF;
  if (form === 'map') {
    if (Object.keys(value).length === 0) return LEAF;
    return mapFields(node, value, skip, depth);
  }
  const result: Record<string, Fields> = {};
  let any = false;
  for (const item of value) {
    const element = elementOf(node!, item);
    if (element === undefined) continue;
    any = true;
    const below = result[element] ? undefined : appliedFields(node!.element, item, none, depth + 1);
    result[element] = below ? withSelf(below) : LEAF;
  }
  return any ? result : undefined;
}

/** Every field of a value that one of two objects has and the other lacks, with the maps and lists on the way. */
function wholeFields(node: SchemaNode | undefined, value: any, skip: ReadonlySet<string>, name = ''): Fields {
  const form = formOf(node, value);
  if (form === 'leaf') return LEAF;
  let result: Record<string, Fields> | undefined;
  if (form === 'map') {
    for (const key in value) {
      if (value[key] === undefined || skip.has(key)) continue;
      result ??= node?.struct && always.has(name) ? {} : { '.': LEAF };
      result[`f:${key}`] = wholeFields(childNode(node, key), value[key], none, key);
    }
    return result ?? LEAF;
  }
  for (const item of value) {
    const element = elementOf(node!, item);
    if (element === undefined) continue;
    result ??= { '.': LEAF };
    result[element] = result[element] ? LEAF : wholeFields(node!.element, item, none);
  }
  return result ?? LEAF;
}

/** How one object differs from another; each set is absent where it would be empty. */
export interface Changes {
  added?: Fields;
  modified?: Fields;
  removed?: Fields;
}

/** What changes from `before` to `after`. Subtrees that are the same object are not looked into. */
export function compare(node: SchemaNode | undefined, before: Json | undefined, after: Json): Changes {
  const changes = new Collector();
  compareMaps(node, before ?? {}, after, untracked.root, 0, changes);
  return changes.result();
}

class Collector {
  added: Record<string, Fields> | undefined;
  modified: Record<string, Fields> | undefined;
  removed: Record<string, Fields> | undefined;
  add(element: string, fields: Fields): void {
    (this.added ??= {})[element] = fields;
  }
  modify(element: string): void {
    (this.modified ??= {})[element] = LEAF;
  }
  remove(element: string, fields: Fields): void {
    (this.removed ??= {})[element] = fields;
  }
  put(element: string, below: Collector): void {
    if (below.added) this.add(element, below.added);
    if (below.modified) (this.modified ??= {})[element] = below.modified;
    if (below.removed) this.remove(element, below.removed);
  }
  result(): Changes {
    return { added: this.added, modified: this.modified, removed: this.removed };
  }
}

function compareMaps(
  node: SchemaNode | undefined,
  before: Json,
  after: Json,
  skip: ReadonlySet<string>,
  depth: number,
  changes: Collector,
): void {
  for (const key in after) {
    const right = after[key];
    if (right === undefined || skip.has(key)) continue;
    const left = before[key];
    if (left === right) continue;
    compareValues(node, key, left, right, depth, changes);
  }
  for (const key in before) {
    if (before[key] === undefined || after[key] !== undefined || skip.has(key)) continue;
    const below = wholeFields(childNode(node, key), before[key], skippedAt(depth, key), key);
    changes.remove(`f:${key}`, below);
  }
}

function compareValues(
  parent: SchemaNode | undefined,
  key: string,
  left: any,
  right: any,
  depth: number,
  changes: Collector,
): void {
  const node = childNode(parent, key);
  const skip = skippedAt(depth, key);
  if (left === undefined) {
    const fields = wholeFields(node, right, skip, key);
    // An empty metadata beside untracked fields is no field that one could own.
    if (!(skip.size && fields === LEAF)) changes.add(`f:${key}`, fields);
    return;
  }
  compareBoth(node, `f:${key}`, left, right, skip, depth + 1, changes);
}

function compareBoth(
  node: SchemaNode | undefined,
  element: string,
  left: any,
  right: any,
  skip: ReadonlySet<string>,
  depth: number,
  changes: Collector,
): void {
  const form = formOf(node, right);
  if (form !== formOf(node, left) || form === 'leaf') {
    if (!equal(left, right)) changes.modify(element);
    return;
  }
  const below = new Collector();
  if (form === 'map') compareMaps(node, left, right, skip, depth, below);
  else compareLists(node!, left, right, depth, below);
  changes.put(element, below);
}

function compareLists(
  node: SchemaNode,
  before: any[],
  after: any[],
  depth: number,
  changes: Collector,
): void {
  const left = byElement(node, before);
  const right = byElement(node, after);
  for (const [element, items] of right) {
    const others = left.get(element);
    if (!others) changes.add(element, items.length > 1 ? LEAF : wholeFields(node.element, items[0], none));
    else if (items.length === 1 && others.length === 1) {
      if (items[0] !== others[0])
        compareBoth(node.element, element, others[0], items[0], none, depth + 1, changes);
    } else if (!equal(items, others)) changes.modify(element); // the same key twice: one leaf
  }
  for (const [element, items] of left)
    if (!right.has(element))
      changes.remove(element, items.length > 1 ? LEAF : wholeFields(node.element, items[0], none));
}

function byElement(node: SchemaNode, list: any[]): Map<string, any[]> {
  const map = new Map<string, any[]>();
  for (const item of list) {
    const element = elementOf(node, item);
    if (element === undefined) continue;
    const same = map.get(element);
    if (same) same.push(item);
    else map.set(element, [item]);
  }
  return map;
}

/** `live` with everything of `applied` in it. Shares what neither changes. */
export function mergeTyped(node: SchemaNode | undefined, live: any, applied: any): any {
  if (live === undefined) return applied;
  const form = formOf(node, applied);
  if (form === 'leaf' || form !== formOf(node, live)) return equal(live, applied) ? live : applied;
  if (form === 'list') return mergeLists(node!, live, applied);
  let result: Json | undefined;
  for (const key in applied) {
    const merged = mergeTyped(
      childNode(node, key),
      Object.hasOwn(live, key) ? live[key] : undefined,
      applied[key],
    );
    if (merged !== live[key]) (result ??= { ...live })[key] = merged;
  }
  return result ?? live;
}

/**
 * Elements of `applied` come in its order; each waits until the walk over `live` has reached it, and elements that only
 * `live` has are put in as the walk passes them.
 *
 *   live [a x b y], applied [b n a] -> [x b n y a]: x stands before b, and a's place was passed on the way to b.
 */
function mergeLists(node: SchemaNode, live: any[], applied: any[]): any[] {
  const liveElements = live.map((item) => elementOf(node, item));
  const appliedElements = applied.map((item) => elementOf(node, item));
  const inApplied = new Set(appliedElements);
  const liveIndex = new Map<string | undefined, number>();
  liveElements.forEach((element, i) => {
    // The same key twice cannot be merged with: -1.
    liveIndex.set(element, liveIndex.has(element) ? -1 : i);
  });
  const result: any[] = [];
  let cursor = 0;
  const walkTo = (wanted: string | undefined): void => {
    for (; cursor < live.length && (wanted === undefined || liveElements[cursor] !== wanted); cursor++)
      if (!inApplied.has(liveElements[cursor])) result.push(live[cursor]);
  };
  const nextShared: (string | undefined)[] = [];
  for (let j = applied.length - 1; j >= 0; j--)
    nextShared[j] = liveIndex.has(appliedElements[j]) ? appliedElements[j] : nextShared[j + 1];
  applied.forEach((item, j) => {
    walkTo(nextShared[j]);
    const element = appliedElements[j];
    if (element !== undefined && liveElements[cursor] === element) cursor++;
    const index = liveIndex.get(element);
    result.push(mergeTyped(node.element, index === undefined || index < 0 ? undefined : live[index], item));
  });
  walkTo(undefined);
  return result.length === live.length && result.every((item, i) => item === live[i]) ? live : result;
}

/**
 * Removes what the manager applied `last` time and no one manages any more. `managed` are the fields of all managers,
 * with what this one applies now.
 */
export function pruneTyped(node: SchemaNode | undefined, value: any, last: Fields, managed: Fields): any {
  const form = formOf(node, value);
  if (form === 'leaf') return value;
  if (form === 'list') {
    const kept: any[] = [];
    let changed = false;
    for (const item of value) {
      const element = elementOf(node!, item) ?? '';
      const before = last[element];
      if (before && isMember(before) && !isMember(managed[element])) changed = true;
      else {
        const pruned = before ? pruneTyped(node!.element, item, before, managed[element] ?? LEAF) : item;
        if (pruned !== item) changed = true;
        kept.push(pruned);
      }
    }
    return changed ? kept : value;
  }
  let result: Json | undefined;
  for (const key in value) {
    const before = last[`f:${key}`];
    if (!before) continue;
    const now = managed[`f:${key}`];
    const child = childNode(node, key);
    // A declared field stays as long as anyone manages something in it; a map's key needs an owner of its own.
    const declared = node?.struct !== undefined && child !== undefined;
    if ((declared || isMember(before)) && !(declared ? now : isMember(now))) {
      result ??= { ...value };
      delete result![key];
      continue;
    }
    const pruned = pruneTyped(child, value[key], before, now ?? LEAF);
    if (pruned !== value[key]) (result ??= { ...value })[key] = pruned;
  }
  return result ?? value;
}

/** Throws TypedError when an object to be applied names an unknown field, or has a list element twice or without key. */
export function checkApplied(node: SchemaNode | undefined, value: any, path = ''): void {
  if (!node || value === null || value === undefined) return;
  if (node.struct) {
    if (!isObject(value)) throw new TypedError(path, `expected map, got ${JSON.stringify(value)}`);
    for (const key in value) {
      const child = node.struct.fields.get(key);
      if (child) checkApplied(child, value[key], `${path}.${key}`);
      else if (!node.struct.preserveUnknown)
        throw new TypedError(`${path}.${key}`, 'field not declared in schema');
    }
  } else if (node.shape === 'map') {
    if (!isObject(value)) throw new TypedError(path, `expected map, got ${JSON.stringify(value)}`);
    for (const key in value) checkApplied(node.element, value[key], `${path}.${key}`);
  } else if (node.shape === 'list') {
    if (!Array.isArray(value)) throw new TypedError(path, `expected list, got ${JSON.stringify(value)}`);
    const seen = new Set<string>();
    value.forEach((item, i) => {
      const at = `${path}[${i}]`;
      if (!node.atomic) {
        const element = elementOf(node, item);
        if (element === undefined)
          throw new TypedError(
            path,
            node.keys
              ? `element ${i}: associative list with keys has an element that omits all key fields ${JSON.stringify(node.keys.map((k) => k.name))} (and doesn't have default values for any key fields)`
              : `element ${i}: associative list without keys has an element that's a map type`,
          );
        if (seen.has(element)) throw new TypedError(path, `duplicate entries for key ${describe(element)}`);
        seen.add(element);
      }
      checkApplied(node.element, item, at);
    });
  }
}

function describe(element: string): string {
  if (element.startsWith('v:')) return `[=${element.slice(2)}]`;
  const keys = JSON.parse(element.slice(2)) as Json;
  return `[${Object.keys(keys)
    .map((name) => `${name}=${JSON.stringify(keys[name])}`)
    .join(',')}]`;
}
