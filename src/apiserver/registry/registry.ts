import type { Clock, Random } from '../../machinery/clock.ts';
import type { SchemaTable } from '../../machinery/schema.ts';
import { notFound } from '../../machinery/status.ts';
import type { Store } from '../../machinery/store.ts';
import type { Tracer } from '../../machinery/trace.ts';
import type { Authorizer } from '../authz/authorizer.ts';
import type { Caches } from '../cache/caches.ts';
import type { ResourceCache } from '../cache/resource-cache.ts';
import type { Admission, Alongside, Context } from '../context.ts';
import type { WriteMetrics } from '../metrics/write-metrics.ts';
import type { Outbound } from '../outbound/outbound.ts';
import type { Scheme } from '../scheme.ts';
import type { EventLeases } from './event-leases.ts';
import type { Turns } from './turns.ts';

/** A step that may change or refuse a write. `on` says which writes it wants to see. */
export interface AdmissionPlugin {
  name: string;
  on(admission: Admission): boolean;
  /** Changes `admission.object` in place, or throws a StatusError. */
  mutate?(admission: Admission): void | Promise<void>;
  /** Throws a StatusError. Sees what will be stored. */
  validate?(admission: Admission): void | Promise<void>;
}

/** Chooses what creation allocates (cluster IPs, node ports); it becomes the object's in the transaction that writes it. */
export interface Allocator {
  /** Called before a write is validated; changes the object. */
  allocate(context: Context, object: any, old: any): Allocation | undefined;
  /** What goes with the object when it goes. */
  removed(context: Context, object: any): (() => Alongside[]) | undefined;
}

export interface Allocation {
  /** Holds what was chosen no longer: the write is done. */
  release(): void;
  /** The write failed: takes what was chosen out of the object, too. */
  undo(): void;
  alongside(): Alongside[];
}

/** Somebody else took what an allocator had chosen: it may choose again. */
export class AllocationLost extends Error {}

/** All that the verbs stand on. */
export interface Registry {
  store: Store;
  caches: Caches;
  scheme: Scheme;
  schemas: SchemaTable;
  clock: Clock;
  random: Random;
  uuid: () => string;
  authorizer: Authorizer;
  /** Calls to webhooks and to the servers of aggregated APIs. */
  outbound: Outbound;
  admission: AdmissionPlugin[];
  allocators: Allocator[];
  trace: Tracer;
  turns: Turns;
  /** Where the store has leases: what is stored of events goes with one. */
  eventLeases?: EventLeases | undefined;
  metrics: WriteMetrics;
}

export function cacheOf(registry: Registry, context: Context): ResourceCache {
  const cache = registry.caches.of(context.served.storage, context.served.custom);
  if (!cache) throw notFound(context.served.kind, context.name ?? '');
  return cache;
}

/** Shows a write to the plugins, in their order. Throws what refuses it. */
export async function admit(
  registry: Registry,
  admission: Admission,
  phase: 'mutate' | 'validate',
): Promise<void> {
  const { clock, metrics } = registry;
  const began = clock.now();
  let rejected = true;
  try {
    await allPlugins(registry, admission, phase);
    rejected = false;
  } finally {
    metrics.step(phase, admission.operation, rejected, clock.now() - began);
  }
}

async function allPlugins(
  registry: Registry,
  admission: Admission,
  phase: 'mutate' | 'validate',
): Promise<void> {
  await runPlugins(registry, admission, phase);
  const { reinvocation } = admission;
  if (phase === 'validate' || !reinvocation?.wanted) return;
  reinvocation.again = true;
  await runPlugins(registry, admission, phase);
}

async function runPlugins(
  registry: Registry,
  admission: Admission,
  phase: 'mutate' | 'validate',
): Promise<void> {
  const { clock, metrics } = registry;
  for (const plugin of registry.admission) {
    const step = plugin[phase];
    if (!step || !plugin.on(admission)) continue;
    const began = clock.now();
    let rejected = true;
    try {
      const waiting = step.call(plugin, admission);
      if (waiting) await waiting;
      rejected = false;
    } finally {
      metrics.plugin(plugin.name, phase, admission.operation, rejected, clock.now() - began);
    }
  }
}
