import { validateMeta, validateMetaUpdate } from '../../api/meta.ts';
import { updateManagedFields } from '../../machinery/apply/managed.ts';
import type { WriteContext } from '../../machinery/kind.ts';
import { apiVersionOf } from '../../machinery/kind.ts';
import { type AnyObject, clone, equal } from '../../machinery/meta.ts';
import {
  alreadyExists,
  badRequest,
  conflict,
  type FieldError,
  field,
  invalid,
  methodNotAllowed,
  notFound,
  StatusError,
} from '../../machinery/status.ts';
import { demandRight } from '../authz/demand.ts';
import { Entry } from '../cache/entry.ts';
import type { ResourceCache } from '../cache/resource-cache.ts';
import { type Admission, type Alongside, type Context, fieldManagerOf, type TypeName } from '../context.ts';
import { insert, remove, replace, retrying, Stale } from './commit.ts';
import { generatedName, hasGeneration, settle, stampNew, stampUpdate } from './metadata.ts';
import { keyFor } from './read.ts';
import { type Allocation, AllocationLost, admit, cacheOf, type Registry } from './registry.ts';

const writeContext = (registry: Registry, context: Context): WriteContext => ({
  nowMs: context.nowMs,
  user: context.user.name,
  requester: context.user,
  random: registry.random,
  subresource: context.subresource,
  warn: (text) => void context.warnings.push(text),
});

function check(context: Context, name: string, errors: FieldError[]): void {
  if (errors.length) throw invalid(context.served.kind, name, errors);
}

/** Creates an object; `body` is a draft of ours. `applied`: managedFields are set already. */
export async function create(
  registry: Registry,
  context: Context,
  body: AnyObject,
  applied = false,
): Promise<Entry> {
  const { kind, view } = context.served;
  const cache = cacheOf(registry, context);
  if (context.served.terminating) {
    throw new StatusError(
      405,
      'MethodNotAllowed',
      'create not allowed while custom resource definition is terminating',
    );
  }
  settle(context, body);
  if (body.metadata.resourceVersion)
    throw badRequest('resourceVersion should not be set on objects to be created');
  let object = body;
  const generated =
    !object.metadata.name && object.metadata.generateName ? object.metadata.generateName : undefined;
  if (!object.metadata.name && !generated) {
    throw invalid(kind, '', [field('metadata', 'name').required('name or generateName is required')]);
  }
  kind.rules.defaults?.(object);
  const ownStatus = 'status' in kind.subresources;
  // Whoever writes owns what he wrote, not what admission makes of it.
  const { status } = object;
  if (ownStatus) delete object.status;
  if (!applied) manage(registry, context, object, undefined);
  if (ownStatus && status !== undefined) object.status = status;
  const admission: Admission = { context, operation: 'CREATE', object, old: undefined, subresource: '' };
  await admit(registry, admission, 'mutate');
  object = admission.object!;
  settle(context, object);
  stampNew(context, object, registry.random, registry.uuid());
  const dropsStatus = ownStatus && !kind.rules.statusOnCreate;
  if (dropsStatus && kind.rules.prepareCreate === undefined) delete object.status;
  const given = object.status;
  kind.rules.prepareCreate?.(object, writeContext(registry, context));
  if (dropsStatus && given !== undefined && object.status === given) delete object.status;
  if (kind.rules.warnings) context.warnings.push(...kind.rules.warnings(object, undefined));

  for (let attempt = 0; ; attempt++) {
    const allocated = allocate(registry, context, object, undefined);
    try {
      check(context, object.metadata.name!, [
        ...validateMeta(kind, object),
        ...(kind.rules.validate?.(object, writeContext(registry, context)) ?? []),
      ]);
      const key = keyFor(cache, object.metadata.namespace, object.metadata.name!);
      // Before a quota counts it.
      if (cache.get(key)) throw alreadyExists(kind, object.metadata.name!);
      const last: Admission = { ...admission, object, alongside: [...allocated.alongside] };
      await admit(registry, last, 'validate');
      const stored = view ? await view.toStorage(object) : object;
      const entry = await insert(cache, registry, context, key, stored, last.alongside);
      allocated.release();
      context.code = 201;
      return entry;
    } catch (error) {
      allocated.undo();
      if (error instanceof AllocationLost && attempt < 8) continue;
      const taken = error instanceof StatusError && error.reason === 'AlreadyExists';
      if (!taken || !generated || attempt >= 8) throw error;
      object = clone(object);
      object.metadata.name = generatedName(generated, registry.random);
    }
  }
}

