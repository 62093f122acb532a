import { queueMetrics } from '../../client/queue-metrics.ts';
import { WorkQueue } from '../../client/workqueue.ts';
import { type Kind, resourceName } from '../../machinery/kind.ts';
import type { Log } from '../../machinery/log.ts';
import { controllerOf, type KubeObject, keyOf, splitKey } from '../../machinery/meta.ts';
import type { MetricRegistry } from '../../machinery/metrics.ts';
import { isConflict, TerminalError } from '../../machinery/status.ts';
import type { Action } from './actions.ts';
import { apply } from './apply.ts';
import { type Cache, type Controller, cacheOf, type Environment, indexOwned } from './environment.ts';

/** What became of a watched object; `old` is what it was before an update. */
export interface Change<W> {
  type: 'add' | 'update' | 'delete';
  old?: W;
}

export interface Watch<W extends KubeObject = any> {
  kind: Kind<W>;
  /** Keys to look at when this object came, changed or went. */
  keys: (object: W, cache: Cache, change: Change<W>) => string[];
}

export const watch = <W extends KubeObject>(kind: Kind<W>, keys: Watch<W>['keys']): Watch<W> => ({
  kind,
  keys,
});

/** An object was looked at, and this was done, or failed. */
export type CountSync<T> = (object: T, actions: readonly Action[], tookMs: number, failed: boolean) => void;

export interface ControllerRules<T extends KubeObject, O> {
  name: string;
  /** Who events come from; `<name>-controller` unless told. */
  component?: string;
  for: Kind<T>;
  /** Kinds whose objects have one of ours as controller: their changes are looked at under the owner's key. */
  owns?: Kind<any>[];
  /** Whether this object wants that orphan. Asked when an orphan of an owned kind comes or changes. */
  adopts?: (object: T, orphan: any) => boolean;
  watches?: Watch[];
  /** Kinds that `observe` reads without being told of their changes. */
  reads?: Kind<any>[];
  /** More indexes: informers are shared, so names must be unique to the controller. */
  indexes?: (environment: Environment) => void;
  workers?: number;
  /** What else is counted of each look at an object, where anything is. */
  counts?: (metrics: MetricRegistry) => CountSync<T>;
  /** Records `<kind> seen` once for each generation of the object. */
  traced?: boolean;
  /** Reads caches. */
  observe: (object: T, cache: Cache, environment: Environment) => O;
  /** The object is gone: what is left to clear up. */
  gone?: (key: string, cache: Cache, environment: Environment) => Action[];
  /** Pure: same arguments, same actions. `nowMs` is the clock's time. */
  reconcile: (object: T, observed: O, nowMs: number, environment: Environment) => Action[];
}

/** A controller from a pure reconciler. */
export function controller<T extends KubeObject, O>(rules: ControllerRules<T, O>): Controller {
  return { name: rules.name, start: (environment) => new Running(rules, environment) };
}

class Running<T extends KubeObject, O> implements AsyncDisposable {
  readonly #rules: ControllerRules<T, O>;
  readonly #env: Environment;
  readonly #log: Log;
  readonly #queue: WorkQueue;
  readonly #cache: Cache;
  readonly #stops: (() => void)[] = [];
  readonly #stopping = new AbortController();
  readonly #workers: Promise<void>[];
  readonly #held = new Set<Promise<void>>();
  readonly #events;
  readonly #count: CountSync<T> | undefined;

