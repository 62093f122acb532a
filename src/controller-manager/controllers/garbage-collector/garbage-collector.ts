import { customResourceDefinitions } from '../../../api/apiextensions/custom-resource-definition.ts';
import { WorkQueue } from '../../../client/workqueue.ts';
import type { Timer } from '../../../machinery/clock.ts';
import { apiVersionOf, type Kind } from '../../../machinery/kind.ts';
import type { Log } from '../../../machinery/log.ts';
import type { OwnerReference } from '../../../machinery/meta.gen.ts';
import { equal, type KubeObject } from '../../../machinery/meta.ts';
import { isConflict, isNotFound } from '../../../machinery/status.ts';
import type { Controller, Environment } from '../../runtime/environment.ts';
import { type Chores, type GraphNode, groupOf, OwnerGraph, refersTo } from './graph.ts';

const workers = 20;
/** Not owned by anything, never owning anything, and many. */
const ignored = new Set(['events', 'events.events.k8s.io']);

/** Removes what nobody owns any more. https://kubernetes.io/docs/concepts/architecture/garbage-collection/ */
export const garbageCollector: Controller = {
  name: 'garbagecollector',
  start: (environment) => new Running(environment),
};

class Running implements AsyncDisposable {
  readonly #env: Environment;
  readonly #log: Log;
  readonly #graph: OwnerGraph;
  readonly #kinds = new Map<string, Kind<any>>();
  readonly #checks: WorkQueue;
  readonly #orphanings: WorkQueue;
  readonly #stops: (() => void)[] = [];
  readonly #stopping = new AbortController();
  readonly #workers: Promise<void>[];
  #refresh: Timer | undefined;

  constructor(environment: Environment) {
    const { clock, log, informers, config } = environment;
    this.#env = environment;
    this.#log = log.child({ controller: 'garbagecollector' });
    this.#graph = new OwnerGraph((apiVersion, kind) => this.#kindOf(apiVersion, kind));
    const limits = { clock, baseDelayMs: 20, maxDelayMs: 60_000 };
    this.#checks = new WorkQueue(limits);
    this.#orphanings = new WorkQueue(limits);
    this.#watchKinds(config.kinds);
    const again = () => this.#refreshSoon(200);
    this.#stops.push(informers(customResourceDefinitions).on({ add: again, update: again, delete: again }));
    this.#refreshSoon(0);
    this.#workers = [
      ...Array.from({ length: workers }, () => this.#work(this.#checks, (node) => this.#check(node))),
      ...Array.from({ length: workers }, () => this.#work(this.#orphanings, (node) => this.#orphan(node))),
    ];
  }

  #kindOf(apiVersion: string, kind: string): Kind<any> | undefined {
    // Any version of a group does: only where the object is found matters.
    return this.#kinds.get(`${groupOf(apiVersion)}/${kind}`);
  }

  #watchKinds(kinds: Kind<any>[]): void {
    for (const kind of kinds) {
      const verbs = ['list', 'watch', 'delete'].every((verb) => kind.verbs.includes(verb));
      const resource = kind.group ? `${kind.plural}.${kind.group}` : kind.plural;
      const known = `${kind.group}/${kind.kind}`;
      if (!verbs || ignored.has(resource) || this.#kinds.has(known)) continue;
      this.#kinds.set(known, kind);
      const seen = (object: KubeObject) => this.#do(this.#graph.set(kind, object));
      const changed = (object: KubeObject, old: KubeObject) => {
        const a = object.metadata;
        const b = old.metadata;
        // Most updates are of the status.
        const same =
          a.deletionTimestamp === b.deletionTimestamp &&
          equal(a.ownerReferences, b.ownerReferences) &&
          equal(a.finalizers, b.finalizers);
        if (!same) seen(object);
      };
      const gone = (object: KubeObject) => this.#do(this.#graph.remove(object.metadata.uid!));
      this.#stops.push(this.#env.informers(kind).on({ add: seen, update: changed, delete: gone }));
    }
  }

