import type { Client, Informers, Lister } from '../../client/client.ts';
import type { EventRecorder } from '../../client/events.ts';
import type { Clock, Random } from '../../machinery/clock.ts';
import type { Kind } from '../../machinery/kind.ts';
import type { Log } from '../../machinery/log.ts';
import { controllerOf, type KubeObject } from '../../machinery/meta.ts';
import type { MetricRegistry } from '../../machinery/metrics.ts';
import type { Tracer } from '../../machinery/trace.ts';
import type { Config } from '../config.ts';
import type { WriteBarrier } from './write-barrier.ts';

/** What every controller is started with. */
export interface Environment {
  client: Client;
  informers: Informers;
  clock: Clock;
  random: Random;
  log: Log;
  trace: Tracer;
  config: Config;
  barrier: WriteBarrier;
  recorder: (component: string) => EventRecorder;
  /** Where queues are counted, if anywhere. */
  metrics?: MetricRegistry;
}

/** A part of the controller manager that can be started. The promise resolves before its caches have synced. */
export interface Controller {
  name: string;
  start(environment: Environment): Promise<AsyncDisposable> | AsyncDisposable;
}

/** What `observe` reads: the informers, and the ways from an owner to what it owns. */
export interface Cache {
  of<T extends KubeObject>(kind: Kind<T>): Lister<T>;
  /** Objects whose controller is this very owner (by uid). */
  ownedBy<T extends KubeObject>(owner: KubeObject, kind: Kind<T>): T[];
  /** Objects of the namespace that no controller owns. */
  orphans<T extends KubeObject>(kind: Kind<T>, namespace: string): T[];
}

const byController = 'controllerUid';
const byOrphanage = 'orphansOfNamespace';

/** Adds the indexes that `ownedBy` and `orphans` need; must be called before the informer is read through them. */
export function indexOwned(informers: Informers, kind: Kind<any>): void {
  informers(kind).index(byController, (object) => {
    const uid = controllerOf(object)?.uid;
    return uid ? [uid] : [];
  });
  informers(kind).index(byOrphanage, (object) =>
    controllerOf(object) ? [] : [object.metadata.namespace ?? ''],
  );
}

export const cacheOf = (informers: Informers): Cache => ({
  of: (kind) => informers(kind),
  ownedBy: (owner, kind) => informers(kind).byIndex(byController, owner.metadata.uid!),
  orphans: (kind, namespace) => informers(kind).byIndex(byOrphanage, namespace),
});
