import type { Kind } from '../../machinery/kind.ts';
import { prefixEnd, type Store, type StoreEvent } from '../../machinery/store.ts';
import { storePrefix } from '../scheme.ts';
import { ResourceCache } from './resource-cache.ts';

/** All caches, fed by one watch of the store. */
export class Caches {
  readonly #byPrefix = new Map<string, ResourceCache>();
  readonly #store: Store;
  #stop: () => void = () => {};
  readonly #onAdvance = new Set<(revision: number) => void>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** Begins the watch. Caches that are added later load what is there. */
  start(): void {
    this.#stop = this.#store.watch({
      key: '/registry/',
      end: prefixEnd('/registry/'),
      startRevision: this.#store.revision + 1,
      onEvents: (events, revision) => this.#deliver(events, revision),
    });
  }

  #deliver(events: StoreEvent[], revision: number): void {
    for (const event of events) this.#find(event.kv.key)?.apply(event);
    for (const advanced of this.#onAdvance) advanced(revision);
  }

  /** `/registry/services/specs/ns/name`: the resource is one or two parts after `/registry/`. */
  #find(key: string): ResourceCache | undefined {
    const first = key.indexOf('/', 10);
    const found = this.#byPrefix.get(key.slice(0, first + 1));
    if (found) return found;
    const second = key.indexOf('/', first + 1);
    return second < 0 ? undefined : this.#byPrefix.get(key.slice(0, second + 1));
  }

  /** Adds a resource; resolves when what the store has of it is in. */
  async add(kind: Kind<any>, custom = false): Promise<ResourceCache> {
    const prefix = storePrefix(kind, custom);
    const known = this.#byPrefix.get(prefix);
    if (known) {
      known.kind = kind;
      return known;
    }
    const cache = new ResourceCache(kind, prefix, this.#store);
    this.#byPrefix.set(prefix, cache);
    await cache.load();
    return cache;
  }

  of(kind: Kind<any>, custom = false): ResourceCache | undefined {
    return this.#byPrefix.get(storePrefix(kind, custom));
  }
  remove(kind: Kind<any>): void {
    this.#byPrefix.delete(storePrefix(kind, true));
  }
  onAdvance(advanced: (revision: number) => void): () => void {
    this.#onAdvance.add(advanced);
    return () => void this.#onAdvance.delete(advanced);
  }
  stop(): void {
    this.#stop();
  }
}