  constructor(rules: ControllerRules<T, O>, environment: Environment) {
    this.#rules = rules;
    this.#env = environment;
    this.#log = environment.log.child({ controller: rules.name });
    this.#cache = cacheOf(environment.informers);
    this.#events = environment.recorder(rules.component ?? `${rules.name}-controller`);
    const { clock, metrics } = environment;
    this.#queue = new WorkQueue({
      clock,
      onRoom: () => this.#all(),
      ...(metrics ? { metrics: queueMetrics(metrics, rules.name) } : {}),
    });
    this.#count = metrics && rules.counts?.(metrics);
    this.#wire();
    this.#workers = Array.from({ length: rules.workers ?? 8 }, () => this.#work());
  }

  #all(): void {
    for (const object of this.#env.informers(this.#rules.for).list()) this.#queue.add(keyOf(object));
  }

  #wire(): void {
    const { informers, barrier } = this.#env;
    const { for: main, owns = [], watches = [], reads = [] } = this.#rules;
    for (const kind of owns) indexOwned(informers, kind);
    for (const kind of [main, ...owns, ...watches.map((w) => w.kind)]) barrier.watch(kind);
    for (const kind of reads) informers(kind);
    this.#rules.indexes?.(this.#env);

    const add = (key: string) => this.#queue.add(key);
    const look = (object: KubeObject) => this.#queue.add(keyOf(object));
    this.#stops.push(informers(main).on({ add: look, update: look, delete: look }));
    for (const kind of owns) {
      const child = (object: KubeObject) => this.#ownersOf(object).forEach(add);
      const moved = (object: KubeObject, old: KubeObject) => {
        if (controllerOf(old)?.uid !== controllerOf(object)?.uid) child(old);
        child(object);
      };
      this.#stops.push(informers(kind).on({ add: child, update: moved, delete: child }));
    }
    for (const { kind, keys } of watches) {
      const wake = (object: KubeObject, change: Change<any>) =>
        keys(object, this.#cache, change).forEach(add);
      this.#stops.push(
        informers(kind).on({
          add: (object) => wake(object, { type: 'add' }),
          update: (object, old) => wake(object, { type: 'update', old }),
          delete: (object) => wake(object, { type: 'delete' }),
        }),
      );
    }
  }

  #ownersOf(child: KubeObject): string[] {
    const { for: main, adopts } = this.#rules;
    const { namespace } = child.metadata;
    const owner = controllerOf(child);
    if (owner) {
      const ours =
        owner.kind === main.kind && owner.apiVersion.split('/').at(-2) === (main.group || undefined);
      return ours ? [namespace ? `${namespace}/${owner.name}` : owner.name] : [];
    }
    if (!adopts || child.metadata.deletionTimestamp) return [];
    return this.#env
      .informers(main)
      .list(namespace)
      .filter((object) => adopts(object, child))
      .map(keyOf);
  }

  async #synced(): Promise<void> {
    const { for: main, owns = [], watches = [], reads = [] } = this.#rules;
    const kinds = [main, ...owns, ...watches.map((w) => w.kind), ...reads];
    await Promise.all(kinds.map((kind) => this.#env.informers(kind).whenSynced(this.#stopping.signal)));
  }

  async #work(): Promise<void> {
    try {
      await this.#synced();
    } catch (error) {
      if (this.#stopping.signal.aborted) return;
      this.#log.error('caches did not sync', { error });
      return;
    }
    for (;;) {
      const key = await this.#queue.get();
      if (key === undefined || this.#stopping.signal.aborted) return;
      const holds = await this.#process(key);
      if (holds.length === 0) {
        this.#queue.done(key);
        continue;
      }
      // The worker goes on with other keys; this one is held until the caches have seen what was written.
      const held = Promise.all(holds).then(() => {
        this.#held.delete(held);
        this.#queue.done(key);
      });
      this.#held.add(held);
    }
  }

  async #process(key: string): Promise<Promise<void>[]> {
    const { client, clock, trace, barrier, informers } = this.#env;
    const { for: kind, observe, reconcile, gone } = this.#rules;
    const known = informers(kind).getByKey(key);
    if (!known && !gone) {
      this.#queue.forget(key);
      return [];
    }
    const object: KubeObject = known ?? { metadata: splitKey(key) };
    let holds: Promise<void>[] = [];
    const began = clock.now();
    let actions: Action[] = [];
    let failed = true;
    try {
      if (known) this.#traceSeen(known);
      actions = known
        ? reconcile(known, observe(known, this.#cache, this.#env), clock.now(), this.#env)
        : gone!(key, this.#cache, this.#env);
      const applied = await apply(actions, {
        client,
        clock,
        trace,
        barrier,
        events: this.#events,
        kind,
        object,
      });
      holds = applied.holds;
      if (applied.requeueAfterMs !== undefined)
        this.#queue.addAfter(key, Math.max(1, applied.requeueAfterMs));
      if (applied.errors[0]) throw applied.errors[0];
      this.#queue.forget(key);
      failed = false;
    } catch (error) {
      this.#failed(key, error);
    }
    if (known) this.#count?.(known, actions, clock.now() - began, failed);
    return holds;
  }

  #failed(key: string, error: unknown): void {
    if (this.#stopping.signal.aborted) return;
    if (error instanceof TerminalError) {
      this.#log.error('reconcile failed for good', { key, error });
      this.#queue.forget(key);
      return;
    }
    this.#log[isConflict(error) ? 'debug' : 'warn']('reconcile failed', { key, error });
    this.#queue.addRateLimited(key);
  }

  #traceSeen(object: KubeObject & { status?: { observedGeneration?: number } }): void {
    if (!this.#rules.traced || object.status?.observedGeneration === object.metadata.generation) return;
    const { kind } = this.#rules.for;
    const { namespace, name, uid, generation } = object.metadata;
    this.#env.trace.record({
      at: this.#env.clock.now(),
      step: 3,
      component: 'controller-manager',
      event: `${kind.replace(/([a-z])([A-Z])/g, '$1 $2').toLowerCase()} seen`,
      resource: resourceName(this.#rules.for),
      namespace,
      name: name!,
      uid,
      detail: { generation },
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort(new Error('stopped'));
    for (const stop of this.#stops) stop();
    this.#queue.close();
    await Promise.all(this.#workers);
    await Promise.all(this.#held);
    await this.#events.flush();
  }
}
