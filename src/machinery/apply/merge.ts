import { equal } from '../meta.ts';
import { own, put } from '../own.ts';
import { childNode, type SchemaNode } from '../schema-node.ts';
import { type Fields, isMember, LEAF } from './fields.ts';
import { elementOf, formOf, type Json } from './typed.ts';

/** `live` with everything of `applied` in it. Shares what neither changes. */
export function mergeTyped(node: SchemaNode | undefined, live: any, applied: any): any {
  if (live === undefined) return applied;
  const form = formOf(node, applied);
  if (form === 'leaf' || form !== formOf(node, live)) return equal(live, applied) ? live : applied;
  if (form === 'list') return mergeLists(node!, live, applied);
  let result: Json | undefined;
  for (const key in applied) {
    const before = own(live, key);
    const merged = mergeTyped(childNode(node, key), before, applied[key]);
    if (merged !== before) put((result ??= { ...live }), key, merged);
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
