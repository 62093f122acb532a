import { time } from '../../machinery/clock.ts';
import { apiVersionOf, type Kind } from '../../machinery/kind.ts';
import type { AnyObject } from '../../machinery/meta.ts';
import { badRequest, conflict } from '../../machinery/status.ts';
import type { Context } from '../context.ts';

const alphabet = 'bcdfghjklmnpqrstvwxz2456789';
/** Five characters without vowels, as upstream appends to generateName. */
export const randomSuffix = (random: () => number, length = 5): string =>
  Array.from({ length }, () => alphabet[Math.floor(random() * alphabet.length)]).join('');

/** A name from `generateName`, at most 63 characters long. */
export const generatedName = (base: string, random: () => number): string =>
  base.slice(0, 58) + randomSuffix(random);

/** Checks that a body belongs where the request puts it, and fills in kind, apiVersion and namespace. Throws 400. */
export function settle(context: Context, object: AnyObject): void {
  const { kind } = context.served;
  if (typeof object !== 'object' || object === null || Array.isArray(object))
    throw badRequest('the body must be an object');
  if (object.apiVersion && object.apiVersion !== apiVersionOf(kind)) {
    throw badRequest(
      `the API version in the data (${object.apiVersion}) does not match the expected API version (${apiVersionOf(kind)})`,
    );
  }
  if (object.kind && object.kind !== kind.kind) {
    throw badRequest(
      `${object.kind} in version "${object.apiVersion ?? apiVersionOf(kind)}" cannot be handled as a ${kind.kind}`,
    );
  }
  object.kind = kind.kind;
  object.apiVersion = apiVersionOf(kind);
  const meta = (object.metadata ??= {} as AnyObject['metadata']);
  if (kind.namespaced) {
    if (meta.namespace && context.namespace && meta.namespace !== context.namespace) {
      throw badRequest(
        'the namespace of the provided object does not match the namespace sent on the request',
      );
    }
    meta.namespace = context.namespace ?? meta.namespace;
  } else delete meta.namespace;
  if (context.name && meta.name && meta.name !== context.name) {
    throw badRequest(
      `the name of the object (${meta.name}) does not match the name on the URL (${context.name})`,
    );
  }
  if (context.name) meta.name = context.name;
  // "Whatever is there", as if nothing were said.
  if (meta.resourceVersion === '0') delete meta.resourceVersion;
  for (const field of ['labels', 'annotations', 'ownerReferences', 'finalizers', 'managedFields'] as const) {
    if (meta[field] === null) delete meta[field];
  }
}

/** What the server says of a new object. */
export function stampNew(context: Context, object: AnyObject, random: () => number, uid: string): void {
  const meta = object.metadata;
  if (!meta.name && meta.generateName) meta.name = generatedName(meta.generateName, random);
  meta.uid = uid;
  meta.creationTimestamp = time(context.nowMs);
  delete meta.deletionTimestamp;
  delete meta.deletionGracePeriodSeconds;
  delete meta.resourceVersion;
  delete meta.selfLink;
  if (hasGeneration(context.served.storage)) meta.generation = 1;
  else delete meta.generation;
}

export const hasGeneration = (kind: Kind): boolean => {
  const { generation } = kind.rules;
  if (generation !== undefined) return generation !== false;
  return 'status' in kind.subresources;
};

/** What no update may change is put back; what the client may state as a condition is checked (409). */
export function stampUpdate(context: Context, object: AnyObject, old: AnyObject): void {
  const { kind } = context.served;
  const meta = object.metadata;
  if (meta.uid && meta.uid !== old.metadata.uid) {
    throw conflict(
      kind,
      old.metadata.name!,
      `Precondition failed: UID in precondition: ${meta.uid}, UID in object meta: ${old.metadata.uid}`,
    );
  }
  for (const field of [
    'uid',
    'creationTimestamp',
    'deletionTimestamp',
    'deletionGracePeriodSeconds',
    'generation',
    'selfLink',
    'generateName',
  ] as const) {
    const value = old.metadata[field];
    if (value === undefined) delete meta[field];
    else (meta as any)[field] = value;
  }
}
