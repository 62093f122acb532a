import type { Options, PatchType } from '../client/client.ts';
import { type ApiResource, type Discovery, discover, qualifiedName } from '../client/discovery.ts';
import type { Access } from '../client/kubeconfig.ts';
import type { Rest } from '../client/rest.ts';
import type { AnyObject, List, WatchEvent } from '../machinery/meta.ts';
import { KubectlError } from './errors.ts';

/** Where an object is: the resource that it belongs to, its namespace and name. */
export interface Place {
  resource: ApiResource;
  namespace?: string;
  name: string;
}

export type More = Options & { accept?: string; subresource?: string };

/** No resource of that name or kind. */
export class NoMatchError extends KubectlError {}

/** What was read from a server and is made again has another version then. */
function withoutVersion(object: unknown): unknown {
  const { metadata } = object as AnyObject;
  if (!metadata?.resourceVersion) return object;
  const { resourceVersion: _, ...rest } = metadata;
  return { ...(object as AnyObject), metadata: rest };
}

/** One cluster, as a command sees it. */
export class Kube {
  readonly rest: Rest;
  readonly access: Access | undefined;
  readonly namespace: string;
  /** `--namespace` was given: objects of other namespaces are refused. */
  readonly explicitNamespace: boolean;
  readonly #signal: AbortSignal;
  readonly #warn: (text: string) => void;
  #discovery: Promise<Discovery> | undefined;
  constructor(options: {
    rest: Rest;
    access: Access | undefined;
    namespace: string;
    explicitNamespace: boolean;
    signal: AbortSignal;
    warn?: (text: string) => void;
  }) {
    this.rest = options.rest;
    this.access = options.access;
    this.namespace = options.namespace;
    this.explicitNamespace = options.explicitNamespace;
    this.#signal = options.signal;
    this.#warn = options.warn ?? (() => {});
  }

  discovery(): Promise<Discovery> {
    this.#discovery ??= discover(this.rest, { signal: this.#signal });
    return this.#discovery;
  }

  /** Forgets what the server serves: a definition was just created. */
  rediscover(): void {
    this.#discovery = undefined;
  }

  /** What a word of the command line means. Throws a NoMatchError. */
  async resource(word: string): Promise<ApiResource> {
    const discovery = await this.discovery();
    const found = discovery.find(word);
    if (!found) throw new NoMatchError(`the server doesn't have a resource type ${JSON.stringify(word)}`);
    for (const other of discovery.lower(word))
      this.#warn(
        `short name ${JSON.stringify(word)} could also match lower priority resource ${qualifiedName(other)}`,
      );
    return found;
  }

  /** The resource of a kind. Throws a NoMatchError. */
  async kind(apiVersion: string, kind: string): Promise<ApiResource> {
    const [version, group] = apiVersion.split('/').reverse() as [string, string?];
    const found = (await this.discovery()).byKind(group ?? '', kind, version);
    if (!found)
      throw new NoMatchError(
        `no matches for kind ${JSON.stringify(kind)} in version ${JSON.stringify(apiVersion)}`,
      );
    return found;
  }

  #request(
    verb: 'create' | 'get' | 'list' | 'watch' | 'update' | 'patch' | 'delete' | 'deletecollection',
    resource: ApiResource,
    place: { namespace?: string; name?: string },
    { accept: _, subresource, ...options }: More = {},
    body?: unknown,
    patchType?: PatchType,
  ) {
    return {
      verb,
      group: resource.group,
      version: resource.version,
      plural: resource.plural,
      namespaced: resource.namespaced,
      namespace: resource.namespaced ? place.namespace : undefined,
      name: place.name,
      subresource,
      options: { signal: this.#signal, ...options },
      body,
      patchType,
    };
  }

  get(place: Place, options: More = {}): Promise<AnyObject> {
    return this.rest.request(this.#request('get', place.resource, place, options), options.accept);
  }

  /** One page, or all of the list where no limit is given. */
  list(resource: ApiResource, namespace: string | undefined, options: More = {}): Promise<List> {
    return this.rest.request(this.#request('list', resource, { namespace }, options), options.accept);
  }

  /** The whole list as one, asked for in pages. */
  async listAll(resource: ApiResource, namespace: string | undefined, options: More = {}): Promise<List> {
    let all: List | undefined;
    let more: string | undefined;
    do {
      const page: List = await this.list(resource, namespace, { ...options, continue: more });
      if (all) all.items.push(...(page.items ?? []));
      else all = { ...page, items: page.items ?? [] };
      more = page.metadata?.continue || undefined;
    } while (more);
    const { continue: _, remainingItemCount: __, ...metadata } = all.metadata;
    return { ...all, metadata };
  }

  watch(
    resource: ApiResource,
    place: { namespace?: string; name?: string },
    options: More = {},
  ): AsyncIterable<WatchEvent[]> {
    const { name, namespace } = place;
    const fieldSelector = [options.fieldSelector, name && `metadata.name=${name}`].filter(Boolean).join(',');
    return this.rest.watch(
      this.#request(
        'watch',
        resource,
        { namespace },
        { ...options, fieldSelector: fieldSelector || undefined },
      ),
      options.accept,
    );
  }

  create(
    resource: ApiResource,
    place: { namespace?: string; name?: string },
    object: unknown,
    options?: More,
  ): Promise<AnyObject> {
    // A name is part of the path only where something is created below an object.
    const where = options?.subresource ? place : { namespace: place.namespace };
    const body = options?.subresource ? object : withoutVersion(object);
    return this.rest.request(this.#request('create', resource, where, options, body));
  }

  update(place: Place, object: unknown, options?: More): Promise<AnyObject> {
    return this.rest.request(this.#request('update', place.resource, place, options, object));
  }

  patch(place: Place, type: PatchType, patch: unknown, options?: More): Promise<AnyObject> {
    return this.rest.request(this.#request('patch', place.resource, place, options, patch, type));
  }

  delete(place: Place, options?: More): Promise<AnyObject> {
    return this.rest.request(this.#request('delete', place.resource, place, options));
  }

  deleteCollection(resource: ApiResource, namespace: string | undefined, options?: More): Promise<AnyObject> {
    return this.rest.request(this.#request('deletecollection', resource, { namespace }, options));
  }

  /** A text outside of objects: logs, raw paths. */
  text(path: string, accept = 'application/json'): Promise<string> {
    return this.rest.text(path, { accept, signal: this.#signal });
  }
}
