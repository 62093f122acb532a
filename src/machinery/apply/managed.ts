// metadata.managedFields: who owns which fields. Every write keeps it; server-side apply reads it.
import { time } from '../clock.ts';
import type { ManagedFieldsEntry } from '../meta.gen.ts';
import type { AnyObject, KubeObject } from '../meta.ts';
import type { SchemaTable } from '../schema.ts';
import { schemaNode } from '../schema-node.ts';
import { compare } from './compare.ts';
import {
  difference,
  type Fields,
  isEmpty,
  LEAF,
  readFields,
  recursiveDifference,
  sameFields,
  union,
  unionOf,
} from './fields.ts';

export interface Manager {
  name: string;
  operation: 'Apply' | 'Update';
  apiVersion: string;
  subresource: string;
  time?: string;
  fields: Fields;
}

const MAX_UPDATERS = 10;
const OLD_UPDATERS = 'ancient-changes';

/** Appliers are one whatever the version; updaters are one for each version. */
export const sameManager = (
  a: Pick<Manager, 'name' | 'operation' | 'apiVersion' | 'subresource'>,
  b: Pick<Manager, 'name' | 'operation' | 'apiVersion' | 'subresource'>,
): boolean =>
  a.name === b.name &&
  a.operation === b.operation &&
  a.subresource === b.subresource &&
  (a.operation === 'Apply' || a.apiVersion === b.apiVersion);

/** Reads managedFields; undefined when they are malformed. */
export function readManagers(entries: readonly ManagedFieldsEntry[] | undefined): Manager[] | undefined {
  const managers: Manager[] = [];
  for (const entry of entries ?? []) {
    if (entry.operation !== 'Apply' && entry.operation !== 'Update') return undefined;
    if (!entry.apiVersion || entry.fieldsType !== 'FieldsV1') return undefined;
    let fields: Fields;
    try {
      fields = readFields(entry.fieldsV1 ?? LEAF);
    } catch (error) {
      if (error instanceof TypeError || error instanceof SyntaxError) return undefined;
      throw error;
    }
    managers.push({
      name: entry.manager ?? '',
      operation: entry.operation,
      apiVersion: entry.apiVersion,
      subresource: entry.subresource ?? '',
      time: entry.time,
      fields,
    });
  }
  return managers;
}

/** The wire form, in the documented order: by operation, then time, then name. */
export function writeManagers(managers: readonly Manager[]): ManagedFieldsEntry[] | undefined {
  const kept = managers.filter((manager) => !isEmpty(manager.fields));
  if (!kept.length) return undefined;
  if (kept.length > 1) kept.sort(inOrder);
  return kept.map(({ name, operation, apiVersion, subresource, time: at, fields }) => ({
    ...(name ? { manager: name } : {}),
    operation,
    apiVersion,
    ...(at ? { time: at } : {}),
    fieldsType: 'FieldsV1',
    fieldsV1: fields as Record<string, any>,
    ...(subresource ? { subresource } : {}),
  }));
}

const order = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
const inOrder = (a: Manager, b: Manager): number =>
  order(a.operation, b.operation) ||
  order(a.time ?? '', b.time ?? '') ||
  order(a.name, b.name) ||
  order(a.apiVersion, b.apiVersion) ||
  order(a.subresource, b.subresource);

/** Which fields a write through this endpoint cannot change, and so does not own: dotted paths. */
export function resetFields(kind: { subresources: Record<string, unknown> }, subresource = ''): string[] {
  if (subresource === 'status') return ['spec'];
  return 'status' in kind.subresources ? ['status'] : [];
}

export function fieldsOfPaths(dotted: readonly string[]): Fields {
  let set: Fields = LEAF;
  for (const path of dotted) {
    let node: Fields = LEAF;
    for (const part of path.split('.').reverse()) node = { [`f:${part}`]: node };
    set = union(set, node);
  }
  return set;
}

export interface ManagedUpdate {
  /** The stored object; undefined on create. */
  old: KubeObject | undefined;
  /** What will be stored; its own managedFields are those that the client sent. */
  new: KubeObject;
  /** Field manager of the request. */
  manager: string;
  operation?: 'Update';
  apiVersion: string;
  subresource?: string;
  /** Milliseconds since the epoch. */
  now: number;
  typeId: string;
  schemas: SchemaTable;
  /** See `resetFields`. */
  reset?: readonly string[];
}