/** What all allocators chose for one write. */
interface Allocated {
  release(): void;
  undo(): void;
  alongside: (() => Alongside[])[];
}
const nothing: Allocated = { release() {}, undo() {}, alongside: [] };

function allocate(
  registry: Registry,
  context: Context,
  object: AnyObject,
  old: AnyObject | undefined,
): Allocated {
  const all: Allocation[] = [];
  const undo = () => {
    for (const one of all.splice(0)) one.undo();
  };
  try {
    for (const allocator of registry.allocators) {
      const one = allocator.allocate(context, object, old);
      if (one) all.push(one);
    }
  } catch (error) {
    undo();
    throw error;
  }
  if (!all.length) return nothing;
  return {
    undo,
    release() {
      for (const one of all.splice(0)) one.release();
    },
    alongside: all.map((one) => () => one.alongside()),
  };
}

/** What allocators let go of together with an object. */
export const removedWith = (registry: Registry, context: Context, object: AnyObject): (() => Alongside[])[] =>
  registry.allocators.flatMap((a) => a.removed(context, object) ?? []);

function manage(registry: Registry, context: Context, object: AnyObject, old: AnyObject | undefined): void {
  const { kind } = context.served;
  object.metadata.managedFields = updateManagedFields({
    old,
    new: object,
    manager: fieldManagerOf(context),
    operation: 'Update',
    apiVersion: apiVersionOf(kind),
    subresource: context.subresource ?? '',
    now: context.nowMs,
    typeId: kind.type,
    schemas: registry.schemas,
  });
  if (!object.metadata.managedFields?.length) delete object.metadata.managedFields;
}

/** How an update is made from what is there: a body, or a patch. The result is a draft. */
export type Transform = (current: AnyObject) => AnyObject | Promise<AnyObject>;

export interface UpdateOptions {
  /** The transform has set managedFields itself (server-side apply). */
  applied?: boolean;
  /** Creates the object when it is not there; the draft that `transform` would get is then undefined. */
  createMissing?: (() => AnyObject) | undefined;
  /** Admission has seen what was asked for already (a binding), or sees the body of a subresource. */
  admission?: 'done' | AdmittedBody;
}

/** A subresource whose body is of a kind of its own: admission sees and changes that. */
export interface AdmittedBody {
  type: TypeName;
  of(object: AnyObject): AnyObject;
  into(draft: AnyObject, body: AnyObject): void;
}

/** Updates an object or its status, again and again while others are faster, unless the client pinned a version. */
export async function update(
  registry: Registry,
  context: Context,
  transform: Transform,
  options: UpdateOptions = {},
): Promise<Entry> {
  const { kind } = context.served;
  const cache = cacheOf(registry, context);
  const key = keyFor(cache, context.namespace, context.name!);
  let pinned = false;
  return retrying(
    context,
    () => pinned,
    async () => {
      const entry = cache.get(key);
      if (!entry) {
        if (!options.createMissing) throw notFound(kind, context.name!);
        demandRight(registry.authorizer, context, 'create');
        context.annotations ??= {};
        const creation: Context = { ...context, verb: 'create' };
        const made = await create(registry, creation, options.createMissing(), options.applied);
        context.code = creation.code;
        return made;
      }
      const { view } = context.served;
      const old = view ? (await view.entry(entry)).object : entry.object;
      const object = await transform(old);
      const stated = object.metadata?.resourceVersion;
      pinned = Boolean(stated) && stated !== '0' && stated !== old.metadata.resourceVersion;
      return updateOnce(registry, context, cache, entry, old, object, options, pinned);
    },
  );
}

