import type { Kind } from '../../machinery/kind.ts';
import {
  CompactedError,
  prefixEnd,
  type Store,
  StoreClosedError,
  type StoreEvent,
  StoreUnavailableError,
} from '../../machinery/store.ts';
import { storePrefix } from '../scheme.ts';
import { storeProblem } from '../store-problem.ts';
import { ResourceCache } from './resource-cache.ts';

/** All caches, fed by one watch of the store. */
export class Caches {
  readonly #byPrefix = new Map<string, ResourceCache>();
  readonly #store: Store;
  #stop: () => void = () => {};
  readonly #onAdvance = new Set<(revision: number) => void>();
  /** Other servers write to the store, too: what they write is here a moment later. */
  readonly shared: boolean;
  /** While caches do not have what their revision says: nothing may be read from them. */
  reloading: Promise<void> | undefined;

  constructor(store: Store) {
    this.#store = store;
    this.shared = store.catchUp !== undefined;
  }

  /** Begins the watch. Caches that are added later load what is there. */
  start(): void {
    this.#stop = this.#store.watch({
      key: '/registry/',
      end: prefixEnd('/registry/'),
      startRevision: this.#store.revision + 1,
      onEvents: (events, revision) => this.#deliver(events, revision),
      onEnd: (error) => {
        if (error instanceof CompactedError) this.#recover();
      },
    });
  }

  get revision(): number {
    return this.#store.revision;
  }

  /**
   * Resolves when caches have all that was acknowledged to anybody before the call: at once, where nobody else writes to the
   * store. Throws 503.
   */
  async catchUp(): Promise<void> {
    try {
      await this.#store.catchUp?.();
    } catch (error) {
      throw storeProblem(error);
    }
    if (this.reloading) await this.reloading;
  }

  /** The store was away for so long that what happened meanwhile is forgotten. */
  #recover(): void {
    this.start();
    for (const cache of this.#byPrefix.values()) cache.lose();
    const reload = async (cache: ResourceCache): Promise<void> => {
      try {
        await cache.reload();
      } catch (error) {
        // It has waited for the store for long, and waits again.
        if (error instanceof StoreUnavailableError) return reload(cache);
        if (!(error instanceof StoreClosedError)) throw error;
      }
    };
    const all = Promise.all([...this.#byPrefix.values()].map(reload)).then(() => {
      if (this.reloading === all) this.reloading = undefined;
    });
    all.catch(() => {}); // it is told to whoever reads
    this.reloading = all;
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
