// Objects of a small API server, in memory, with list and watch: for tests.
import { uuid } from '../cluster/node/platform.ts';

interface Watcher {
  namespace: string | undefined;
  send(event: object): void;
}

type Item = any;

/** Objects of one namespaced resource. Versions count from 1; nothing of the past is kept. */
export class ExtensionObjects {
  readonly #items = new Map<string, Item>();
  readonly #watchers = new Set<Watcher>();
  #version = 0;

  get version(): string {
    return String(this.#version);
  }

  list(namespace?: string): Item[] {
    return [...this.#items.values()].filter(({ metadata }) => !namespace || metadata.namespace === namespace);
  }
  get(namespace: string, name: string): Item | undefined {
    return this.#items.get(`${namespace}/${name}`);
  }

  create(namespace: string, given: Item): Item {
    const metadata = { uid: uuid(), ...given.metadata, namespace, resourceVersion: String(++this.#version) };
    const item = { ...given, metadata };
    this.#items.set(`${namespace}/${metadata.name}`, item);
    this.#tell('ADDED', item);
    return item;
  }

  delete(namespace: string, name: string): Item | undefined {
    const item = this.get(namespace, name);
    if (!item) return undefined;
    this.#items.delete(`${namespace}/${name}`);
    const last = { ...item, metadata: { ...item.metadata, resourceVersion: String(++this.#version) } };
    this.#tell('DELETED', last);
    return last;
  }

  /** From now on; without a version, what is there comes first. Returns what ends it; undefined for a version that is gone. */
  watch(namespace: string | undefined, from: string | null, send: Watcher['send']): (() => void) | undefined {
    if (from && from !== '0' && from !== this.version) return undefined;
    if (!from || from === '0') for (const item of this.list(namespace)) send({ type: 'ADDED', object: item });
    const watcher = { namespace, send };
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }

  #tell(type: string, item: Item): void {
    for (const { namespace, send } of this.#watchers)
      if (!namespace || namespace === item.metadata.namespace) send({ type, object: item });
  }
}
