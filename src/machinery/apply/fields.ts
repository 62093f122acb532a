// Sets of fields, in the form that metadata.managedFields carries (FieldsV1). The JSON itself is the set: no decoding.
//
//   { 'f:spec': { 'f:replicas': {},                       spec.replicas is a member
//                 'f:containers': { 'k:{"name":"a"}': {   spec.containers[name="a"]
//                     '.': {}, 'f:image': {} } } } }      is a member itself ('.'), and so is its image
//
// `f:` a field or key, `k:` an element of a list by its keys, `v:` an element of a set. A node without children is a
// member; one with children is a member when it has '.'. Sets are never changed: operations share what they keep.
// https://kubernetes.io/docs/reference/using-api/server-side-apply/

export type Fields = { readonly [element: string]: Fields };

export const LEAF: Fields = Object.freeze({});
const EMPTY: Fields = LEAF;

const isLeaf = (node: Fields): boolean => {
  for (const _ in node) return false;
  return true;
};
export const isMember = (node: Fields | undefined): boolean =>
  node !== undefined && (node['.'] !== undefined || isLeaf(node));

/** Whether a set (the root of a tree) has no members. */
export const isEmpty = (set: Fields): boolean => isLeaf(set);

/** Everything that is in `a` or in `b`. */
export function union(a: Fields, b: Fields): Fields {
  return a === b || isLeaf(b) ? a : isLeaf(a) ? b : unionNode(a, b, false);
}
function unionNode(a: Fields, b: Fields, inner: boolean): Fields {
  if (a === b) return a;
  let result: Record<string, Fields> | undefined;
  if (inner) {
    if (isLeaf(a) && isLeaf(b)) return a;
    if (isLeaf(a)) return b['.'] ? b : { '.': LEAF, ...b };
    if (isLeaf(b)) return a['.'] ? a : { '.': LEAF, ...a };
  }
  for (const key in b) {
    const left = a[key];
    const joined = left === undefined ? b[key]! : key === '.' ? left : unionNode(left, b[key]!, true);
    if (joined !== left) (result ??= { ...a })[key] = joined;
  }
  return result ?? a;
}

/** Everything that is in any of them: in one go, for thousands of managers have a union, too. */
export function unionOf(sets: Iterable<Fields>): Fields {
  let result: Fields = EMPTY;
  const mine = new Set<Fields>();
  const add = (into: Fields, from: Fields, inner: boolean): Fields => {
    // What is ours has children, and perhaps very many: it is not asked for them.
    const known = mine.has(into);
    const leaf = !known && isLeaf(into);
    if (into === from || (inner && leaf && isLeaf(from))) return into;
    const own: Record<string, Fields> = known ? (into as Record<string, Fields>) : { ...into };
    mine.add(own);
    // A leaf is a member; with children it needs to say so.
    if (inner && (leaf || isLeaf(from))) own['.'] = LEAF;
    for (const key in from) {
      const there = own[key];
      own[key] = there === undefined || key === '.' ? from[key]! : add(there, from[key]!, true);
    }
    return own;
  };
  for (const set of sets) result = result === EMPTY ? set : add(result, set, false);
  return result;
}

/** What is in `a` and not in `b`. */
export const difference = (a: Fields, b: Fields): Fields =>
  isLeaf(b) || isLeaf(a) ? a : (differenceNode(a, b, false, false) ?? EMPTY);
/** What is in `a`, and neither in `b` nor below a member of `b`. */
export const recursiveDifference = (a: Fields, b: Fields): Fields =>
  isLeaf(b) || isLeaf(a) ? a : (differenceNode(a, b, false, true) ?? EMPTY);

function differenceNode(a: Fields, b: Fields, inner: boolean, deep: boolean): Fields | undefined {
  const bMember = inner && isMember(b);
  if (bMember && deep) return undefined;
  if (inner && isLeaf(a)) return bMember ? undefined : a;
  let result: Record<string, Fields> | undefined;
  for (const key in a) {
    const node = a[key]!;
    const left =
      key === '.'
        ? bMember
          ? undefined
          : node
        : b[key] === undefined
          ? node
          : differenceNode(node, b[key]!, true, deep);
    if (left === node) continue;
    result ??= { ...a };
    if (left) result[key] = left;
    else delete result[key];
  }
  if (!result) return a;
  return isLeaf(result) ? undefined : result;
}

