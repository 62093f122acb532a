import type { Client } from '../../../client/client.ts';
import { type ApiResource, type Discovery, kindFrom } from '../../../client/discovery.ts';
import { apiVersionOf, type Kind, resourceName } from '../../../machinery/kind.ts';
import type { KubeObject } from '../../../machinery/meta.ts';
import { isNotFound, isStatusError } from '../../../machinery/status.ts';

/** What is still in a namespace, and what is in the way of knowing it. Messages are upstream's. */
export interface Contents {
  /** By resource: `pods`, `deployments.apps`. */
  remaining: Map<string, number>;
  finalizers: Map<string, number>;
  /** What could not be deleted, and why. */
  errors: string[];
  /** Why it is not known of all resources what they are. */
  undiscovered?: string;
  /** The same of a group version that is no such thing. */
  unparsed?: string;
}

export const isClear = ({ remaining, errors, undiscovered, unparsed }: Contents): boolean =>
  remaining.size === 0 && errors.length === 0 && undiscovered === undefined && unparsed === undefined;

/**
 * Deletes what is there, and says what is left. Other resources are not touched while there are pods: they may need them.
 * Where not all resources are known, those that are go all the same.
 */
export async function clear(
  client: Client,
  namespace: string,
  discover: () => Promise<Discovery>,
): Promise<Contents> {
  const contents: Contents = { remaining: new Map(), finalizers: new Map(), errors: [] };
  const kinds = await deletable(discover, contents);
  const isPods = (kind: Kind<any>) => resourceName(kind) === 'pods';
  const clearAll = (some: Kind<any>[]) =>
    Promise.all(some.map((kind) => clearKind(client, namespace, kind, contents)));
  await clearAll(kinds.filter(isPods));
  if (contents.remaining.size === 0) await clearAll(kinds.filter((kind) => !isPods(kind)));
  return contents;
}

/** Whatever objects in a namespace can be of. */
async function deletable(discover: () => Promise<Discovery>, contents: Contents): Promise<Kind[]> {
  let found: Discovery;
  try {
    found = await discover();
  } catch (error) {
    contents.undiscovered = messageOf(error);
    return [];
  }
  if (found.failed.size > 0) contents.undiscovered = whyUndiscovered(found.failed);
  const parsed = (resource: ApiResource): boolean => {
    const groupVersion = apiVersionOf(resource);
    if (groupVersion.split('/').length <= 2) return true;
    contents.unparsed ??= `unexpected GroupVersion string: ${groupVersion}`;
    return false;
  };
  return found
    .current()
    .filter((resource) => resource.namespaced && resource.verbs.includes('delete') && parsed(resource))
    .map(kindFrom);
}

function whyUndiscovered(failed: ReadonlyMap<string, string>): string {
  const each = [...failed].map(([groupVersion, why]) => `${groupVersion}: ${why}`).sort();
  return (
    `Discovery failed for some groups, ${failed.size} failing: ` +
    `unable to retrieve the complete list of server APIs: ${each.join(', ')}`
  );
}

async function clearKind(
  client: Client,
  namespace: string,
  kind: Kind<any>,
  contents: Contents,
): Promise<void> {
  const resource = client(kind);
  const can = (verb: string) => kind.verbs.includes(verb);
  const list = async (): Promise<KubeObject[]> =>
    (can('list') && (await ifKnown(resource.list({ namespace, metadataOnly: true })))?.items) || [];
  const propagationPolicy = 'Background';
  const removeAll = async (): Promise<boolean> =>
    can('deletecollection') &&
    (await ifKnown(resource.deleteCollection({ namespace, propagationPolicy }).then(() => true))) === true;
  try {
    let objects = await list();
    // What cannot be listed is deleted unseen.
    if (can('list') && objects.every(({ metadata }) => metadata.deletionTimestamp)) {
      // All of it is on its way.
    } else if (await removeAll()) {
      objects = await list();
    } else {
      for (const { metadata } of objects)
        await ifKnown(resource.delete(metadata.name!, { namespace, propagationPolicy }));
      objects = await list();
    }
    if (objects.length === 0) return;
    const { finalizers, remaining, errors } = contents;
    remaining.set(resourceName(kind), objects.length);
    const held = objects.flatMap(({ metadata }) => (metadata.finalizers ?? []) as string[]);
    for (const finalizer of held) finalizers.set(finalizer, (finalizers.get(finalizer) ?? 0) + 1);
    // Pods have their time to end; nothing else stays by itself.
    if (held.length === 0 && resourceName(kind) !== 'pods') {
      const gvr = `${kind.group}/${kind.version}, Resource=${kind.plural}`;
      errors.push(`unexpected items still remain in namespace: ${namespace} for gvr: ${gvr}`);
    }
  } catch (error) {
    contents.errors.push(messageOf(error));
  }
}

/** Undefined where the server knows no such resource, or verb: it may have gone away meanwhile. */
async function ifKnown<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (isNotFound(error) || (isStatusError(error) && error.code === 405)) return undefined;
    throw error;
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
