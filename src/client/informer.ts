import { type Clock, sleep } from '../machinery/clock.ts';
import type { Kind } from '../machinery/kind.ts';
import type { Log } from '../machinery/log.ts';
import { type AnyObject, type KubeObject, keyOf, type WatchEvent } from '../machinery/meta.ts';
import { isGone } from '../machinery/status.ts';
import type { Client, Handler, Informer, Informers } from './client.ts';

interface Filter {
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
  metadataOnly?: boolean;
}

interface Index<T extends KubeObject> {
  values: (object: T) => string[];
  found: Map<string, Map<string, T>>;
}

/** One kind, one filter: list, then watch from there; list again when the server has forgotten where we were. */
class Reflector<T extends KubeObject> implements Informer<T> {
  readonly #objects = new Map<string, T>();
  readonly #byNamespace = new Map<string, Map<string, T>>();
  readonly #indexes = new Map<string, Index<T>>();
  readonly #handlers = new Set<Handler<T>>();
  #synced = false;
  #resourceVersion = '';
  #onSynced: (() => void)[] = [];
  started = false;

  readonly kind: Kind<T>;
  readonly filter: Filter;
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Log;

  constructor(kind: Kind<T>, filter: Filter, client: Client, clock: Clock, log: Log) {
    this.kind = kind;
    this.filter = filter;
    this.client = client;
    this.clock = clock;
    this.log = log;
  }

  get synced(): boolean {
    return this.#synced;
  }
  get resourceVersion(): string {
    return this.#resourceVersion;
  }
  get(name: string, namespace?: string): T | undefined {
    return this.#objects.get(namespace ? `${namespace}/${name}` : name);
  }
  getByKey(key: string): T | undefined {
    return this.#objects.get(key);
  }
  list(namespace?: string): T[] {
    if (!namespace) return [...this.#objects.values()];
    return [...(this.#byNamespace.get(namespace)?.values() ?? [])];
  }
  byIndex(index: string, value: string): T[] {
    return [...(this.#indexes.get(index)?.found.get(value)?.values() ?? [])];
  }
  index(name: string, values: (object: T) => string[]): void {
    if (this.#indexes.has(name)) return;
    const index: Index<T> = { values, found: new Map() };
    this.#indexes.set(name, index);
    for (const [key, object] of this.#objects)
      for (const value of values(object)) put(index.found, value, key, object);
  }
  on(handler: Handler<T>): () => void {
    this.#handlers.add(handler);
    for (const object of [...this.#objects.values()]) handler.add?.(object);
    return () => void this.#handlers.delete(handler);
  }
  async whenSynced(signal?: AbortSignal): Promise<void> {
    if (this.#synced) return;
    await new Promise<void>((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const abort = () => reject(signal!.reason);
      signal?.addEventListener('abort', abort, { once: true });
      this.#onSynced.push(() => {
        signal?.removeEventListener('abort', abort);
        resolve();
      });
    });
  }

  #apply(type: WatchEvent['type'], object: T): void {
    const key = keyOf(object);
    const old = this.#objects.get(key);
    if (type === 'DELETED' ? !old : old?.metadata.resourceVersion === object.metadata.resourceVersion && old)
      return;
    const namespace = object.metadata.namespace;
    for (const { values, found } of this.#indexes.values()) {
      if (old) for (const value of values(old)) drop(found, value, key);
      if (type !== 'DELETED') for (const value of values(object)) put(found, value, key, object);
    }
    if (type === 'DELETED') {
      this.#objects.delete(key);
      if (namespace) drop(this.#byNamespace, namespace, key);
      for (const handler of this.#handlers) this.#call(() => handler.delete?.(object));
    } else {
      this.#objects.set(key, object);
      if (namespace) put(this.#byNamespace, namespace, key, object);
      for (const handler of this.#handlers)
        this.#call(() => (old ? handler.update?.(object, old) : handler.add?.(object)));
    }
  }

  /** A handler that throws must not stop the others, nor the watch. */
  #call(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.log.error('handler failed', { resource: this.kind.plural, error });
    }
  }

  async #list(signal: AbortSignal): Promise<void> {
    const { items, metadata } = await this.client(this.kind).list({
      ...this.filter,
      resourceVersion: '0',
      signal,
    });
    const there = new Set(items.map((object) => keyOf(object)));
    for (const [key, object] of [...this.#objects]) if (!there.has(key)) this.#apply('DELETED', object);
    for (const object of items) this.#apply('ADDED', object);
    this.#resourceVersion = metadata.resourceVersion ?? '';
    if (!this.#synced) {
      this.#synced = true;
      for (const done of this.#onSynced.splice(0)) done();
    }
  }

  async run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    let listed = false;
    while (!signal.aborted) {
      try {
        if (!listed) await this.#list(signal);
        listed = true;
        const watch = this.client(this.kind).watch({
          ...this.filter,
          resourceVersion: this.#resourceVersion,
          allowWatchBookmarks: true,
          signal,
        });
        const began = this.clock.now();
        let heard = false;
        for await (const batch of watch) {
          failures = 0;
          heard = true;
          for (const { type, object } of batch) {
            if (type !== 'BOOKMARK') this.#apply(type, object as T);
            this.#resourceVersion = (object as AnyObject).metadata.resourceVersion ?? this.#resourceVersion;
          }
        }
        // A server that ends each watch at once must not be asked again at once.
        if (!heard && this.clock.now() - began < 1000) failures++;
      } catch (error) {
        if (signal.aborted) return;
        if (isGone(error)) listed = false;
        else {
          this.log.debug('watch failed', { resource: this.kind.plural, error: String(error) });
          failures++;
        }
      }
      if (failures && !signal.aborted) {
        await sleep(this.clock, Math.min(30_000, 100 * 2 ** Math.min(failures, 10)), signal).catch(() => {});
      }
    }
  }
}

function put<T>(map: Map<string, Map<string, T>>, value: string, key: string, object: T): void {
  let inner = map.get(value);
  if (!inner) map.set(value, (inner = new Map()));
  inner.set(key, object);
}
function drop<T>(map: Map<string, Map<string, T>>, value: string, key: string): void {
  const inner = map.get(value);
  inner?.delete(key);
  if (inner?.size === 0) map.delete(value);
}

/** Shared informers over a client. */
export function createInformers(client: Client, { clock, log }: { clock: Clock; log: Log }): Informers {
  const all = new Map<string, Reflector<any>>();
  let running: AbortSignal | undefined;
  const begin = (informer: Reflector<any>) => {
    if (!running || informer.started) return;
    informer.started = true;
    void informer.run(running);
  };
  const informers = (kind: Kind<any>, filter = {}) => {
    const key = JSON.stringify([kind.group, kind.version, kind.plural, filter]);
    let informer = all.get(key);
    if (!informer) {
      all.set(key, (informer = new Reflector(kind, filter, client, clock, log)));
      begin(informer);
    }
    return informer;
  };
  return Object.assign(informers, {
    start(signal: AbortSignal) {
      running = signal;
      for (const informer of all.values()) begin(informer);
    },
    async whenSynced(signal?: AbortSignal) {
      await Promise.all([...all.values()].map((informer) => informer.whenSynced(signal)));
    },
  }) as Informers;
}
