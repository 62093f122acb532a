// Walks over typed objects: which fields one has. How two differ stands in compare.ts, what applying gives in merge.ts.
import { childNode, type SchemaNode } from '../schema-node.ts';
import { type Fields, isMember, keyElement, LEAF } from './fields.ts';

export type Json = Record<string, any>;

export const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** How a value is walked: as a map of fields, as a list by key, or as one leaf. */
export type Form = 'map' | 'list' | 'leaf';

export function formOf(node: SchemaNode | undefined, value: unknown): Form {
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
export const untracked = {
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
export const none: ReadonlySet<string> = new Set();
export const skippedAt = (depth: number, name: string): ReadonlySet<string> =>
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
export function wholeFields(
  node: SchemaNode | undefined,
  value: any,
  skip: ReadonlySet<string>,
  name = '',
): Fields {
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

/**
 * What does not fit in an object to be applied: fields that the type does not have, list elements that are there twice or have
 * no key. Each as messages write it: `.spec.x: field not declared in schema`.
 */
export function checkApplied(node: SchemaNode | undefined, value: any, path = ''): string[] {
  const errors: string[] = [];
  walkApplied(node, value, path, errors);
  return errors;
}

function walkApplied(node: SchemaNode | undefined, value: any, path: string, errors: string[]): void {
  if (!node || value === null || value === undefined) return;
  const expected = (what: string) => errors.push(`${path}: expected ${what}, got ${JSON.stringify(value)}`);
  if (node.struct) {
    if (!isObject(value)) return void expected('map');
    for (const key in value) {
      const child = node.struct.fields.get(key);
      if (child) walkApplied(child, value[key], `${path}.${key}`, errors);
      else if (!node.struct.preserveUnknown) errors.push(`${path}.${key}: field not declared in schema`);
    }
  } else if (node.shape === 'map') {
    if (!isObject(value)) return void expected('map');
    for (const key in value) walkApplied(node.element, value[key], `${path}.${key}`, errors);
  } else if (node.shape === 'list') {
    if (!Array.isArray(value)) return void expected('list');
    if (!node.atomic) checkElements(node, value, path, errors);
    for (const [i, item] of value.entries()) walkApplied(node.element, item, `${path}[${i}]`, errors);
  }
}

function checkElements(node: SchemaNode, list: unknown[], path: string, errors: string[]): void {
  const seen = new Set<string>();
  list.forEach((item, i) => {
    const element = elementOf(node, item);
    if (element === undefined)
      errors.push(
        node.keys
          ? `${path}: element ${i}: associative list with keys has an element that omits all key fields ${JSON.stringify(node.keys.map((k) => k.name))} (and doesn't have default values for any key fields)`
          : `${path}: element ${i}: associative list without keys has an element that's a map type`,
      );
    else if (seen.has(element)) errors.push(`${path}: duplicate entries for key ${describe(element)}`);
    else seen.add(element);
  });
}

function describe(element: string): string {
  if (element.startsWith('v:')) return `[=${element.slice(2)}]`;
  const keys = JSON.parse(element.slice(2)) as Json;
  return `[${Object.keys(keys)
    .map((name) => `${name}=${JSON.stringify(keys[name])}`)
    .join(',')}]`;
}
