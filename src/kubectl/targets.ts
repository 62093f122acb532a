// What a command line names: objects by name, lists by type and selector, objects in files.
import type { ApiResource } from '../client/discovery.ts';
import { qualifiedName } from '../client/discovery.ts';
import type { AnyObject } from '../machinery/meta.ts';
import { isNotFound, isStatusError, notFound } from '../machinery/status.ts';
import type { Context } from './command.ts';
import { KubectlError } from './errors.ts';
import { type Kube, type More, NoMatchError } from './kube.ts';
import { type Manifest, readManifests } from './manifests.ts';
import { isTable, type Table } from './printers/table.ts';

export interface TargetOptions {
  args?: string[];
  filename?: string[];
  /** Objects of files as they are: the server is not asked what it serves. */
  local?: boolean;
  recursive?: boolean;
  kustomize?: string;
  selector?: string;
  fieldSelector?: string;
  /** `--all`: everything of the types. */
  all?: boolean;
  /** A bare type means all of it, as in `get pods`. */
  bareTypes?: boolean;
  allNamespaces?: boolean;
  subresource?: string;
  /** Looks at each object of a file; throws what it dislikes. */
  check?: (object: AnyObject, source: string) => void;
  /** The type of bare names: `logs web` means pod web. */
  defaultType?: string;
}

/** One thing that the command line named. */
export type Target =
  | {
      type: 'list';
      resource: ApiResource;
      namespace?: string;
      labelSelector?: string;
      fieldSelector?: string;
    }
  | { type: 'name'; resource: ApiResource; namespace?: string; name: string; subresource?: string }
  | ({ type: 'object' } & Info);

/** An object and where it belongs. */
export interface Info {
  resource: ApiResource;
  namespace?: string;
  name: string;
  object: AnyObject;
  /** The file that it came from. */
  source?: string;
  manifest?: Manifest;
  subresource?: string;
}

export interface Targets {
  targets: Target[];
  /** Bad documents in files: the rest goes on, and they are told at the end. */
  errors: unknown[];
  /** One object was named, so that it is shown alone. */
  single: boolean;
}

const missing = `You must provide one or more resources by argument or filename.
Example resource specifications include:
   '-f rsrc.yaml'
   '--filename=rsrc.json'
   '<resource> <name>'
   '<resource>'`;

/** Resolves a command line to targets. Throws what is wrong with it. */
export async function resolveTargets(context: Context, options: TargetOptions): Promise<Targets> {
  const { filename = [], kustomize, selector, fieldSelector, all } = options;
  if (filename.length || kustomize) return fromFiles(context, options);
  const kube = await context.kube();
  const words = await parseWords(kube, options);
  const selecting = selector !== undefined && selector !== '';
  const bySelector =
    selecting ||
    Boolean(fieldSelector) ||
    all ||
    (words.types.length > 0 && !words.names.length && options.bareTypes);
  const namespace = options.allNamespaces ? undefined : kube.namespace;
  if (bySelector) {
    if (all && selecting) throw new KubectlError("setting 'all' parameter but found a non empty selector. ");
    if (words.names.length) throw new KubectlError('name cannot be provided when a selector is specified');
    if (words.pairs.length)
      throw new KubectlError(
        'selectors and the all flag cannot be used when passing resource/name arguments',
      );
    if (!words.types.length)
      throw new KubectlError('at least one resource must be specified to use a selector');
    if (options.subresource)
      throw new KubectlError('subresource cannot be used when bulk resources are specified');
    const targets: Target[] = [];
    for (const type of words.types) {
      const resource = await findResource(kube, type);
      targets.push({
        type: 'list',
        resource,
        namespace: resource.namespaced ? namespace : undefined,
        labelSelector: selector || undefined,
        fieldSelector: fieldSelector || undefined,
      });
    }
    return { targets, errors: [], single: false };
  }
  const pairs = words.pairs.length
    ? words.pairs
    : words.names.map((name) => ({ type: words.types[0]!, name }));
  if (!pairs.length) {
    for (const type of words.types) await findResource(kube, type);
    throw new KubectlError(
      words.types.length ? 'resource(s) were provided, but no name was specified' : missing,
    );
  }
  if (words.pairs.length && words.types.length)
    throw new KubectlError('you may not specify individual resources and bulk resources in the same call');
  const targets: Target[] = [];
  const resources = new Map<string, ApiResource>();
  for (const { type } of pairs) if (!resources.has(type)) resources.set(type, await findResource(kube, type));
  for (const { type, name } of pairs) {
    const resource = resources.get(type)!;
    if (resource.namespaced && namespace === undefined)
      throw new KubectlError('a resource cannot be retrieved by name across all namespaces');
    targets.push({
      type: 'name',
      resource,
      namespace: resource.namespaced ? namespace : undefined,
      name,
      subresource: options.subresource || undefined,
    });
  }
  return { targets, errors: [], single: targets.length === 1 };
}

/** A type that the server has, also as a fully written one: `deployments.v1.apps`, `Deployment.apps`. */
async function findResource(kube: Kube, word: string): Promise<ApiResource> {
  return kube.resource(word);
}

