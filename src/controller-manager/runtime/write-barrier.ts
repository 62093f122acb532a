import type { Informers } from '../../client/client.ts';
import type { Clock } from '../../machinery/clock.ts';
import { type Kind, resourceName } from '../../machinery/kind.ts';
import { type KubeObject, keyOf } from '../../machinery/meta.ts';

interface Wait {
  seen(): boolean;
  release(): void;
}

/** Whether resource version `a` is `b` or newer. Versions of one server are numbers that grow. */
function reached(a: string | undefined, b: string | undefined): boolean {
  if (!a || !b) return false;
  return a === b || Number(a) >= Number(b);
}

/**
 * Waits until a cache has seen what we wrote. A reconciler that reads a cache from before its own creates would create
 * again; so its key is held until the cache has caught up. This takes the place of upstream's expectations.
 *
 *   create pod p at version 7   ->  waits for p in the cache with version >= 7, or for the cache as a whole to be at 7
 *   remove pod p (uid u)        ->  waits for p with uid u to be gone or to have a deletionTimestamp
 */
export class WriteBarrier {
  readonly #informers: Informers;
  readonly #clock: Clock;
  readonly #limitMs: number;
  /** resource -> key -> who waits. Only kinds that were `watch`ed are here. */
  readonly #waits = new Map<string, Map<string, Set<Wait>>>();
  readonly #stops: (() => void)[] = [];
  #closed = false;

  constructor(informers: Informers, clock: Clock, limitMs = 5_000) {
    this.#informers = informers;
    this.#clock = clock;
    this.#limitMs = limitMs;
  }

  /** Makes writes of this kind awaitable. */
  watch(kind: Kind<any>): void {
    const resource = resourceName(kind);
    if (this.#waits.has(resource)) return;
    const waits = new Map<string, Set<Wait>>();
    this.#waits.set(resource, waits);
    const check = (object: KubeObject) => {
      const key = keyOf(object);
      const some = waits.get(key);
      if (!some) return;
      for (const wait of some) if (wait.seen()) wait.release();
    };
    this.#stops.push(this.#informers(kind).on({ add: check, update: check, delete: check }));
  }

  /** Undefined when there is nothing to wait for. The promise never rejects; it also resolves after the time limit. */
  written(kind: Kind<any>, object: KubeObject): Promise<void> | undefined {
    if (!object.metadata?.resourceVersion) return undefined;
    const informer = this.#informer(kind);
    const { uid, resourceVersion } = object.metadata;
    return this.#wait(kind, keyOf(object), () => {
      const cached = informer!.getByKey(keyOf(object));
      if (cached && cached.metadata.uid === uid && reached(cached.metadata.resourceVersion, resourceVersion))
        return true;
      return reached(informer!.resourceVersion, resourceVersion);
    });
  }

  removed(kind: Kind<any>, object: KubeObject): Promise<void> | undefined {
    const informer = this.#informer(kind);
    return this.#wait(kind, keyOf(object), () => {
      const cached = informer!.getByKey(keyOf(object));
      return !cached || cached.metadata.uid !== object.metadata.uid || !!cached.metadata.deletionTimestamp;
    });
  }

  close(): void {
    this.#closed = true;
    for (const stop of this.#stops) stop();
    for (const waits of this.#waits.values())
      for (const some of waits.values()) for (const wait of some) wait.release();
  }

  #informer(kind: Kind<any>) {
    return this.#waits.has(resourceName(kind)) ? this.#informers(kind) : undefined;
  }

  #wait(kind: Kind<any>, key: string, seen: () => boolean): Promise<void> | undefined {
    const waits = this.#waits.get(resourceName(kind));
    if (this.#closed || !waits || seen()) return undefined;
    return new Promise((resolve) => {
      const some = waits.get(key) ?? new Set();
      waits.set(key, some);
      const wait: Wait = {
        seen,
        release() {
          timer.cancel();
          some.delete(wait);
          if (some.size === 0 && waits.get(key) === some) waits.delete(key);
          resolve();
        },
      };
      const timer = this.#clock.after(this.#limitMs, wait.release);
      some.add(wait);
    });
  }
}
