// `-k`: the objects that a kustomization describes. Source: the kustomization file of the kustomize documentation.
import { type AnyObject, clone } from '../../machinery/meta.ts';
import type { Environment } from '../environment.ts';
import { KubectlError } from '../errors.ts';
import { parseDocuments } from '../manifests.ts';
import { join, resolve } from '../paths.ts';
import { flatten } from '../targets.ts';
import { generate } from './generators.ts';
import { hashed, inOrder, renameReferences } from './names.ts';
import { applyPatch, type PatchEntry } from './patches.ts';
import { type Fields, transform } from './transform.ts';

/** An object on its way through the layers. */
export interface Item {
  object: AnyObject;
  /** Names that it had before, the first one first: by these other objects and patches know it. */
  names: string[];
  /** Its name gets a hash of what is in it. */
  hash?: boolean;
}

const fileNames = ['kustomization.yaml', 'kustomization.yml', 'Kustomization'];
const known = [
  'apiVersion kind metadata resources bases components namespace namePrefix nameSuffix commonLabels labels',
  'commonAnnotations images replicas configMapGenerator secretGenerator generatorOptions patches',
  'patchesStrategicMerge patchesJson6902 sortOptions buildMetadata',
].flatMap((line) => line.split(' '));

/** The objects of the kustomization in a directory, in the order in which they are applied. Throws a KubectlError. */
export async function buildKustomization(environment: Environment, directory: string): Promise<AnyObject[]> {
  const path = resolve(environment.workingDirectory, directory);
  const { items, fields } = await build(environment, path, []);
  for (const item of items) if (item.hash) await hashed(item);
  renameReferences(items);
  return inOrder(
    items.map(({ object }) => object),
    fields.sortOptions?.order === 'fifo',
  );
}

/** Finds the file; names of its fields may be written in any case. */
async function read({ files }: Environment, directory: string): Promise<Fields> {
  for (const name of fileNames) {
    const path = join(directory, name);
    if ((await files.stat(path))?.type !== 'file') continue;
    const [found] = await parseDocuments(new TextDecoder().decode(await files.read(path)));
    const fields: Record<string, unknown> = {};
    for (const [key, value] of Object.entries(found ?? {})) {
      const field = known.find((one) => one.toLowerCase() === key.toLowerCase());
      if (!field)
        throw new KubectlError(
          `invalid Kustomization: ${path}: the field ${JSON.stringify(key)} is not supported`,
        );
      fields[field] = value;
    }
    return fields as Fields;
  }
  throw new KubectlError(
    `unable to find one of '${fileNames.slice(0, 2).join("', '")}' or '${fileNames[2]}' in directory '${directory}'`,
  );
}

async function build(
  environment: Environment,
  directory: string,
  within: string[],
  below: Item[] = [],
): Promise<{ items: Item[]; fields: Fields }> {
  if (within.includes(directory))
    throw new KubectlError(`cycle detected: ${[...within, directory].join(' -> ')}`);
  const fields = await read(environment, directory);
  const path = [...within, directory];
  const items: Item[] = [...below];
  for (const name of [...(fields.resources ?? []), ...(fields.bases ?? [])])
    items.push(...(await resource(environment, directory, name, path)));
  for (const name of fields.components ?? []) {
    const made = await build(environment, resolve(directory, name), path, items.splice(0));
    items.push(...made.items);
  }
  await generate(environment, directory, fields, items);
  demandUnique(items);
  for (const patch of patchesOf(fields)) await applyPatch(environment, directory, patch, items);
  transform(fields, items);
  return { items, fields };
}

async function resource(
  environment: Environment,
  directory: string,
  name: string,
  path: string[],
): Promise<Item[]> {
  const fail = (why: string) =>
    new KubectlError(
      `accumulating resources: accumulation err='accumulating resources from '${name}': ${why}'`,
    );
  let text: string;
  if (/^https?:\/\//.test(name)) {
    const answer = await environment.fetch(name);
    if (answer.status !== 200) throw fail(`the server answered ${answer.status} ${answer.statusText}`);
    text = answer.text;
  } else {
    const where = resolve(directory, name);
    const info = await environment.files.stat(where);
    if (!info) throw fail(`evalsymlink failure on '${where}' : lstat ${where}: no such file or directory`);
    if (info.type === 'directory') return (await build(environment, where, path)).items;
    text = new TextDecoder().decode(await environment.files.read(where));
  }
  const objects = (await parseDocuments(text)).filter(Boolean).flatMap(flatten);
  return objects.map((object) => {
    if (!object.kind) throw fail(`missing Kind in object`);
    if (!object.metadata?.name && !object.metadata?.generateName)
      throw fail('missing metadata.name in object');
    return { object: clone(object), names: [object.metadata.name ?? ''] };
  });
}

const patchesOf = (fields: Fields): PatchEntry[] => [
  ...(fields.patchesStrategicMerge ?? []).map((one) => (one.includes('\n') ? { patch: one } : { path: one })),
  ...(fields.patches ?? []),
  ...(fields.patchesJson6902 ?? []),
];

function demandUnique(items: Item[]): void {
  const seen = new Set<string>();
  for (const { object } of items) {
    const { name, namespace = '', generateName } = object.metadata;
    const id = `${object.apiVersion?.split('/').slice(0, -1)} ${object.kind} ${namespace}/${name}`;
    if (seen.has(id) && !generateName)
      throw new KubectlError(
        `may not add resource with an already registered id: ${object.kind}.${object.apiVersion}/${name}.${namespace || '[noNs]'}`,
      );
    seen.add(id);
  }
}