interface Words {
  types: string[];
  names: string[];
  pairs: { type: string; name: string }[];
}

/** Takes apart `pods web`, `pods,services`, `pod/web service/web`, `all`. */
async function parseWords(kube: Kube, { args = [], defaultType }: TargetOptions): Promise<Words> {
  if (defaultType) {
    return {
      types: [],
      names: [],
      pairs: args.map((arg) => (arg.includes('/') ? splitPair(arg) : { type: defaultType, name: arg })),
    };
  }
  const types = (args[0] ?? '').split(',').filter(Boolean);
  if (args.length >= 2 && types.length > 1) {
    const pairs = types.flatMap((type) => args.slice(1).map((name) => ({ type, name })));
    return { types: [], names: [], pairs };
  }
  const slashes = args.filter((arg) => arg.includes('/')).length;
  if (slashes && slashes === args.length) return { types: [], names: [], pairs: args.map(splitPair) };
  if (slashes)
    throw new KubectlError(
      "there is no need to specify a resource type as a separate argument when passing arguments in resource/name form (e.g. 'kubectl get resource/<resource_name>' instead of 'kubectl get resource resource/<resource_name>'",
    );
  const expanded: string[] = [];
  for (const type of types) {
    const members = (await kube.discovery()).category(type);
    expanded.push(...(members.length ? members.map(qualifiedName) : [type]));
  }
  return { types: expanded, names: args.slice(1), pairs: [] };
}

function splitPair(text: string): { type: string; name: string } {
  const parts = text.split('/');
  if (parts.length !== 2)
    throw new KubectlError('arguments in resource/name form may not have more than one slash');
  const [type, name] = parts as [string, string];
  if (!type || !name || type.includes(','))
    throw new KubectlError('arguments in resource/name form must have a single resource and name');
  return { type, name };
}

async function fromFiles(context: Context, options: TargetOptions): Promise<Targets> {
  const { args = [], filename = [], recursive, kustomize } = options;
  if (args.length)
    throw new KubectlError(
      args.some((arg) => arg.includes('/'))
        ? 'resource/name arguments cannot be provided when a path is specified'
        : 'when paths, URLs, or stdin is provided as input, you may not specify resource arguments as well',
    );
  const found = await readManifests(context.environment, { filename, recursive, kustomize });
  const targets: Target[] = [];
  const errors: unknown[] = [...found.errors];
  const kube = await context.kube();
  for (const manifest of found.manifests) {
    for (const object of flatten(manifest.object)) {
      try {
        options.check?.(object, manifest.source);
        const one = { ...manifest, object };
        targets.push({ type: 'object', ...(options.local ? localInfo(one) : await infoFor(kube, one)) });
      } catch (error) {
        if (!(error instanceof KubectlError)) throw error;
        errors.push(error);
      }
    }
  }
  return { targets, errors, single: found.single && targets.length === 1 };
}

/** Items of a list, or the object itself. */
export const flatten = (object: AnyObject): AnyObject[] =>
  Array.isArray(object?.items) && /List$/.test(object.kind ?? 'List')
    ? object.items.flatMap((item: AnyObject) =>
        flatten(
          item.kind || !object.kind || object.kind === 'List'
            ? item
            : { apiVersion: object.apiVersion, kind: object.kind.replace(/List$/, ''), ...item },
        ),
      )
    : [object];

function checkKind({ object, source }: Manifest): void {
  if (typeof object !== 'object' || object === null || Array.isArray(object) || !object.kind)
    throw new KubectlError(
      `unable to decode ${JSON.stringify(source)}: Object 'Kind' is missing in '${JSON.stringify(object)}'`,
    );
}

/** An object of a file with a resource made of its kind. */
function localInfo(manifest: Manifest): Info {
  checkKind(manifest);
  const { object, source } = manifest;
  const { apiVersion = '', kind = '', metadata } = object;
  const [version = '', group = ''] = apiVersion.split('/').reverse();
  const singular = kind.toLowerCase();
  const resource: ApiResource = {
    group,
    version,
    kind,
    singular,
    plural: `${singular}s`,
    namespaced: Boolean(metadata?.namespace),
    shortNames: [],
    categories: [],
    verbs: [],
    subresources: {},
  };
  return { resource, namespace: metadata?.namespace, name: metadata?.name ?? '', object, source, manifest };
}

/** An object of a file with its resource, and with the namespace that it gets where it has none. */
export async function infoFor(kube: Kube, manifest: Manifest): Promise<Info> {
  checkKind(manifest);
  const { object, source } = manifest;
  const { name = '', namespace = '' } = object.metadata ?? {};
  let resource: ApiResource;
  try {
    resource = await kube.kind(object.apiVersion ?? '', object.kind!);
  } catch (error) {
    if (!(error instanceof NoMatchError)) throw error;
    throw new KubectlError(
      `resource mapping not found for name: ${JSON.stringify(name)} namespace: ${JSON.stringify(namespace)} from ${JSON.stringify(source)}: ${error.message}\nensure CRDs are installed first`,
    );
  }
  if (!resource.namespaced) {
    const { namespace: _, ...metadata } = object.metadata ?? {};
    return { resource, name, object: { ...object, metadata }, source, manifest };
  }
  if (namespace && kube.explicitNamespace && namespace !== kube.namespace)
    throw new KubectlError(
      `the namespace from the provided object ${JSON.stringify(namespace)} does not match the namespace ${JSON.stringify(kube.namespace)}. You must pass '--namespace=${namespace}' to perform this operation.`,
    );
  const placed = namespace || kube.namespace;
  const metadata = { ...object.metadata, namespace: placed };
  return { resource, namespace: placed, name, object: { ...object, metadata }, source, manifest };
}