  #refreshSoon(delayMs: number): void {
    this.#refresh?.cancel();
    this.#refresh = this.#env.clock.after(delayMs, () => {
      this.#watchKinds(this.#env.config.dynamicKinds?.() ?? []);
      this.#refreshSoon(this.#env.config.resyncPeriodMs ?? 30_000);
    });
  }

  #do({ check, orphan }: Chores): void {
    for (const { uid } of check) this.#checks.add(uid);
    for (const { uid } of orphan) this.#orphanings.add(uid);
  }

  async #work(queue: WorkQueue, run: (node: GraphNode) => Promise<void>): Promise<void> {
    try {
      // Until all kinds that are known at the start have been seen, an owner may be missing only because it comes later.
      const { informers, config } = this.#env;
      const watched = config.kinds.filter((kind) => this.#kinds.get(`${kind.group}/${kind.kind}`) === kind);
      await Promise.all(watched.map((kind) => informers(kind).whenSynced(this.#stopping.signal)));
    } catch (error) {
      if (!this.#stopping.signal.aborted) this.#log.error('caches did not sync', { error });
      return;
    }
    for (;;) {
      const uid = await queue.get();
      if (uid === undefined || this.#stopping.signal.aborted) return;
      const node = this.#graph.get(uid);
      try {
        if (node) await run(node);
        queue.forget(uid);
      } catch (error) {
        this.#log[isConflict(error) ? 'debug' : 'warn']('not collected', {
          kind: node?.kind.kind,
          name: node?.name,
          error,
        });
        queue.addRateLimited(uid);
      }
      queue.done(uid);
    }
  }

  /** The object on the server, if it is still this very one. */
  async #live(node: GraphNode): Promise<KubeObject | undefined> {
    try {
      const object = await this.#env.client(node.kind).get(node.name, { namespace: node.namespace });
      return object.metadata.uid === node.uid ? object : undefined;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  /** Decides whether an object stays, by its owners; or what an owner that waits for its dependents still waits for. */
  async #check(node: GraphNode): Promise<void> {
    if (node.virtual) return;
    if (node.beingDeleted && !node.deletesDependents) return;
    if (node.deletesDependents) return this.#finishForeground(node);
    if (node.owners.length === 0) return;
    const object = await this.#live(node);
    if (!object) return this.#do(this.#graph.remove(node.uid));
    const references = object.metadata.ownerReferences ?? [];
    if (references.length === 0 || object.metadata.deletionTimestamp) return;

    const states = await Promise.all(references.map((reference) => this.#ownerState(reference, node)));
    const some = (state: string) => references.filter((_, i) => states[i] === state);
    if (some('solid').length > 0) {
      const useless = [...some('absent'), ...some('waiting')];
      if (useless.length > 0) await this.#dropReferences(object, node, useless);
      return;
    }
    if (some('waiting').length > 0 && node.dependents.size > 0) {
      // The owner waits for us; we wait for ours in turn. Where that would go in a circle, nobody blocks anybody.
      const circular = [...node.dependents].some((dependent) => dependent.deletesDependents);
      const latest = circular ? await this.#unblock(object, node) : object;
      return latest && this.#delete(latest, node, 'Foreground');
    }
    const finalizers = (object.metadata.finalizers ?? []) as string[];
    const policy = finalizers.includes('orphan')
      ? 'Orphan'
      : finalizers.includes('foregroundDeletion')
        ? 'Foreground'
        : 'Background';
    return this.#delete(object, node, policy);
  }

  /** `solid`: there; `waiting`: there, but it waits for its dependents to go; `absent`. */
  async #ownerState(reference: OwnerReference, node: GraphNode): Promise<'solid' | 'waiting' | 'absent'> {
    const known = this.#graph.get(reference.uid);
    if (known && !known.virtual && refersTo(reference, node, known))
      return known.deletesDependents ? 'waiting' : 'solid';
    const kind = this.#kindOf(reference.apiVersion, reference.kind);
    // Without knowing the kind, nothing can be said of it; a cluster-wide object cannot be owned by one of a namespace.
    if (!kind) throw new Error(`no kind ${reference.kind} in ${reference.apiVersion}`);
    if (kind.namespaced && !node.namespace) return 'solid';
    try {
      const owner = await this.#env
        .client(kind)
        .get(reference.name, { namespace: kind.namespaced ? node.namespace : undefined });
      if (owner.metadata.uid !== reference.uid) return 'absent';
      const waits =
        owner.metadata.deletionTimestamp && owner.metadata.finalizers?.includes('foregroundDeletion');
      return waits ? 'waiting' : 'solid';
    } catch (error) {
      if (isNotFound(error)) return 'absent';
      throw error;
    }
  }

  async #delete(
    object: KubeObject,
    node: GraphNode,
    propagationPolicy: 'Orphan' | 'Foreground' | 'Background',
  ): Promise<void> {
    const { uid, resourceVersion } = object.metadata;
    // The version too: owners may be added meanwhile.
    const preconditions = { uid, resourceVersion };
    try {
      await this.#env
        .client(node.kind)
        .delete(node.name, { namespace: node.namespace, propagationPolicy, preconditions });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    this.#log.debug('collected', {
      kind: apiVersionOf(node.kind) + ' ' + node.kind.kind,
      namespace: node.namespace,
      name: node.name,
    });
  }

  async #patch(object: KubeObject, node: GraphNode, metadata: Record<string, unknown>): Promise<void> {
    const { uid, resourceVersion } = object.metadata;
    try {
      const body = { metadata: { uid, resourceVersion, ...metadata } };
      await this.#env.client(node.kind).patch(node.name, body, { namespace: node.namespace, type: 'merge' });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  #dropReferences(object: KubeObject, node: GraphNode, useless: OwnerReference[]): Promise<void> {
    const gone = new Set(useless.map((r) => r.uid));
    const ownerReferences = object.metadata.ownerReferences!.filter((r) => !gone.has(r.uid));
    return this.#patch(object, node, {
      ownerReferences: ownerReferences.length > 0 ? ownerReferences : null,
    });
  }

  async #unblock(object: KubeObject, node: GraphNode): Promise<KubeObject | undefined> {
    const ownerReferences = object.metadata.ownerReferences!.map((r) => ({
      ...r,
      blockOwnerDeletion: false,
    }));
    await this.#patch(object, node, { ownerReferences });
    return this.#live(node);
  }

  async #dropFinalizer(node: GraphNode, finalizer: string): Promise<void> {
    const object = await this.#live(node);
    if (!object?.metadata.finalizers?.includes(finalizer)) return;
    const finalizers = object.metadata.finalizers.filter((f) => f !== finalizer);
    await this.#patch(object, node, { finalizers: finalizers.length > 0 ? finalizers : null });
  }

  /** Lets an owner go once nothing that blocks it is left; else sees to it that its dependents go. */
  async #finishForeground(node: GraphNode): Promise<void> {
    const blocking = [...node.dependents].filter((dependent) =>
      dependent.owners.some((r) => r.uid === node.uid && r.blockOwnerDeletion),
    );
    if (blocking.length === 0) return this.#dropFinalizer(node, 'foregroundDeletion');
    for (const dependent of node.dependents) if (!dependent.beingDeleted) this.#checks.add(dependent.uid);
  }

  /** Takes the owner out of its dependents' references, then lets it go. */
  async #orphan(node: GraphNode): Promise<void> {
    if (!node.orphansDependents) return;
    await Promise.all(
      [...node.dependents].map(async (dependent) => {
        const object = await this.#live(dependent);
        const mine = object?.metadata.ownerReferences?.filter((r) => r.uid === node.uid) ?? [];
        if (object && mine.length > 0) await this.#dropReferences(object, dependent, mine);
      }),
    );
    await this.#dropFinalizer(node, 'orphan');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort(new Error('stopped'));
    this.#refresh?.cancel();
    for (const stop of this.#stops) stop();
    this.#checks.close();
    this.#orphanings.close();
    await Promise.all(this.#workers);
  }
}
