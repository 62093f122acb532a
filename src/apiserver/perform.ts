import { type AnyObject, clone } from '../machinery/meta.ts';
import { pathSegmentProblems } from '../machinery/names.ts';
import { badRequest, methodNotAllowed, StatusError } from '../machinery/status.ts';
import type { Entry } from './cache/entry.ts';
import type { Context } from './context.ts';
import { type Deletion, deleteCollection, deleteOne } from './registry/delete.ts';
import { checkWriteOptions } from './registry/options.ts';
import { patch } from './registry/patch.ts';
import { get, type ListResult, list } from './registry/read.ts';
import { cacheOf, type Registry } from './registry/registry.ts';
import { create, demandVerb, update } from './registry/write.ts';
import type { SubresourceHandlers } from './subresources/index.ts';

/** What a request comes to, before it is encoded. */
export type Result =
  | { type: 'entry'; entry: Entry }
  | { type: 'object'; object: AnyObject }
  | { type: 'list'; list: ListResult };

/** Does what a request that is neither a watch nor a connection asks for. `body` is a draft of ours. */
export async function perform(
  registry: Registry,
  handlers: SubresourceHandlers,
  context: Context,
  body: any,
): Promise<Result> {
  const { kind } = context.served;
  const id = kind.group ? `${kind.plural}.${kind.group}` : kind.plural;
  const own =
    handlers[context.subresource ? `${id}/${context.subresource}` : id] ??
    (context.subresource ? handlers[`*/${context.subresource}`] : undefined);
  demandVerb(context);
  checkPlace(context);
  checkWriteOptions(context);
  if (own) return own(registry, context, body);
  if (context.subresource && context.subresource !== 'status') {
    throw new StatusError(404, 'NotFound', 'the server could not find the requested resource', {
      kind: kind.plural,
    });
  }
  const cache = cacheOf(registry, context);
  const { view } = context.served;
  const shown = async (written: Promise<Entry>): Promise<Result> => {
    const entry = await written;
    return { type: 'entry', entry: view ? await view.entry(entry) : entry };
  };
  switch (context.verb) {
    case 'get':
      return { type: 'entry', entry: await get(cache, context) };
    case 'list':
      return { type: 'list', list: await list(cache, registry.store, context) };
    case 'create':
      return shown(create(registry, context, body));
    case 'update': {
      const createMissing = kind.rules.createOnUpdate && !context.subresource ? () => clone(body) : undefined;
      return shown(update(registry, context, () => clone(body), { createMissing }));
    }
    case 'patch':
      return shown(patch(registry, context, body));
    case 'delete': {
      const { entry, gone } = await deleteOne(registry, context);
      return deleted(context, { entry: view ? await view.entry(entry) : entry, gone });
    }
    case 'deletecollection': {
      const entries = await deleteCollection(registry, context);
      return { type: 'list', list: { entries, revision: cache.revision } };
    }
    default:
      throw new StatusError(
        405,
        'MethodNotAllowed',
        `the server does not allow this method on the requested resource: ${context.verb}`,
      );
  }
}

/** Names must be one part of a path, and there must be one where the verb needs one. Throws 400 and 405. */
function checkPlace({ verb, namespace, name, subresource, served }: Context): void {
  for (const [what, part] of [
    ['Namespace', namespace],
    ['Name', name],
  ] as const) {
    if (part === undefined) continue;
    const [problem] = pathSegmentProblems(part);
    if (problem) throw badRequest(`${what} parameter invalid: ${JSON.stringify(part)}: ${problem}`);
  }
  const one = verb === 'get' || verb === 'update' || verb === 'patch' || verb === 'delete';
  if (one ? name === undefined : verb === 'create' && name !== undefined && !subresource)
    throw methodNotAllowed(served.kind, verb);
}

/** Kinds whose deletion is answered with the object that was there; the others answer with a Status. */
const returnsObject = new Set([
  'pods',
  'services',
  'serviceaccounts',
  'persistentvolumeclaims',
  'persistentvolumes',
  'podtemplates',
  'resourcequotas',
]);

function deleted(context: Context, { entry, gone }: Deletion): Result {
  const { kind } = context.served;
  if (!gone || (kind.group === '' && returnsObject.has(kind.plural))) {
    return { type: 'entry', entry };
  }
  return {
    type: 'object',
    object: {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {} as AnyObject['metadata'],
      status: 'Success',
      details: {
        name: entry.object.metadata.name,
        ...(kind.group ? { group: kind.group } : {}),
        kind: kind.plural,
        uid: entry.object.metadata.uid,
      },
    },
  };
}
