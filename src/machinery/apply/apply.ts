// Server-side apply (KEP-555): merge by type, ownership of fields, conflicts.
import { time } from '../clock.ts';
import type { ManagedFieldsEntry } from '../meta.gen.ts';
import { type AnyObject, clone, equal } from '../meta.ts';
import type { SchemaTable } from '../schema.ts';
import { type SchemaNode, schemaNode } from '../schema-node.ts';
import { badRequest, StatusError } from '../status.ts';
import { compare } from './compare.ts';
import {
  difference,
  type Fields,
  intersection,
  isEmpty,
  LEAF,
  paths,
  recursiveDifference,
  union,
  unionOf,
} from './fields.ts';
import { fieldsOfPaths, type Manager, readManagers, sameManager, writeManagers } from './managed.ts';
import { mergeTyped, pruneTyped } from './merge.ts';
import { checkApplied, fieldSet } from './typed.ts';

const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

export interface ApplyRequest {
  /** The stored object; undefined when the apply creates it. */
  live: AnyObject | undefined;
  /** What the client applies. */
  applied: AnyObject;
  manager: string;
  force: boolean;
  apiVersion: string;
  subresource?: string;
  typeId: string;
  schemas: SchemaTable;
  /** Milliseconds since the epoch. */
  now: number;
  /** Dotted paths that this endpoint does not own, see `resetFields`. */
  reset?: readonly string[];
}

export interface ApplyResult {
  object: AnyObject;
  managedFields: ManagedFieldsEntry[] | undefined;
  /** False when neither the object nor who owns what has changed. */
  changed: boolean;
}

/** The fields of an object as server-side apply counts them, in FieldsV1. */
export const ownedFields = (object: AnyObject, typeId: string, schemas: SchemaTable): Fields =>
  fieldSet(schemaNode(schemas, typeId), object);

/**
 * Applies a configuration to an object: what it names is set, what this manager applied before and no longer names is
 * removed unless another manages it, all else stays. The result shares with `live` and `applied`.
 *
 * Throws 409 with a cause for each field that another manager owns with another value (unless `force`), 400 for a
 * configuration that is not one, 500 (as upstream) where it does not fit the type.
 */
export function applyObject(request: ApplyRequest): ApplyResult {
  const { live, applied, apiVersion, now, typeId, schemas } = request;
  checkConfiguration(applied, apiVersion, typeId, schemas);
  const node = schemaNode(schemas, typeId);
  let managers = readManagers(live?.metadata.managedFields);
  if (!managers)
    throw new StatusError(500, '', 'failed to decode managed fields: the stored managedFields are malformed');
  if (live && !managers.length) managers = [beforeFirstApply(node, live, apiVersion, now)];
  const done = merge(request, node, managers);
  if (!done.conflicts) return done.result;
  if (request.manager === 'kubectl' && live) {
    // What client-side apply set and nobody changed since passes to server-side apply without a conflict.
    const allowed = lastAppliedFields(node, live, apiVersion);
    done.conflicts = done.conflicts
      .map(({ manager, fields }) => ({ manager, fields: difference(fields, allowed) }))
      .filter(({ fields }) => !isEmpty(fields));
    if (!done.conflicts.length) return merge({ ...request, force: true }, node, managers).result;
  }
  throw conflictError(done.conflicts);
}

/** Throws 400 for what is no configuration of this version, 500 (as upstream) where it does not fit the type. */
export function checkConfiguration(
  applied: AnyObject,
  apiVersion: string,
  typeId: string,
  schemas: SchemaTable,
): void {
  if (applied.apiVersion !== apiVersion)
    throw badRequest(
      `Incorrect version specified in apply patch. Specified patch version: ${applied.apiVersion}, expected: ${apiVersion}`,
    );
  if (applied.metadata?.managedFields) throw badRequest('metadata.managedFields must be nil');
  const errors = checkApplied(schemaNode(schemas, typeId), applied);
  if (!errors.length) return;
  const text = (value: unknown): string => (typeof value === 'string' ? value : '');
  const [namespace, name] = [text(applied.metadata?.namespace), text(applied.metadata?.name)];
  const slash = applied.apiVersion!.indexOf('/');
  const gvk = slash < 0 ? `/${applied.apiVersion}` : applied.apiVersion;
  const what = errors.length > 1 ? `errors:\n${errors.map((e) => `  ${e}`).join('\n')}` : errors[0];
  throw new StatusError(
    500,
    '',
    `failed to create typed patch object (${namespace}/${name}; ${gvk}, Kind=${applied.kind}): ${what}`,
  );
}

/** All that an object has that was written before anyone's fields were tracked. */
function beforeFirstApply(
  node: SchemaNode | undefined,
  live: AnyObject,
  apiVersion: string,
  now: number,
): Manager {
  return {
    name: 'before-first-apply',
    operation: 'Update',
    apiVersion,
    subresource: '',
    time: time(now),
    fields: compare(node, undefined, live).added ?? LEAF,
  };
}