/** What is in both. */
export const intersection = (a: Fields, b: Fields): Fields =>
  isLeaf(a) || isLeaf(b) ? EMPTY : (intersectionNode(a, b, false) ?? EMPTY);
function intersectionNode(a: Fields, b: Fields, inner: boolean): Fields | undefined {
  const member = inner && isMember(a) && isMember(b);
  const result: Record<string, Fields> = {};
  let any = false;
  for (const key in a) {
    if (key === '.' || b[key] === undefined) continue;
    const shared = intersectionNode(a[key]!, b[key]!, true);
    if (!shared) continue;
    any = true;
    result[key] = shared;
  }
  if (!any) return member ? LEAF : undefined;
  return member ? { '.': LEAF, ...result } : result;
}

export function sameFields(a: Fields, b: Fields): boolean {
  if (a === b) return true;
  let count = 0;
  for (const key in a) {
    if (b[key] === undefined || !sameFields(a[key]!, b[key]!)) return false;
    count++;
  }
  for (const _ in b) count--;
  return count === 0;
}

/** The paths of all members, as messages write them: `.spec.containers[name="a"].image`. */
export function* paths(set: Fields, prefix = ''): Generator<string> {
  const keys = Object.keys(set)
    .filter((key) => key !== '.')
    .sort(compareElements);
  for (const key of keys) if (isMember(set[key]!)) yield prefix + elementText(key);
  for (const key of keys) yield* paths(set[key]!, prefix + elementText(key));
}

/** Fields, keys, values, indexes. */
function compareElements(a: string, b: string): number {
  const order = 'fkvi';
  if (a[0] !== b[0]) return order.indexOf(a[0]!) - order.indexOf(b[0]!);
  if (a[0] === 'i') return Number(a.slice(2)) - Number(b.slice(2));
  return a < b ? -1 : 1;
}

function elementText(element: string): string {
  const rest = element.slice(2);
  if (element.startsWith('f:')) return `.${rest}`;
  if (element.startsWith('v:')) return `[=${rest}]`;
  if (element.startsWith('i:')) return `[${rest}]`;
  const key = JSON.parse(rest) as Record<string, unknown>;
  return `[${Object.keys(key)
    .sort()
    .map((name) => `${name}=${JSON.stringify(key[name])}`)
    .join(',')}]`;
}

/**
 * A set as a client sent it, with the keys of list elements in our own order and spacing.
 * Throws TypeError for what is no FieldsV1.
 */
export function readFields(value: unknown): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new TypeError('fieldsV1 is not an object');
  let result: Record<string, Fields> | undefined;
  const source = value as Record<string, unknown>;
  for (const key in source) {
    const name = key === '.' ? key : normalElement(key);
    const node = readFields(source[key]);
    if (name === key && node === source[key]) continue;
    result ??= { ...(source as Fields) };
    if (name !== key) delete result[key];
    if (name) result[name] = node;
  }
  return result ?? (source as Fields);
}

function normalElement(element: string): string | undefined {
  if (element[1] !== ':') throw new TypeError(`${JSON.stringify(element)} is not a path element`);
  const rest = element.slice(2);
  if (element[0] === 'v') return `v:${JSON.stringify(JSON.parse(rest))}`;
  if (element[0] === 'k') return keyElement(JSON.parse(rest));
  return element[0] === 'f' || element[0] === 'i' ? element : undefined; // later versions may know others
}

/** The element of a list, by its keys in alphabetical order. */
export function keyElement(keys: Record<string, unknown>): string {
  const names = Object.keys(keys);
  if (names.length === 1) return `k:{"${names[0]}":${JSON.stringify(keys[names[0]!])}}`;
  return `k:{${names
    .sort()
    .map((name) => `"${name}":${JSON.stringify(keys[name])}`)
    .join(',')}}`;
}