export interface FetchOptions {
  accept?: string;
  chunkSize?: number;
  /** Objects of files are asked for again. */
  latest?: boolean;
  ignoreNotFound?: boolean;
  includeObject?: 'Object';
  /** As of this revision, instead of now. */
  at?: string | undefined;
}

/** What one target gave: an object, or a table of them. */
export interface Fetched extends Omit<Info, 'object'> {
  object: AnyObject | Table;
}

/** Gets each target from the server; failures are gathered, and the rest goes on. */
export async function fetchTargets(
  kube: Kube,
  targets: Target[],
  options: FetchOptions = {},
): Promise<{ found: Fetched[]; errors: unknown[] }> {
  const found: Fetched[] = [];
  const errors: unknown[] = [];
  for (const target of targets) {
    try {
      for await (const info of fetchTarget(kube, target, options)) found.push(info);
    } catch (error) {
      if (options.ignoreNotFound && isNotFound(error) && target.type !== 'list') continue;
      errors.push(error);
    }
  }
  return { found, errors };
}

async function* fetchTarget(kube: Kube, target: Target, options: FetchOptions): AsyncGenerator<Fetched> {
  const { resource, namespace } = target;
  const { accept, latest, includeObject, at } = options;
  const exact = at ? { resourceVersion: at, resourceVersionMatch: 'Exact' as const } : {};
  if (target.type !== 'list' && at) {
    yield await pastOf(kube, target, { accept, includeObject, ...exact });
    return;
  }
  if (target.type !== 'list') {
    const object =
      target.type === 'object' && !latest
        ? target.object
        : await kube.get(target, { accept, includeObject, subresource: target.subresource });
    yield { ...target, object };
    return;
  }
  const { labelSelector, fieldSelector } = target;
  let more: string | undefined;
  do {
    const page: AnyObject = await kube
      .list(resource, namespace, {
        accept,
        includeObject,
        labelSelector,
        fieldSelector,
        limit: options.chunkSize || undefined,
        continue: more,
        ...(more ? {} : exact),
      })
      .catch((error) => {
        throw unlisted(error, target);
      });
    if (isTable(page)) yield { resource, namespace, name: '', object: page };
    else
      for (const item of page.items ?? []) {
        const object = { apiVersion: itemVersion(page), kind: itemKind(page), ...item };
        yield { resource, namespace: item.metadata?.namespace, name: item.metadata?.name ?? '', object };
      }
    more = (page.metadata as { continue?: string })?.continue || undefined;
  } while (more);
}

/** One object as it was: only lists can be read as of a revision. Throws NotFound when it was not there. */
async function pastOf(
  kube: Kube,
  target: Exclude<Target, { type: 'list' }>,
  options: More,
): Promise<Fetched> {
  const { resource, namespace, name } = target;
  const page: AnyObject = await kube.list(resource, namespace, {
    ...options,
    fieldSelector: `metadata.name=${name}`,
  });
  if (isTable(page) && page.rows.length) return { ...target, object: page };
  const item = isTable(page) ? undefined : page.items?.[0];
  if (!item) throw notFound(resource, name);
  return { ...target, object: { apiVersion: itemVersion(page), kind: itemKind(page), ...item } };
}

/** What was asked for, before the server's words about it. */
function unlisted(error: unknown, { resource, ...target }: Target & { type: 'list' }): unknown {
  if (!isStatusError(error) || (error.code !== 400 && error.code !== 404)) return error;
  const { labelSelector = '', fieldSelector = '' } = target;
  const type = JSON.stringify(`${resource.group}/${resource.version}, Resource=${resource.plural}`);
  error.message =
    labelSelector || fieldSelector
      ? `Unable to find ${type} that match label selector ${JSON.stringify(labelSelector)}, field selector ${JSON.stringify(fieldSelector)}: ${error.message}`
      : `Unable to list ${type}: ${error.message}`;
  error.status.message = error.message;
  return error;
}

const itemVersion = (list: AnyObject): string | undefined => list.apiVersion;
const itemKind = (list: AnyObject): string | undefined => list.kind?.replace(/List$/, '');

/** Targets as objects, all of them; throws at the first failure unless `errors` takes them. */
export async function objectsOf(
  context: Context,
  options: TargetOptions & FetchOptions,
): Promise<{ infos: Info[]; errors: unknown[]; single: boolean }> {
  const { targets, errors, single } = await resolveTargets(context, options);
  const fetched = await fetchTargets(await context.kube(), targets, { chunkSize: 500, ...options });
  return { infos: fetched.found as Info[], errors: [...errors, ...fetched.errors], single };
}