/** An object's metadata stays when its last label goes: its name and its uid are owned by no one. */
const alwaysManaged: Fields = Object.freeze({ 'f:metadata': Object.freeze({ '.': LEAF }) });

interface Conflict {
  manager: Manager;
  fields: Fields;
}

function merge(
  { live, applied, manager, force, apiVersion, subresource = '', now, reset }: ApplyRequest,
  node: SchemaNode | undefined,
  managers: Manager[],
): { result: ApplyResult; conflicts?: Conflict[] } {
  const ignored = fieldsOfPaths(reset ?? []);
  const fields = recursiveDifference(fieldSet(node, applied), ignored);
  const self: Manager = { name: manager || 'unknown', operation: 'Apply', apiVersion, subresource, fields };
  const previous = managers.find((other) => sameManager(other, self));
  const others = managers.filter((other) => other !== previous);

  const base: AnyObject = live ? withoutManagedFields(live) : { metadata: {} };
  let object: AnyObject = mergeTyped(node, base, applied);
  if (previous) {
    const managed = unionOf([fields, alwaysManaged, ...others.map((other) => other.fields)]);
    object = pruneTyped(node, object, previous.fields, managed);
  }
  const changes = compare(node, base, object);
  const touched = recursiveDifference(union(changes.added ?? LEAF, changes.modified ?? LEAF), ignored);
  const removed = recursiveDifference(changes.removed ?? LEAF, ignored);

  const conflicts = others
    .map((other) => ({ manager: other, fields: intersection(other.fields, touched) }))
    .filter((conflict) => !isEmpty(conflict.fields));
  const gone = union(touched, removed);
  const kept = others.map((other) => {
    const left = difference(other.fields, gone);
    return left === other.fields ? other : { ...other, fields: left };
  });
  const changed = object !== base && !equal(object, base);
  const unchanged = previous && !changed;
  const owner = { ...self, time: unchanged ? previous.time : time(now) };
  const object_ = manager === 'kubectl' ? refreshLastApplied(object, applied) : object;
  const managedFields = writeManagers([...kept, owner]);
  const result: ApplyResult = {
    object: object_,
    managedFields,
    changed: changed || object_ !== object || !equal(managedFields, live?.metadata.managedFields),
  };
  return { result, conflicts: force || !conflicts.length ? undefined : conflicts };
}

function withoutManagedFields(object: AnyObject): AnyObject {
  if (!object.metadata.managedFields) return object;
  const { managedFields: _, ...metadata } = object.metadata;
  return { ...object, metadata };
}

/** `kubectl apply --server-side` keeps the annotation of client-side apply up to date where there is one. */
function refreshLastApplied(object: AnyObject, applied: AnyObject): AnyObject {
  if (!object.metadata.annotations?.[LAST_APPLIED]) return object;
  const config = clone(applied);
  delete config.metadata.annotations?.[LAST_APPLIED];
  const annotations = { ...object.metadata.annotations, [LAST_APPLIED]: `${JSON.stringify(config)}\n` };
  return { ...object, metadata: { ...object.metadata, annotations } };
}

function lastAppliedFields(node: SchemaNode | undefined, live: AnyObject, apiVersion: string): Fields {
  const text = live.metadata.annotations?.[LAST_APPLIED];
  if (!text) return LEAF;
  let config: AnyObject;
  try {
    config = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return LEAF; // written by a client, and of no use to us
    throw error;
  }
  if (config?.apiVersion !== apiVersion) return LEAF;
  const { added = LEAF, modified = LEAF, removed = LEAF } = compare(node, config, live);
  return difference(fieldSet(node, config), union(union(added, modified), removed));
}

function nameOf({ name, operation, apiVersion, subresource }: Manager): string {
  const text = JSON.stringify(name) + (subresource ? ` with subresource ${JSON.stringify(subresource)}` : '');
  return operation === 'Update' ? `${text} using ${apiVersion}` : text;
}

function conflictError(conflicts: Conflict[]): StatusError {
  const all = conflicts
    .map(({ manager, fields }) => ({ name: nameOf(manager), paths: [...paths(fields)] }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  const causes = all.flatMap(({ name, paths: list }) =>
    list.map((path) => ({ reason: 'FieldManagerConflict', message: `conflict with ${name}`, field: path })),
  );
  const message =
    causes.length === 1
      ? `Apply failed with 1 conflict: ${causes[0]!.message}: ${causes[0]!.field}`
      : `Apply failed with ${causes.length} conflicts: ${all
          .flatMap(({ name, paths: list }) => [`conflicts with ${name}:`, ...list.map((path) => `- ${path}`)])
          .join('\n')}`;
  return new StatusError(409, 'Conflict', message, { causes });
}
