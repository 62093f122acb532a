// Patches of a kustomization: a JSON patch, or a partial object that is merged.
import { type AnyObject, clone } from '../../machinery/meta.ts';
import { jsonPatch } from '../../machinery/patch/json.ts';
import { mergePatch } from '../../machinery/patch/merge.ts';
import { matchesSelector } from '../commands/selecting.ts';
import type { Environment } from '../environment.ts';
import { KubectlError } from '../errors.ts';
import { parseDocuments } from '../manifests.ts';
import { resolve } from '../paths.ts';
import { builtInType } from '../schemas.ts';
import type { Item } from './build.ts';

export interface PatchTarget {
  group?: string;
  version?: string;
  kind?: string;
  name?: string;
  namespace?: string;
  labelSelector?: string;
  annotationSelector?: string;
}

export interface PatchEntry {
  path?: string;
  patch?: string;
  target?: PatchTarget;
  options?: { allowNameChange?: boolean; allowKindChange?: boolean };
}

const groupVersion = ({ apiVersion = '' }: AnyObject): [group: string, version: string] => {
  const [version, group = ''] = apiVersion.split('/').reverse() as [string, string?];
  return [group, version];
};

/** Changes the objects that the patch is for. Throws a KubectlError where there is none. */
export async function applyPatch(
  environment: Environment,
  directory: string,
  entry: PatchEntry,
  items: Item[],
): Promise<void> {
  const text =
    entry.patch ?? new TextDecoder().decode(await environment.files.read(resolve(directory, entry.path!)));
  const documents: any[] = (await parseDocuments(text)).filter(Boolean);
  const operations = documents.length === 1 && Array.isArray(documents[0]) ? documents[0] : undefined;
  if (operations) {
    if (!entry.target) throw new KubectlError('must specify a target for JSON patch');
    for (const item of chosen(items, entry.target)) item.object = jsonPatch(item.object, operations);
    return;
  }
  for (const patch of documents as AnyObject[]) {
    const found = entry.target ? chosen(items, entry.target) : [named(items, patch)];
    for (const item of found) {
      if ((patch as any).$patch === 'delete') items.splice(items.indexOf(item), 1);
      else item.object = await merged(item.object, patch, entry);
    }
  }
}

function named(items: Item[], patch: AnyObject): Item {
  const [group] = groupVersion(patch);
  const { name, namespace } = patch.metadata ?? {};
  const found = items.find(
    ({ object, names }) =>
      groupVersion(object)[0] === group &&
      object.kind === patch.kind &&
      (names.includes(name!) || object.metadata.name === name) &&
      (!namespace || !object.metadata.namespace || namespace === object.metadata.namespace),
  );
  if (!found)
    throw new KubectlError(
      `no resource matches strategic merge patch "${patch.kind}.${groupVersion(patch).reverse().filter(Boolean).join('.')}/${name}.${namespace ?? '[noNs]'}": no matches for Id`,
    );
  return found;
}

/** Fields of a target are patterns of the whole value. */
function chosen(items: Item[], target: PatchTarget): Item[] {
  const fits = (pattern: string | undefined, ...values: (string | undefined)[]) =>
    !pattern || values.some((value) => new RegExp(`^(?:${pattern})$`).test(value ?? ''));
  const annotated = (object: AnyObject): AnyObject => ({
    metadata: { labels: object.metadata.annotations ?? {} },
  });
  return items.filter(({ object, names }) => {
    const [group, version] = groupVersion(object);
    return (
      fits(target.group, group) &&
      fits(target.version, version) &&
      fits(target.kind, object.kind) &&
      fits(target.name, object.metadata.name, ...names) &&
      fits(target.namespace, object.metadata.namespace) &&
      matchesSelector(target.labelSelector ?? '', object) &&
      matchesSelector(target.annotationSelector ?? '', annotated(object))
    );
  });
}

async function merged(
  object: AnyObject,
  patch: AnyObject,
  { target, options }: PatchEntry,
): Promise<AnyObject> {
  const change = clone(patch);
  // The name says what is meant; it is changed only where that is allowed.
  if (change.metadata && !options?.allowNameChange) {
    delete change.metadata.name;
    if (!target) delete change.metadata.namespace;
  }
  if (!options?.allowKindChange) {
    delete change.kind;
    delete change.apiVersion;
  }
  const [group, version] = groupVersion(object);
  const type = await builtInType({ group, version, kind: object.kind! });
  if (!type) return mergePatch(object, change);
  const { strategicMergePatch } = await import('../../machinery/patch/strategic.ts');
  return strategicMergePatch(object, change, type.id, type.schemas);
}