async function updateOnce(
  registry: Registry,
  context: Context,
  cache: ResourceCache,
  entry: Entry,
  old: AnyObject,
  draft: AnyObject,
  options: UpdateOptions,
  stale: boolean,
): Promise<Entry> {
  const { kind, view } = context.served;
  const rules = kind.rules;
  settle(context, draft);
  if (stale) {
    throw conflict(
      kind,
      old.metadata.name!,
      'the object has been modified; please apply your changes to the latest version and try again',
    );
  }
  if (!draft.metadata.resourceVersion && rules.unconditionalUpdate === false) {
    throw invalid(kind, old.metadata.name!, [
      field('metadata', 'resourceVersion').wrong('0x0: must be specified for an update'),
    ]);
  }
  stampUpdate(context, draft, old);
  rules.defaults?.(draft);
  const ownStatus = 'status' in kind.subresources;
  const keepOthers = (object: AnyObject) => {
    if (context.subresource === 'status') keepAllBut('status', object, old);
    else if (!context.subresource && ownStatus) restore(object, old, 'status');
  };
  keepOthers(draft);
  // Whoever writes owns what he wrote, not what admission makes of it.
  if (!options.applied) manage(registry, context, draft, old);
  const admission: Admission = {
    context,
    operation: 'UPDATE',
    object: draft,
    old,
    subresource: context.subresource ?? '',
  };
  const object = await mutated(registry, admission, options.admission);
  if (object !== draft) {
    settle(context, object);
    stampUpdate(context, object, old);
  }
  const how = { ...writeContext(registry, context), old };
  keepOthers(object);
  if (context.subresource === 'status') rules.prepareStatus?.(object, old, how);
  else if (!context.subresource) rules.prepareUpdate?.(object, old, how);
  else rules.prepareSubresource?.(object, old, how);
  if (rules.warnings && context.subresource !== 'status')
    context.warnings.push(...rules.warnings(object, old));
  // A status is an observation, and a binding is not the user's wish: neither is a new generation.
  const counted = !['status', 'binding'].includes(context.subresource ?? '') && hasGeneration(kind);
  if (counted && changesGeneration(kind.rules.generation, object, old)) {
    object.metadata.generation = (old.metadata.generation ?? 0) + 1;
  }
  const allocated = allocate(registry, context, object, old);
  try {
    check(context, old.metadata.name!, [
      ...validateMeta(kind, object),
      ...validateMetaUpdate(kind, object, old),
      ...(context.subresource === 'status'
        ? (rules.validateStatus?.(object, old, how) ?? [])
        : [
            ...(rules.validate?.(object, how) ?? []),
            ...immutables(rules.immutable, object, old),
            ...(rules.validateUpdate?.(object, old, how) ?? []),
          ]),
    ]);
    const last: Admission = { ...admission, object, alongside: [...allocated.alongside] };
    await validated(registry, last, options.admission);
    object.metadata.resourceVersion = old.metadata.resourceVersion;
    const stored = view ? await view.toStorage(object) : object;
    if (unchanged(stored, entry.object) && !registry.store.isStale?.(entry.key)) {
      allocated.undo();
      return entry;
    }
    if (isFinished(object)) {
      await remove(registry, context, entry, removedWith(registry, context, old));
      allocated.undo();
      return new Entry(context.served.storage, entry.key, stored, entry.revision);
    }
    const result = await replace(cache, registry, context, entry, stored, last.alongside);
    allocated.release();
    return result;
  } catch (error) {
    allocated.undo();
    throw error instanceof AllocationLost ? new Stale() : error;
  }
}

