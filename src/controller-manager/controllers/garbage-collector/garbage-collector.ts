import { WorkQueue } from '../../../client/workqueue.ts';
import { apiVersionOf, resourceName } from '../../../machinery/kind.ts';
import type { Log } from '../../../machinery/log.ts';
import type { OwnerReference } from '../../../machinery/meta.gen.ts';
import type { KubeObject } from '../../../machinery/meta.ts';
import { isConflict, isNotFound, isStatusError } from '../../../machinery/status.ts';
import type { Controller, Environment } from '../../runtime/environment.ts';
import { type Chores, type GraphNode, OwnerGraph, refersTo } from './graph.ts';
import { Resources } from './resources.ts';

const workers = 20;

/** Removes what nobody owns any more. https://kubernetes.io/docs/concepts/architecture/garbage-collection/ */
export const garbageCollector: Controller = {
  name: 'garbagecollector',
  start: (environment) => new Running(environment),
};

/** Nothing can be said of an owner before discovery tells of its kind for certain. */
class UnknownKind extends Error {}

class Running implements AsyncDisposable {
  readonly #env: Environment;
  readonly #log: Log;
  readonly #graph = new OwnerGraph();
  readonly #resources: Resources;
  readonly #checks: WorkQueue;
  readonly #orphanings: WorkQueue;
  /** Objects with owners of unknown kinds, by uid: they are looked at when other kinds are known. */
  readonly #postponed = new Set<string>();
  readonly #stopping = new AbortController();
  readonly #workers: Promise<void>[];

  constructor(environment: Environment) {
    const { clock, log } = environment;
    this.#env = environment;
    this.#log = log.child({ controller: 'garbagecollector' });
    const limits = { clock, baseDelayMs: 20, maxDelayMs: 60_000 };
    this.#checks = new WorkQueue(limits);
    this.#orphanings = new WorkQueue(limits);
    this.#resources = new Resources(environment, this.#log, {
      seen: (kind, object) => this.#do(this.#graph.set(kind, object)),
      gone: (_, object) => this.#do(this.#graph.remove(object.metadata.uid!)),
      ended: (kind) => {
        for (const { uid } of this.#graph.of(kind)) this.#do(this.#graph.remove(uid));
      },
      changed: () => {
        for (const uid of this.#postponed) this.#checks.add(uid);
        this.#postponed.clear();
      },
    });
    this.#workers = [
      ...Array.from({ length: workers }, () => this.#work(this.#checks, (node) => this.#check(node))),
      ...Array.from({ length: workers }, () => this.#work(this.#orphanings, (node) => this.#orphan(node))),
    ];
  }

  #do({ check, orphan }: Chores): void {
    for (const { uid } of check) this.#checks.add(uid);
    for (const { uid } of orphan) this.#orphanings.add(uid);
  }

  async #work(queue: WorkQueue, run: (node: GraphNode) => Promise<void>): Promise<void> {
    try {
      // Until the objects of all built-in kinds have been seen, an owner may be missing only because it comes later.
      await this.#resources.whenSynced(this.#stopping.signal);
    } catch (error) {
      if (!this.#stopping.signal.aborted) this.#log.error('caches did not sync', { error });
      return;
    }
    for (;;) {
      const uid = await queue.get();
      if (uid === undefined || this.#stopping.signal.aborted) return;
      const node = this.#graph.get(uid);
      const { generation } = this.#resources;
      try {
        if (node) await run(node);
        queue.forget(uid);
      } catch (error) {
        const usual = isConflict(error) || error instanceof UnknownKind;
        this.#log[usual ? 'debug' : 'warn']('not collected', {
          kind: node?.kind.kind,
          name: node?.name,
          error,
        });
        if (error instanceof UnknownKind) {
          queue.forget(uid);
          if (generation === this.#resources.generation) this.#postponed.add(uid);
          else queue.add(uid);
        } else queue.addRateLimited(uid);
      }
      queue.done(uid);
    }
  }

  /** The object on the server, if it is still this very one. */
  async #live(node: GraphNode): Promise<KubeObject | undefined> {
    try {
      const { kind, name, namespace } = node;
      const object = await this.#env.client(kind).get(name, { namespace, metadataOnly: true });
      return object.metadata.uid === node.uid ? object : undefined;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  /** Decides whether an object stays, by its owners; or what an owner that waits for its dependents still waits for. */
  async #check(node: GraphNode): Promise<void> {
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
    const dependents = this.#graph.dependentsOf(node.uid);
    if (some('waiting').length > 0 && dependents.size > 0) {
      // The owner waits for us; we wait for ours in turn. Where that would go in a circle, nobody blocks anybody.
      const circular = [...dependents].some((dependent) => dependent.deletesDependents);
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
    if (known && refersTo(reference, node, known)) return known.deletesDependents ? 'waiting' : 'solid';
    const { apiVersion } = reference;
    const kind = this.#resources.kindOf(apiVersion, reference.kind);
    if (!kind) throw new UnknownKind(`nothing certain is known of ${reference.kind} in ${apiVersion}`);
    // A cluster-wide object cannot be owned by one of a namespace.
    if (kind.namespaced && !node.namespace) return 'solid';
    try {
      const namespace = kind.namespaced ? node.namespace : undefined;
      const owner = await this.#env.client(kind).get(reference.name, { namespace, metadataOnly: true });
      if (owner.metadata.uid !== reference.uid) return 'absent';
      const waits =
        owner.metadata.deletionTimestamp && owner.metadata.finalizers?.includes('foregroundDeletion');
      return waits ? 'waiting' : 'solid';
    } catch (error) {
      if (!isNotFound(error)) throw error;
      if (isStatusError(error) && error.status.details?.name === reference.name) return 'absent';
    }
    // That there is no such object was not said: it may be the resource that is not there, or its server.
    await this.#resources.refresh();
    if (this.#resources.kindOf(apiVersion, reference.kind)) return 'absent';
    throw new UnknownKind(`${resourceName(kind)} is not served`);
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
    await this.#resources.whenSettled();
    const dependents = [...this.#graph.dependentsOf(node.uid)];
    const blocking = dependents.filter((dependent) =>
      dependent.owners.some((r) => r.uid === node.uid && r.blockOwnerDeletion),
    );
    if (blocking.length === 0) return this.#dropFinalizer(node, 'foregroundDeletion');
    for (const dependent of dependents) if (!dependent.beingDeleted) this.#checks.add(dependent.uid);
  }

  /** Takes the owner out of its dependents' references, then lets it go. */
  async #orphan(node: GraphNode): Promise<void> {
    if (!node.orphansDependents) return;
    await this.#resources.whenSettled();
    await Promise.all(
      [...this.#graph.dependentsOf(node.uid)].map(async (dependent) => {
        const object = await this.#live(dependent);
        const mine = object?.metadata.ownerReferences?.filter((r) => r.uid === node.uid) ?? [];
        if (object && mine.length > 0) await this.#dropReferences(object, dependent, mine);
      }),
    );
    await this.#dropFinalizer(node, 'orphan');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort(new Error('stopped'));
    this.#resources.stop();
    this.#checks.close();
    this.#orphanings.close();
    await Promise.all(this.#workers);
  }
}
