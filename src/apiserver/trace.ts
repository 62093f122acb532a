import { resourceName } from '../machinery/kind.ts';
import type { Context } from './context.ts';
import type { Result } from './perform.ts';
import type { Registry } from './registry/registry.ts';

/** What begins a pod's life: its own creation, or that of what makes pods. */
const traced = new Set([
  'pods',
  'deployments',
  'replicasets',
  'statefulsets',
  'daemonsets',
  'jobs',
  'cronjobs',
  'replicationcontrollers',
]);

/** Steps 1 and 2 of a pod's life: somebody asked, and it is in the store. */
export function recordWrite(registry: Registry, context: Context, result: Result): void {
  if (context.subresource || result.type !== 'entry' || !traced.has(context.plural)) return;
  const created = context.code === 201;
  if (!created && (context.plural === 'pods' || !['update', 'patch'].includes(context.verb))) return;
  const { metadata } = result.entry.object;
  const object = {
    resource: resourceName(context.served.kind),
    namespace: metadata.namespace,
    name: metadata.name!,
    uid: metadata.uid,
  };
  registry.trace.record({
    at: context.nowMs,
    step: 1,
    component: 'apiserver',
    event: created ? 'creation requested' : 'change requested',
    ...object,
    detail: { user: context.user.name, client: context.userAgent, verb: context.verb },
  });
  registry.trace.record({
    at: registry.clock.now(),
    step: 2,
    component: 'etcd',
    event: 'stored',
    ...object,
    detail: { revision: result.entry.revision, generation: metadata.generation },
  });
}