type How = UpdateOptions['admission'];
const bodyOf = (admission: Admission, { type, of }: AdmittedBody): Admission => ({
  ...admission,
  type,
  object: of(admission.object!),
  old: of(admission.old!),
});

/** The object after the mutating plugins. */
async function mutated(registry: Registry, admission: Admission, how: How): Promise<AnyObject> {
  const draft = admission.object!;
  if (how === 'done') return draft;
  if (!how) {
    await admit(registry, admission, 'mutate');
    return admission.object!;
  }
  const shown = bodyOf(admission, how);
  await admit(registry, shown, 'mutate');
  how.into(draft, shown.object!);
  return draft;
}

async function validated(registry: Registry, admission: Admission, how: How): Promise<void> {
  if (how === 'done') return;
  await admit(registry, how ? bodyOf(admission, how) : admission, 'validate');
}

/** Equal but for the times in managedFields: such a write changes nothing, and is not made. */
function unchanged(object: AnyObject, old: AnyObject): boolean {
  const { managedFields: a, ...meta } = object.metadata;
  const { managedFields: b, ...oldMeta } = old.metadata;
  const timeless = (entries: any[] | undefined) => entries?.map(({ time: _, ...rest }) => rest);
  return (
    equal(meta, oldMeta) &&
    equal({ ...object, metadata: null }, { ...old, metadata: null }) &&
    equal(timeless(a), timeless(b))
  );
}

/** A deletion was asked for, its grace is over and nobody holds the object back any more. */
const isFinished = (object: AnyObject): boolean =>
  object.metadata.deletionTimestamp !== undefined &&
  !object.metadata.finalizers?.length &&
  (object.metadata.deletionGracePeriodSeconds ?? 0) === 0 &&
  !(object.kind === 'Namespace' && object.apiVersion === 'v1' && object.spec?.finalizers?.length);

const changesGeneration = (rule: unknown, object: AnyObject, old: AnyObject): boolean => {
  if (typeof rule === 'function') return rule(object, old);
  if (object.spec !== undefined || old.spec !== undefined) return !equal(object.spec, old.spec);
  const content = ({ metadata: _m, status: _s, kind: _k, apiVersion: _a, ...rest }: AnyObject) => rest;
  return !equal(content(object), content(old));
};

function restore(object: AnyObject, old: AnyObject, name: string): void {
  if (old[name] === undefined) delete object[name];
  else object[name] = old[name];
}

/** A write to a subresource changes that part alone, and labels and annotations for those who use them so. */
function keepAllBut(part: string, object: AnyObject, old: AnyObject): void {
  for (const name of new Set([...Object.keys(object), ...Object.keys(old)])) {
    if (!['metadata', 'kind', 'apiVersion', part].includes(name)) restore(object, old, name);
  }
  const { managedFields, resourceVersion, labels, annotations, finalizers, ownerReferences } =
    object.metadata;
  object.metadata = { ...old.metadata, resourceVersion, managedFields };
  if (labels) object.metadata.labels = labels;
  if (annotations) object.metadata.annotations = annotations;
  if (finalizers) object.metadata.finalizers = finalizers;
  if (ownerReferences) object.metadata.ownerReferences = ownerReferences;
}

function immutables(paths: string[] = [], object: AnyObject, old: AnyObject): FieldError[] {
  return paths
    .filter((path) => !equal(at(object, path), at(old, path)))
    .map((path) => field(path).invalid(at(object, path), 'field is immutable'));
}
const at = (object: any, path: string): unknown =>
  path.split('.').reduce((value, part) => value?.[part], object);

/** The verbs of a subresource that the facts do not list are refused. */
export function demandVerb(context: Context): void {
  const { kind } = context.served;
  const verbs = context.subresource ? kind.subresources[context.subresource]?.verbs : kind.verbs;
  if (!verbs)
    throw new StatusError(404, 'NotFound', 'the server could not find the requested resource', {
      kind: kind.plural,
    });
  if (!verbs.includes(context.verb)) throw methodNotAllowed(kind, context.verb);
}
