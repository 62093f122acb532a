import { clone } from '../../machinery/meta.ts';
import { update } from '../registry/write.ts';
import type { SubresourceHandler } from './index.ts';

/** The namespace controller states here that a namespace is empty: the last finalizer goes, and so does the namespace. */
export const finalizeNamespace: SubresourceHandler = async (registry, context, body) => {
  const entry = await update(registry, context, (current) => {
    const draft = clone(current);
    draft.spec = { ...draft.spec, finalizers: body?.spec?.finalizers ?? [] };
    draft.metadata.resourceVersion = body?.metadata?.resourceVersion;
    return draft;
  });
  return { type: 'entry', entry };
};
