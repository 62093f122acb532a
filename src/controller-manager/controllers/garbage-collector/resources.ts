import { customResourceDefinitions } from '../../../api/apiextensions/custom-resource-definition.ts';
import { apiServices } from '../../../api/apiregistration/api-service.ts';
import type { Informer } from '../../../client/client.ts';
import { type Discovery, kindFrom } from '../../../client/discovery.ts';
import { createInformers } from '../../../client/informer.ts';
import { sleep, type Timer } from '../../../machinery/clock.ts';
import { apiVersionOf, type Kind, resourceName } from '../../../machinery/kind.ts';
import type { Log } from '../../../machinery/log.ts';
import { equal, type KubeObject } from '../../../machinery/meta.ts';
import type { Environment } from '../../runtime/environment.ts';
import { groupOf } from './graph.ts';

const resyncMs = 30_000;
/** How soon discovery is asked again after something has changed; twice as long each time that it fails for some group. */
const soonMs = 200;
/** How long anybody waits for the first list of a resource: its server may be down. */
const patienceMs = 30_000;
/** Not owned by anything, never owning anything, and many. */
const ignored = new Set(['events', 'events.events.k8s.io']);

export interface Watching {
  /** An object came, or what matters of it changed. */
  seen(kind: Kind<any>, object: KubeObject): void;
  gone(kind: Kind<any>, object: KubeObject): void;
  /** Objects of the kind are not watched any more: it is not served. */
  ended(kind: Kind<any>): void;
  /** Other kinds are known than before, or others are not known for certain. */
  changed(): void;
}

interface Monitor {
  kind: Kind<any>;
  /** Undefined for built-in kinds: their informers are shared, and stay. */
  stop?: () => void;
}

const nameOf = ({ group, kind }: { group: string; kind: string }): string => `${group}/${kind}`;

/** What there is to be collected, and to be an owner: the resources that the API server serves, and those of other servers. */
export class Resources {
  readonly #env: Environment;
  readonly #log: Log;
  readonly #watching: Watching;
  /** By `GROUP/KIND`. */
  readonly #monitors = new Map<string, Monitor>();
  /** By `GROUP/KIND`: all that discovery tells of for certain, in the version that it is asked in. */
  #kinds = new Map<string, Kind<any>>();
  #failed: Discovery['failed'] = new Map();
  #last: Discovery | undefined;
  #generation = 0;
  readonly #builtIn: Informer[] = [];
  /** First lists that are awaited. */
  readonly #settling = new Set<Promise<void>>();
  readonly #stops: (() => void)[] = [];
  readonly #stopping = new AbortController();
  #timer: Timer | undefined;
  #refreshing: Promise<void> = Promise.resolve();

  constructor(environment: Environment, log: Log, watching: Watching) {
    this.#env = environment;
    this.#log = log;
    this.#watching = watching;
    for (const kind of environment.config.kinds) this.#watchBuiltIn(kind);
    const soon = () => this.#refreshAfter(soonMs);
    const tellingOfKinds: Kind<any>[] = [customResourceDefinitions, apiServices];
    for (const kind of tellingOfKinds)
      this.#stops.push(environment.informers(kind).on({ add: soon, update: soon, delete: soon }));
    const first = this.#refreshAndAgain(0).finally(() => this.#settling.delete(first));
    this.#settling.add(first);
  }

  /** The kind that a reference names, in any version of its group: only where the object is found matters. */
  kindOf(apiVersion: string, kind: string): Kind<any> | undefined {
    return this.#kinds.get(`${groupOf(apiVersion)}/${kind}`);
  }

  /** Another number whenever other kinds are known. */
  get generation(): number {
    return this.#generation;
  }

  /** Resolves once the objects of all built-in kinds have been seen. */
  async whenSynced(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#builtIn.map((informer) => informer.whenSynced(signal)));
  }

  /** Resolves once those of all kinds have been, but for servers that do not answer for long. */
  async whenSettled(): Promise<void> {
    while (this.#settling.size > 0) await Promise.all(this.#settling);
  }

  /** Asks discovery; what it answers is known when this resolves. Rejects where it does not answer. */
  refresh(): Promise<void> {
    const mine = this.#refreshing.then(async () => {
      const found = await this.#env.config.discover();
      if (!this.#stopping.signal.aborted && found !== this.#last) this.#take(found);
    });
    this.#refreshing = mine.catch(() => {});
    return mine;
  }