/** An empty list, or one empty entry, is how a client says that nothing shall be tracked any more. */
const isReset = (entries: readonly ManagedFieldsEntry[] | undefined): boolean =>
  entries !== undefined &&
  (entries.length === 0 || (entries.length === 1 && Object.keys(entries[0]!).length === 0));

/**
 * The managedFields of an object after a write that is no apply: the manager owns what it added and changed, others
 * lose it. To be called at every such write; what old and new share is not looked into.
 * Returns the very array of the old object when ownership does not change.
 */
export function updateManagedFields(update: ManagedUpdate): ManagedFieldsEntry[] | undefined {
  const { old, new: object, subresource = '' } = update;
  const before = old?.metadata.managedFields;
  const given = subresource ? before : object.metadata.managedFields;
  if (isReset(given)) return old || subresource ? undefined : track(update, []);
  let source = given?.length ? given : before;
  let managers = readManagers(source);
  if (!managers || !managers.length) {
    source = before;
    managers = readManagers(source) ?? [];
  }
  // An object that was stored without owners stays without, until someone applies to it.
  if (old && !managers.length) return undefined;
  return track(update, managers, source);
}

function track(
  { old, new: object, manager, apiVersion, subresource = '', now, typeId, schemas, reset }: ManagedUpdate,
  managers: Manager[],
  source?: readonly ManagedFieldsEntry[],
): ManagedFieldsEntry[] | undefined {
  const node = schemaNode(schemas, typeId);
  const { added, modified, removed } = compare(node, old as AnyObject | undefined, object as AnyObject);
  if (!added && !modified && !removed && source) return source as ManagedFieldsEntry[];
  let own = added && modified ? union(added, modified) : (added ?? modified ?? LEAF);
  let gone = removed ?? LEAF;
  if (reset?.length) {
    const ignored = fieldsOfPaths(reset);
    own = recursiveDifference(own, ignored);
    gone = recursiveDifference(gone, ignored);
  }
  const self: Manager = {
    name: manager || 'unknown',
    operation: 'Update',
    apiVersion,
    subresource,
    time: time(now),
    fields: own,
  };
  const result = changeOwners(managers, self, own, gone);
  if (source && result.length === managers.length && result.every((m, i) => m === managers[i]))
    return source as ManagedFieldsEntry[];
  return writeManagers(capUpdaters(result));
}

/** Gives `own` to `self` and takes it, and what is gone, from all others. Managers that keep their set stay the same object. */
function changeOwners(managers: Manager[], self: Manager, own: Fields, gone: Fields): Manager[] {
  const result: Manager[] = [];
  let found = false;
  const taken = union(own, gone);
  for (const other of managers) {
    const isSelf = sameManager(other, self);
    found ||= isSelf;
    const left = difference(other.fields, isSelf ? gone : taken);
    const fields = isSelf && !isEmpty(own) ? union(left, own) : left;
    if (isSelf && !isEmpty(own)) {
      const same = sameFields(fields, other.fields);
      result.push({ ...other, fields: same ? other.fields : fields, time: self.time });
    } else if (fields === other.fields) result.push(other);
    else if (!isEmpty(fields)) result.push({ ...other, fields });
  }
  if (!found && !isEmpty(own)) result.push(self);
  return result;
}

/** Keeps the newest updaters; the oldest of a version become one. */
function capUpdaters(managers: Manager[]): Manager[] {
  const updaters = managers.filter((m) => m.operation === 'Update').sort(inOrder);
  let surplus = updaters.length - MAX_UPDATERS;
  if (surplus <= 0) return managers;
  const buckets = new Map<string, Manager[]>();
  const merged = new Set<Manager>();
  for (const updater of updaters) {
    if (surplus <= 0) break;
    const bucket = buckets.get(updater.apiVersion);
    merged.add(updater);
    if (bucket) surplus--;
    if (bucket) bucket.push(updater);
    else buckets.set(updater.apiVersion, [updater]);
  }
  const old = [...buckets].map(
    ([apiVersion, those]): Manager => ({
      name: OLD_UPDATERS,
      operation: 'Update',
      apiVersion,
      subresource: '',
      time: those.at(-1)!.time,
      fields: unionOf(those.map((one) => one.fields)),
    }),
  );
  return [...managers.filter((m) => !merged.has(m)), ...old];
}
