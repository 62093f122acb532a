import { events } from '../../api/core/event.ts';
import type { Kind } from '../../machinery/kind.ts';
import type { AnyObject } from '../../machinery/meta.ts';
import { alreadyExists, isStatusError, staleObject, tooLarge } from '../../machinery/status.ts';
import type { Compare, Op } from '../../machinery/store.ts';
import { Entry, encodeForStore } from '../cache/entry.ts';
import type { ResourceCache } from '../cache/resource-cache.ts';
import { type Admission, type Context, isDryRun } from '../context.ts';
import type { StoreOperation } from '../metrics/write-metrics.ts';
import { storeProblem } from '../store-problem.ts';
import type { Registry } from './registry.ts';

/** Nobody else may have changed it meanwhile: the caller reads again and tries again. */
export class Stale extends Error {}

type More = Admission['alongside'];

/** Compares and puts of what goes with a write. They come after it, so that who watches both sees the object first. */
function together(more: More): { compare: Compare[]; ops: Op[] } {
  const all = (more ?? []).flatMap((one) => one());
  return {
    compare: all.flatMap((one) =>
      'remove' in one ? [] : [{ key: one.key, target: 'mod', equals: one.revision }],
    ),
    ops: all.map((one) =>
      'remove' in one
        ? { op: 'delete', key: one.key }
        : { op: 'put', key: one.key, value: one.value, decoded: one.decoded },
    ),
  };
}

/** What a write needs besides the object. */
type Means = Pick<Registry, 'store' | 'turns' | 'clock' | 'metrics' | 'eventLeases'>;

/** What a request to etcd may have: objects are to stay such that etcd could keep them, and that every change of one is cheap. */
const mostBytes = 1.5 * 1024 * 1024;

/** Throws 413. */
function encoded(storage: Kind<any>, object: AnyObject): Uint8Array {
  const bytes = encodeForStore(storage, object);
  if (bytes.length > mostBytes) throw tooLarge('etcdserver: request is too large');
  return bytes;
}

/** The put of an object, with a lease where it is to go by itself. */
function putOf(
  { eventLeases }: Means,
  { served: { storage } }: Context,
  key: string,
  object: AnyObject,
): Op | Promise<Op> {
  const put: Op = { op: 'put', key, value: encoded(storage, object), decoded: object };
  if (!eventLeases || storage !== events) return put;
  return eventLeases.take().then((lease) => ({ ...put, lease }));
}

/** Writes a new object. Throws AlreadyExists. */
export async function insert(
  cache: ResourceCache,
  means: Means,
  context: Context,
  key: string,
  object: AnyObject,
  more?: More,
): Promise<Entry> {
  const exists = () => alreadyExists(context.served.kind, object.metadata.name!);
  const { storage } = context.served;
  const { store, turns } = means;
  const attempt = async (): Promise<Entry> => {
    for (let tries = 0; ; tries++) {
      if (cache.get(key)) throw exists();
      const { compare, ops } = together(more);
      if (isDryRun(context)) return new Entry(storage, key, object, 0);
      const { succeeded, revision } = await write(means, context, 'create', async () => {
        const put = putOf(means, context, key, object);
        return store.txn(
          [{ key, target: 'mod', equals: 0 }, ...compare],
          [put instanceof Promise ? await put : put, ...ops],
        );
      });
      if (succeeded) return written(cache, key, object, revision);
      if (!compare.length) throw exists();
      if (tries > 50) throw staleObject(context.served.kind, object.metadata.name!);
    }
  };
  // Those who write the same thing alongside go one after the other: they would only fail one another.
  return more?.length ? turns.take(`alongside ${object.metadata.namespace}`, attempt) : attempt();
}

/** Replaces what `old` was read as. Throws Stale. */
export async function replace(
  cache: ResourceCache,
  means: Means,
  context: Context,
  old: Entry,
  object: AnyObject,
  more?: More,
): Promise<Entry> {
  const { compare, ops } = together(more);
  const { storage } = context.served;
  if (isDryRun(context)) return new Entry(storage, old.key, object, old.revision);
  const { succeeded, revision } = await write(means, context, 'update', async () => {
    const put = putOf(means, context, old.key, object);
    return means.store.txn(
      [{ key: old.key, target: 'mod', equals: old.revision }, ...compare],
      [put instanceof Promise ? await put : put, ...ops],
    );
  });
  if (!succeeded) throw new Stale();
  return written(cache, old.key, object, revision);
}

/** Deletes what `old` was read as. Throws Stale. */
export async function remove(means: Means, context: Context, old: Entry, more?: More): Promise<void> {
  const { compare, ops } = together(more);
  if (isDryRun(context)) return;
  const { succeeded } = await write(means, context, 'delete', () =>
    means.store.txn(
      [{ key: old.key, target: 'mod', equals: old.revision }, ...compare],
      [{ op: 'delete', key: old.key }, ...ops],
    ),
  );
  if (!succeeded) throw new Stale();
}

/** The cache has a write before it is acknowledged; by now it may have an even newer one. */
function written(cache: ResourceCache, key: string, object: AnyObject, revision: number): Entry {
  const entry = cache.get(key);
  return entry?.revision === revision ? entry : new Entry(cache.kind, key, object, revision);
}

/** A disk that is full, or a store that failed, is for the operator to mend: the client is told what happened. */
async function write<T>(
  { clock, metrics }: Means,
  { served }: Context,
  operation: StoreOperation,
  run: () => Promise<T>,
): Promise<T> {
  const began = clock.now();
  let failed = true;
  try {
    const result = await run();
    failed = false;
    return result;
  } catch (error) {
    throw isStatusError(error) ? error : storeProblem(error);
  } finally {
    metrics.store(served.storage, operation, clock.now() - began, failed);
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
