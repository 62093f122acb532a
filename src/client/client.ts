import type { Kind } from '../machinery/kind.ts';
import type { AnyObject, KubeObject, List, WatchEvent } from '../machinery/meta.ts';

/** Options that a read or a write may carry; each is the query parameter of the same name. */
export interface Options {
  labelSelector?: string;
  fieldSelector?: string;
  resourceVersion?: string;
  resourceVersionMatch?: 'Exact' | 'NotOlderThan';
  limit?: number;
  continue?: string;
  timeoutSeconds?: number;
  allowWatchBookmarks?: boolean;
  sendInitialEvents?: boolean;
  dryRun?: 'All';
  fieldManager?: string;
  fieldValidation?: 'Ignore' | 'Warn' | 'Strict';
  force?: boolean;
  gracePeriodSeconds?: number;
  propagationPolicy?: 'Orphan' | 'Background' | 'Foreground';
  preconditions?: { uid?: string; resourceVersion?: string };
  /** What the rows of a Table carry. */
  includeObject?: 'None' | 'Metadata' | 'Object';
  /** Objects are read for their metadata: the rest of them may be left out (PartialObjectMetadata), and is where that saves anything. */
  metadataOnly?: boolean;
  signal?: AbortSignal;
}

export type PatchType = 'json' | 'merge' | 'strategic' | 'apply';

/** One request, as every transport takes it. `verb` is the API's (not HTTP's). */
export interface ApiRequest {
  verb: 'create' | 'get' | 'list' | 'watch' | 'update' | 'patch' | 'delete' | 'deletecollection';
  group: string;
  version: string;
  plural: string;
  namespaced: boolean;
  namespace?: string;
  name?: string;
  subresource?: string;
  options: Options;
  body?: unknown;
  patchType?: PatchType;
}

/**
 * The way to an API server: in process (objects are shared and frozen: never change one, `clone` it first), or HTTPS.
 * Failures are StatusErrors (machinery/status.ts).
 */
export interface Transport {
  request(request: ApiRequest): Promise<any>;
  /**
   * Events in order from `options.resourceVersion` on (or with the initial state, as the API says), until the signal
   * aborts (the loop then ends quietly), the server ends the watch (it ends quietly too), or it fails (a StatusError; 410
   * means list again).
   */
  watch(request: ApiRequest): AsyncIterable<WatchEvent[]>;
}

/** Typed access to one kind. `namespace` is left out for cluster-scoped kinds, and to list or watch all namespaces. */
export interface ResourceClient<T extends KubeObject = AnyObject> {
  get(name: string, options?: Options & { namespace?: string; subresource?: string }): Promise<T>;
  list(options?: Options & { namespace?: string }): Promise<List<T>>;
  /** Batches of events. */
  watch(options?: Options & { namespace?: string }): AsyncIterable<WatchEvent<T>[]>;
  /** Namespace and name are read from the object. A subresource (`binding`, `eviction`, `token`) has a body of its own kind. */
  create(object: T, options?: Options): Promise<T>;
  createSubresource<R = AnyObject>(
    name: string,
    subresource: string,
    body: unknown,
    options?: Options & { namespace?: string },
  ): Promise<R>;
  update(object: T, options?: Options & { subresource?: string }): Promise<T>;
  updateStatus(object: T, options?: Options): Promise<T>;
  patch(
    name: string,
    patch: unknown,
    options?: Options & { namespace?: string; type?: PatchType; subresource?: string },
  ): Promise<T>;
  delete(name: string, options?: Options & { namespace?: string }): Promise<T | AnyObject>;
  deleteCollection(options?: Options & { namespace?: string }): Promise<AnyObject>;
}

/** A client for all kinds. `client(pods).list(...)`. Create one with `createClient(transport)` in client/typed.ts. */
export type Client = <T extends KubeObject>(kind: Kind<T>) => ResourceClient<T>;

/** A read-only cache of one kind, kept by list and watch. Objects are frozen and shared. */
export interface Lister<T extends KubeObject = AnyObject> {
  get(name: string, namespace?: string): T | undefined;
  getByKey(key: string): T | undefined;
  list(namespace?: string): T[];
  /** Objects for which the index function gave this value (see `Informer.index`). */
  byIndex(index: string, value: string): T[];
}

export interface Handler<T extends KubeObject = AnyObject> {
  add?(object: T): void;
  update?(object: T, old: T): void;
  delete?(object: T): void;
}

/**
 * A shared informer. Handlers run synchronously, in the order of events; one added late gets an `add` for all that is there.
 * `start` is called by whoever owns the factory.
 */
export interface Informer<T extends KubeObject = AnyObject> extends Lister<T> {
  /** Adds an index; idempotent for the same name. */
  index(name: string, values: (object: T) => string[]): void;
  on(handler: Handler<T>): () => void;
  /** True once the first list is in and handlers have seen it. */
  readonly synced: boolean;
  whenSynced(signal?: AbortSignal): Promise<void>;
  /** The newest resourceVersion that the cache has seen, '' before the first list. */
  readonly resourceVersion: string;
}

/** One informer per kind (and selector), shared by all who ask. Create with `createInformers(client, {clock, log})` in client/informer.ts. */
export interface Informers {
  <T extends KubeObject>(
    kind: Kind<T>,
    filter?: { namespace?: string; labelSelector?: string; fieldSelector?: string; metadataOnly?: boolean },
  ): Informer<T>;
  /** Starts all that have been asked for, and any asked for later; ends when the signal aborts. */
  start(signal: AbortSignal): void;
  /** Waits until all that were asked for have synced. */
  whenSynced(signal?: AbortSignal): Promise<void>;
}
