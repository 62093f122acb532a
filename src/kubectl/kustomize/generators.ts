// Config maps and secrets that are made of files, literals and environment files.
import type { AnyObject } from '../../machinery/meta.ts';
import type { Environment } from '../environment.ts';
import { KubectlError } from '../errors.ts';
import { baseName, resolve } from '../paths.ts';
import type { Item } from './build.ts';
import type { Fields } from './transform.ts';

export interface GeneratorOptions {
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  disableNameSuffixHash?: boolean;
  immutable?: boolean;
}

export interface Generator {
  name: string;
  namespace?: string;
  behavior?: 'create' | 'replace' | 'merge';
  files?: string[];
  literals?: string[];
  envs?: string[];
  env?: string;
  type?: string;
  options?: GeneratorOptions;
}

/** Adds what the generators make, or puts it into what bases made under the same name. */
export async function generate(
  environment: Environment,
  directory: string,
  fields: Fields,
  items: Item[],
): Promise<void> {
  const all = [
    ...(fields.configMapGenerator ?? []).map((one) => ['ConfigMap', one] as const),
    ...(fields.secretGenerator ?? []).map((one) => ['Secret', one] as const),
  ];
  for (const [kind, generator] of all) {
    const options = optionsOf(fields.generatorOptions, generator.options);
    const object = await made(environment, directory, kind, generator, options);
    const { behavior = 'create', name } = generator;
    const base = items.find((item) => item.object.kind === kind && item.names.includes(name));
    if (behavior === 'create') items.push({ object, names: [name], hash: !options.disableNameSuffixHash });
    else if (!base)
      throw new KubectlError(
        `id resid.ResId{Kind: ${kind}, Name: ${name}} does not exist; cannot merge or replace`,
      );
    else {
      put(base.object, object, behavior);
      if (options.disableNameSuffixHash) base.hash = false;
    }
  }
}

const optionsOf = (all: GeneratorOptions = {}, own: GeneratorOptions = {}): GeneratorOptions => ({
  ...all,
  ...own,
  labels: { ...all.labels, ...own.labels },
  annotations: { ...all.annotations, ...own.annotations },
});

function put(base: AnyObject, object: AnyObject, behavior: 'replace' | 'merge'): void {
  for (const field of ['data', 'binaryData'])
    base[field] = behavior === 'merge' ? { ...base[field], ...object[field] } : (object[field] ?? {});
  for (const field of ['labels', 'annotations'] as const)
    if (object.metadata[field] || base.metadata[field])
      base.metadata[field] = { ...base.metadata[field], ...object.metadata[field] };
  if (!Object.keys(base.binaryData ?? {}).length) delete base.binaryData;
}

async function made(
  { files }: Environment,
  directory: string,
  kind: string,
  generator: Generator,
  options: GeneratorOptions,
): Promise<AnyObject> {
  const read = async (path: string): Promise<Uint8Array> => {
    try {
      return await files.read(resolve(directory, path));
    } catch (error) {
      throw new KubectlError(`loading KV pairs: file sources: [${path}]: ${(error as Error).message}`);
    }
  };
  const values = new Map<string, Uint8Array>();
  const bytes = (text: string) => new TextEncoder().encode(text);
  const set = (key: string, value: Uint8Array) => {
    if (values.has(key))
      throw new KubectlError(
        `loading KV pairs: cannot add key ${key}, another key by that name already exists`,
      );
    values.set(key, value);
  };
  for (const path of [...(generator.envs ?? []), ...(generator.env ? [generator.env] : [])])
    for (const line of new TextDecoder().decode(await read(path)).split(/\r?\n/)) {
      const text = line.trimStart();
      if (!text || text.startsWith('#')) continue;
      const equals = text.indexOf('=');
      set(equals < 0 ? text : text.slice(0, equals), bytes(equals < 0 ? '' : text.slice(equals + 1)));
    }
  for (const source of generator.files ?? []) {
    const equals = source.indexOf('=');
    const path = source.slice(equals + 1);
    set(equals < 0 ? baseName(path) : source.slice(0, equals), await read(path));
  }
  for (const literal of generator.literals ?? []) {
    const equals = literal.indexOf('=');
    if (equals < 1)
      throw new KubectlError(
        `loading KV pairs: literal sources: invalid literal source ${literal}, expected key=value`,
      );
    set(literal.slice(0, equals), bytes(literal.slice(equals + 1).replace(/^(["'])(.*)\1$/s, '$2')));
  }
  const { labels = {}, annotations = {}, immutable } = options;
  return {
    apiVersion: 'v1',
    ...(kind === 'Secret' ? dataOfSecret(values) : dataOfConfigMap(values)),
    kind,
    metadata: {
      name: generator.name,
      ...(generator.namespace ? { namespace: generator.namespace } : {}),
      ...(Object.keys(labels).length ? { labels } : {}),
      ...(Object.keys(annotations).length ? { annotations } : {}),
    },
    ...(immutable ? { immutable } : {}),
    ...(kind === 'Secret' ? { type: generator.type ?? 'Opaque' } : {}),
  };
}

const base64 = (bytes: Uint8Array): string => {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
};

const dataOfSecret = (values: Map<string, Uint8Array>) => ({
  data: Object.fromEntries([...values].map(([key, value]) => [key, base64(value)])),
});

/** What is no text goes into binaryData. */
function dataOfConfigMap(values: Map<string, Uint8Array>) {
  const data: Record<string, string> = {};
  const binaryData: Record<string, string> = {};
  for (const [key, value] of values) {
    const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(value);
    if (text.includes('\ufffd')) binaryData[key] = base64(value);
    else data[key] = text;
  }
  return {
    ...(Object.keys(data).length ? { data } : {}),
    ...(Object.keys(binaryData).length ? { binaryData } : {}),
  };
}
