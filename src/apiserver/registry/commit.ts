import type { AnyObject } from '../../machinery/meta.ts';
import { alreadyExists, serviceUnavailable, staleObject } from '../../machinery/status.ts';
import type { Store } from '../../machinery/store.ts';
import { Entry, encodeForStore } from '../cache/entry.ts';
import type { ResourceCache } from '../cache/resource-cache.ts';
import { type Context, isDryRun } from '../context.ts';

/** Nobody else may have changed it meanwhile: the caller reads again and tries again. */
export class Stale extends Error {}

/** Writes a new object. Throws AlreadyExists. */
export async function insert(
  cache: ResourceCache,
  store: Store,
  context: Context,
  key: string,
  object: AnyObject,
): Promise<Entry> {
  const exists = () => alreadyExists(context.served.kind, object.metadata.name!);
  if (cache.get(key)) throw exists();
  if (isDryRun(context)) return new Entry(cache.kind, key, object, 0);
  const { succeeded, revision } = await write(() =>
    store.txn(
      [{ key, target: 'mod', equals: 0 }],
      [{ op: 'put', key, value: encodeForStore(cache.kind, object), decoded: object }],
    ),
  );
  if (!succeeded) throw exists();
  return written(cache, key, object, revision);
}

/** Replaces what `old` was read as. Throws Stale. */
export async function replace(
  cache: ResourceCache,
  store: Store,
  context: Context,
  old: Entry,
  object: AnyObject,
): Promise<Entry> {
  if (isDryRun(context)) return new Entry(cache.kind, old.key, object, old.revision);
  const { succeeded, revision } = await write(() =>
    store.txn(
      [{ key: old.key, target: 'mod', equals: old.revision }],
      [{ op: 'put', key: old.key, value: encodeForStore(cache.kind, object), decoded: object }],
    ),
  );
  if (!succeeded) throw new Stale();
  return written(cache, old.key, object, revision);
}

/** Deletes what `old` was read as. Throws Stale. */
export async function remove(store: Store, context: Context, old: Entry): Promise<void> {
  if (isDryRun(context)) return;
  const { succeeded } = await write(() =>
    store.txn([{ key: old.key, target: 'mod', equals: old.revision }], [{ op: 'delete', key: old.key }]),
  );
  if (!succeeded) throw new Stale();
}

/** The cache has a write before it is acknowledged; by now it may have an even newer one. */
function written(cache: ResourceCache, key: string, object: AnyObject, revision: number): Entry {
  const entry = cache.get(key);
  return entry?.revision === revision ? entry : new Entry(cache.kind, key, object, revision);
}

/** A disk that is full, or a store that failed, is for the operator to mend: the client is told what happened. */
async function write<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw serviceUnavailable(`the store cannot write (${(error as Error).message}); nothing was changed`);
  }
}

/** Runs `attempt` again as long as somebody else was faster; unless the client pinned a version (409 then). */
export async function retrying<T>(
  context: Context,
  pinned: () => boolean,
  attempt: () => Promise<T>,
): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof Stale)) throw error;
      if (pinned() || tries > 50) throw staleObject(context.served.kind, context.name ?? '');
    }
  }
}
