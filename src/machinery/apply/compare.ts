import { equal } from '../meta.ts';
import { own } from '../own.ts';
import { childNode, type SchemaNode } from '../schema-node.ts';
import { type Fields, LEAF } from './fields.ts';
import { elementOf, formOf, type Json, none, skippedAt, untracked, wholeFields } from './typed.ts';

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
    const left = own(before, key);
    if (left === right) continue;
    compareValues(node, key, left, right, depth, changes);
  }
  for (const key in before) {
    if (before[key] === undefined || own(after, key) !== undefined || skip.has(key)) continue;
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
