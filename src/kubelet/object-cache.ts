// Config maps and secrets that pods of this node name: each is watched as long as a pod names it, and no other one is read.
import { configMaps } from '../api/core/config-map.ts';
import { secrets } from '../api/core/secret.ts';
import type { ConfigMap, Pod, Secret } from '../api/core/v1.gen.ts';
import type { Client } from '../client/client.ts';
import type { Clock } from '../machinery/clock.ts';
import { sleep } from '../machinery/clock.ts';
import type { Kind } from '../machinery/kind.ts';
import type { Log } from '../machinery/log.ts';
import type { KubeObject } from '../machinery/meta.ts';
import { isNotFound } from '../machinery/status.ts';
import type { PodObjects } from './environment.ts';
import { referencesOf } from './pod-references.ts';

interface Watched {
  object?: KubeObject;
  /** Resolves when it has been looked for once. */
  known: Promise<void>;
  users: Set<string>;
  stop: AbortController;
}

/**
 * May be shared by the kubelets of one process. `changed` is told the uid of each pod that names a changed object.
 * An object that a pod names is looked for at once and then watched; one that is missing is found when it appears.
 */
export class ObjectCache {
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #watched = new Map<string, Watched>();
  readonly #keys = new Map<string, Set<string>>();
  readonly #listeners = new Map<string, () => void>();

  constructor({ client, clock, log }: { client: Client; clock: Clock; log: Log }) {
    this.#client = client;
    this.#clock = clock;
    this.#log = log;
  }

  /** Watches what the pod names (as its spec is now) and waits until each has been looked for. */
  async hold(pod: Pod, changed: () => void): Promise<void> {
    const uid = pod.metadata.uid!;
    const namespace = pod.metadata.namespace!;
    const references = referencesOf(pod);
    const wanted = new Map<string, Kind<any>>([
      ...references.configMaps.map((name) => [`configmap/${namespace}/${name}`, configMaps] as const),
      ...references.secrets.map((name) => [`secret/${namespace}/${name}`, secrets] as const),
    ]);
    this.#listeners.set(uid, changed);
    const held = this.#keys.get(uid) ?? new Set();
    this.#keys.set(uid, held);
    for (const key of held) if (!wanted.has(key)) this.#drop(uid, key);
    for (const [key, kind] of wanted) {
      held.add(key);
      this.#watch(key, kind, namespace, key.slice(key.lastIndexOf('/') + 1)).users.add(uid);
    }
    await Promise.all([...wanted.keys()].map((key) => this.#watched.get(key)!.known));
  }

  release(podUid: string): void {
    for (const key of this.#keys.get(podUid) ?? []) this.#drop(podUid, key);
    this.#keys.delete(podUid);
    this.#listeners.delete(podUid);
  }

  /** The held objects of a namespace. */
  of(namespace: string): PodObjects {
    return {
      configMap: (name) =>
        this.#watched.get(`configmap/${namespace}/${name}`)?.object as ConfigMap | undefined,
      secret: (name) => this.#watched.get(`secret/${namespace}/${name}`)?.object as Secret | undefined,
    };
  }

  #drop(podUid: string, key: string): void {
    const watched = this.#watched.get(key);
    this.#keys.get(podUid)?.delete(key);
    if (!watched) return;
    watched.users.delete(podUid);
    if (watched.users.size > 0) return;
    watched.stop.abort();
    this.#watched.delete(key);
  }

  #watch(key: string, kind: Kind<any>, namespace: string, name: string): Watched {
    const there = this.#watched.get(key);
    if (there) return there;
    const { promise, resolve } = Promise.withResolvers<void>();
    const watched: Watched = { known: promise, users: new Set(), stop: new AbortController() };
    this.#watched.set(key, watched);
    this.#follow(watched, kind, namespace, name, resolve).catch((error) => {
      if (!watched.stop.signal.aborted) this.#log.error('watch of object ended', { key, error });
      resolve();
    });
    return watched;
  }

  async #follow(watched: Watched, kind: Kind<any>, namespace: string, name: string, known: () => void) {
    const { signal } = watched.stop;
    const api = this.#client(kind);
    const set = (object: KubeObject | undefined): void => {
      if (watched.object?.metadata.resourceVersion === object?.metadata.resourceVersion) return;
      watched.object = object;
      // At first whoever asked is waiting for it.
      if (!looked) return;
      for (const user of watched.users) this.#listeners.get(user)?.();
    };
    let looked = false;
    let delayMs = 500;
    const fieldSelector = `metadata.name=${name}`;
    while (!signal.aborted) {
      try {
        const list = await api.list({ namespace, fieldSelector, signal });
        set(list.items[0]);
        looked = true;
        known();
        delayMs = 500;
        const { resourceVersion } = list.metadata;
        for await (const events of api.watch({ namespace, fieldSelector, resourceVersion, signal })) {
          for (const { type, object } of events)
            if (type !== 'BOOKMARK') set(type === 'DELETED' ? undefined : object);
        }
      } catch (error) {
        if (signal.aborted) return;
        if (!isNotFound(error))
          this.#log.debug('object not read, will retry', { kind: kind.kind, namespace, name, error });
      }
      await sleep(this.#clock, delayMs, signal);
      delayMs = Math.min(delayMs * 2, 30_000);
    }
  }
}
