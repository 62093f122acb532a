import { CLEANUP_FINALIZER } from '../../api/apiextensions/custom-resource-definition.ts';
import type { CustomResourceDefinition } from '../../api/apiextensions/v1.gen.ts';
import { time } from '../../machinery/clock.ts';
import { apiVersionOf, type Kind } from '../../machinery/kind.ts';
import { type AnyObject, clone } from '../../machinery/meta.ts';
import { encodeForStore } from '../cache/entry.ts';
import type { ResourceCache } from '../cache/resource-cache.ts';
import type { Registry } from '../registry/registry.ts';
import { changeDefinition } from './names.ts';

/**
 * Objects of a definition that goes away go first, those with finalizers when these are gone; then the definition's own
 * finalizer goes. Does not wait: the last object to go takes the definition with it.
 */
export async function finalizeDefinition(
  registry: Registry,
  crd: CustomResourceDefinition,
  storage: Kind | undefined,
  signal: AbortSignal,
): Promise<void> {
  const name = crd.metadata.name!;
  const now = time(registry.clock.now());
  await changeDefinition(registry, name, (draft) => {
    const others = (draft.status?.conditions ?? []).filter((c: { type: string }) => c.type !== 'Terminating');
    if (others.length < (draft.status?.conditions?.length ?? 0)) return;
    const condition = {
      type: 'Terminating',
      status: 'True',
      lastTransitionTime: now,
      reason: 'InstanceDeletionInProgress',
      message: 'CustomResource deletion is in progress',
    };
    draft.status = { ...draft.status, conditions: [...others, condition] };
  });
  const objects = storage && registry.caches.of(storage, true);
  const release = () =>
    changeDefinition(registry, name, ({ metadata }) => {
      metadata.finalizers = metadata.finalizers?.filter((f) => f !== CLEANUP_FINALIZER);
    });
  if (objects) await deleteAll(registry, objects, now);
  if (!objects?.entries.size) return release();
  const unwatch = objects.watch(objects.revision, ({ deleted }) => {
    if (!deleted || objects.entries.size) return;
    unwatch();
    void release();
  });
  signal.addEventListener('abort', unwatch, { once: true });
}

async function deleteAll({ store }: Registry, objects: ResourceCache, now: string): Promise<void> {
  for (const entry of [...objects.entries.values()]) {
    const { metadata } = entry.object;
    if (!metadata.finalizers?.length) await store.txn([], [{ op: 'delete', key: entry.key }]);
    else if (!metadata.deletionTimestamp) {
      const draft = clone(entry.object);
      draft.metadata.deletionTimestamp = now;
      draft.metadata.deletionGracePeriodSeconds = 0;
      await store.txn(
        [{ key: entry.key, target: 'mod', equals: entry.revision }],
        [{ op: 'put', key: entry.key, value: encodeForStore(kindOf(objects, draft), draft), decoded: draft }],
      );
    }
  }
}

/** An object may still be in the form of a version that was the stored one before. */
const kindOf = ({ kind }: ResourceCache, { apiVersion = '' }: AnyObject): Kind =>
  apiVersion === apiVersionOf(kind) ? kind : { ...kind, version: apiVersion.split('/').at(-1)! };