  #refreshAfter(delayMs: number): void {
    this.#timer?.cancel();
    this.#timer = this.#env.clock.after(delayMs, () => void this.#refreshAndAgain(delayMs));
  }

  async #refreshAndAgain(delayMs: number): Promise<void> {
    const timer = this.#timer;
    let complete = false;
    try {
      await this.refresh();
      complete = this.#failed.size === 0;
    } catch (error) {
      if (!this.#stopping.signal.aborted) this.#log.warn('discovery failed', { error });
    }
    // Something may have changed meanwhile: then it is asked soon.
    if (this.#stopping.signal.aborted || this.#timer !== timer) return;
    const period = this.#env.config.resyncPeriodMs ?? resyncMs;
    this.#refreshAfter(complete ? period : Math.min(period, Math.max(soonMs, delayMs * 2)));
  }

  #take(found: Discovery): void {
    this.#last = found;
    this.#failed = found.failed;
    if (found.failed.size > 0)
      this.#log.warn('discovery failed for some groups', { groups: [...found.failed.keys()] });
    const kinds = new Map<string, Kind<any>>();
    for (const resource of found.current()) {
      const name = nameOf(resource);
      const known = this.#monitors.get(name)?.kind;
      const same = known?.version === resource.version && known.plural === resource.plural;
      if (!kinds.has(name)) kinds.set(name, same ? known : kindFrom(resource));
    }
    this.#kinds = kinds;
    this.#generation++;
    for (const [name, { kind, stop }] of this.#monitors) {
      // What cannot be asked may be as it was.
      if (!stop || kinds.get(name) === kind || found.failed.has(apiVersionOf(kind))) continue;
      this.#monitors.delete(name);
      stop();
      this.#watching.ended(kind);
    }
    for (const kind of kinds.values())
      if (isCollectable(kind) && !this.#monitors.has(nameOf(kind))) this.#watch(kind);
    this.#watching.changed();
  }

  #watchBuiltIn(kind: Kind<any>): void {
    if (!isCollectable(kind) || this.#monitors.has(nameOf(kind))) return;
    this.#monitors.set(nameOf(kind), { kind });
    const informer = this.#env.informers(kind);
    this.#builtIn.push(informer);
    this.#stops.push(this.#follow(kind, informer));
  }

  /** Nobody else looks at these objects, and they may go: an informer of our own, that ends with the kind. */
  #watch(kind: Kind<any>): void {
    const { client, clock } = this.#env;
    const ended = new AbortController();
    const informers = createInformers(client, { clock, log: this.#log });
    const informer = informers(kind, { metadataOnly: true });
    this.#monitors.set(nameOf(kind), { kind, stop: () => ended.abort(new Error('not served any more')) });
    this.#follow(kind, informer);
    informers.start(ended.signal);
    const settling = this.#settled(informer, ended.signal).finally(() => this.#settling.delete(settling));
    this.#settling.add(settling);
  }

  async #settled(informer: Informer, signal: AbortSignal): Promise<void> {
    const enough = new AbortController();
    const late = sleep(this.#env.clock, patienceMs, AbortSignal.any([signal, enough.signal]));
    await Promise.race([informer.whenSynced(signal), late]).catch((error) => {
      if (!signal.aborted) throw error;
    });
    enough.abort();
  }

  #follow(kind: Kind<any>, informer: Informer): () => void {
    const seen = (object: KubeObject) => this.#watching.seen(kind, object);
    const gone = (object: KubeObject) => this.#watching.gone(kind, object);
    return informer.on({
      add: seen,
      update(object, old) {
        const [a, b] = [object.metadata, old.metadata];
        // Another one of the same name, where nobody saw the end of the first.
        if (a.uid !== b.uid) gone(old);
        // Most updates are of the status.
        const same =
          a.uid === b.uid &&
          a.deletionTimestamp === b.deletionTimestamp &&
          equal(a.ownerReferences, b.ownerReferences) &&
          equal(a.finalizers, b.finalizers);
        if (!same) seen(object);
      },
      delete: gone,
    });
  }

  stop(): void {
    this.#stopping.abort(new Error('stopped'));
    this.#timer?.cancel();
    for (const stop of this.#stops) stop();
    for (const { stop } of this.#monitors.values()) stop?.();
  }
}

const isCollectable = (kind: Kind<any>): boolean =>
  ['list', 'watch', 'delete'].every((verb) => kind.verbs.includes(verb)) && !ignored.has(resourceName(kind));
