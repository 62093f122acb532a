import { time } from '../../machinery/clock.ts';
import { type AnyObject, clone, equal } from '../../machinery/meta.ts';
import { conflict, notFound } from '../../machinery/status.ts';
import type { Entry } from '../cache/entry.ts';
import type { ResourceCache } from '../cache/resource-cache.ts';
import type { Admission, Context } from '../context.ts';
import { remove, replace, retrying } from './commit.ts';
import { keyFor, list } from './read.ts';
import { admit, cacheOf, type Registry } from './registry.ts';
import { removedWith } from './write.ts';

/** `gone` says whether the object was deleted at once (the answer is then a Status), or is on its way out. */
export interface Deletion {
  entry: Entry;
  gone: boolean;
}

/**
 * Deletes: at once, or, where grace or finalizers hold it back, by stating when it shall go.
 * `admitted`: admission has seen the request in another form (an eviction).
 * Source: "Deletion" in the API concepts, and the documentation of DeleteOptions.
 */
export async function deleteOne(registry: Registry, context: Context, admitted = false): Promise<Deletion> {
  const { kind } = context.served;
  const { preconditions } = context.options;
  const cache = cacheOf(registry, context);
  const key = keyFor(cache, context.namespace, context.name!);
  return retrying(
    context,
    () => preconditions?.resourceVersion !== undefined,
    async () => {
      const entry = cache.get(key);
      if (!entry) throw notFound(kind, context.name!);
      const { metadata } = entry.object;
      if (preconditions?.uid && preconditions.uid !== metadata.uid) {
        throw conflict(
          kind,
          context.name!,
          `the UID in the precondition (${preconditions.uid}) does not match the UID in record (${metadata.uid}). The object might have been deleted and then recreated`,
        );
      }
      if (preconditions?.resourceVersion && preconditions.resourceVersion !== metadata.resourceVersion) {
        throw conflict(
          kind,
          context.name!,
          `the ResourceVersion in the precondition (${preconditions.resourceVersion}) does not match the ResourceVersion in record (${metadata.resourceVersion}). The object might have been modified`,
        );
      }
      if (!admitted) {
        const { view } = context.served;
        const old = view ? (await view.entry(entry)).object : entry.object;
        const admission: Admission = {
          context,
          operation: 'DELETE',
          object: undefined,
          old,
          subresource: '',
        };
        await admit(registry, admission, 'mutate');
        await admit(registry, admission, 'validate');
      }
      return attempt(registry, context, cache, entry);
    },
  );
}

async function attempt(
  registry: Registry,
  context: Context,
  cache: ResourceCache,
  entry: Entry,
): Promise<Deletion> {
  const old = entry.object;
  const { rules } = context.served.kind;
  const grace = rules.gracePeriod?.(old, context.options.gracePeriodSeconds) ?? 0;
  const finalizers = finalizersAfter(context, old);
  const heldByNamespace =
    old.kind === 'Namespace' && old.apiVersion === 'v1' && old.spec?.finalizers?.length > 0;
  if (grace <= 0 && !finalizers.length && !heldByNamespace) {
    await remove(registry, context, entry, removedWith(registry, context, old));
    return { entry, gone: true };
  }

  const { view } = context.served;
  const draft = clone(view ? await view.toStorage((await view.entry(entry)).object) : old);
  const meta = draft.metadata;
  if (finalizers.length) meta.finalizers = finalizers;
  else delete meta.finalizers;
  const left = meta.deletionGracePeriodSeconds;
  const shorter = left === undefined || grace < left;
  if (!meta.deletionTimestamp) {
    meta.deletionTimestamp = time(context.nowMs + grace * 1000);
    meta.deletionGracePeriodSeconds = grace;
    if (meta.generation !== undefined) meta.generation++;
  } else if (shorter) {
    const asked = Date.parse(meta.deletionTimestamp) - (left ?? 0) * 1000;
    meta.deletionTimestamp = time(Math.min(asked + grace * 1000, context.nowMs + grace * 1000));
    meta.deletionGracePeriodSeconds = grace;
  } else if (equal(meta.finalizers ?? [], old.metadata.finalizers ?? [])) {
    return { entry, gone: false };
  }
  if (heldByNamespace) draft.status = { ...draft.status, phase: 'Terminating' };
  return { entry: await replace(cache, registry, context, entry, draft), gone: false };
}

/** Propagation is stated as a finalizer that the garbage collector takes away when it has done its part. */
function finalizersAfter(context: Context, old: AnyObject): string[] {
  const { propagationPolicy } = context.options;
  const finalizers = old.metadata.finalizers ?? [];
  if (propagationPolicy === undefined) return finalizers;
  const rest = finalizers.filter((f) => f !== 'orphan' && f !== 'foregroundDeletion');
  if (propagationPolicy === 'Orphan') return [...rest, 'orphan'];
  if (propagationPolicy === 'Foreground') return [...rest, 'foregroundDeletion'];
  if (propagationPolicy === 'Background') return rest;
  throw new Error(`unknown propagation policy ${propagationPolicy}`);
}

/** Deletes what a list finds, several at a time; returns what was found. */
export async function deleteCollection(registry: Registry, context: Context): Promise<Entry[]> {
  const cache = cacheOf(registry, context);
  context.annotations ??= {};
  const { preconditions: _, ...options } = context.options;
  const { entries } = await list(cache, registry.store, {
    ...context,
    options: { ...options, limit: undefined },
  });
  for (let i = 0; i < entries.length; i += 100) {
    const ended = await Promise.allSettled(
      entries.slice(i, i + 100).map(async ({ object }) => {
        try {
          await deleteOne(registry, {
            ...context,
            name: object.metadata.name,
            namespace: object.metadata.namespace,
          });
        } catch (error) {
          if ((error as { reason?: string }).reason !== 'NotFound') throw error;
        }
      }),
    );
    // Not before all have ended: what begins is waited for.
    const failed = ended.find((one) => one.status === 'rejected');
    if (failed) throw failed.reason;
  }
  return entries;
}
