import { nodes } from '../../api/core/node.ts';
import { pods } from '../../api/core/pod.ts';
import type { Pod } from '../../api/core/v1.gen.ts';
import { time } from '../../machinery/clock.ts';
import { isConflict, isNotFound } from '../../machinery/status.ts';
import type { Environment } from '../runtime/environment.ts';
import { periodic } from '../runtime/periodic.ts';
import { isTerminal } from './pod-state.ts';

const everyMs = 20_000;
/** A node must have been gone for so long before its pods are given up. */
const quarantineMs = 40_000;
const defaultThreshold = 12_500;

const createdMs = (pod: Pod): number => Date.parse(pod.metadata.creationTimestamp ?? '') || 0;

/** Pods that ended, beyond as many as may stay, the oldest first; evicted ones before all. */
export function surplus(all: Pod[], threshold: number): Pod[] {
  const ended = all.filter((pod) => isTerminal(pod) && !pod.metadata.deletionTimestamp);
  if (threshold <= 0 || ended.length <= threshold) return [];
  const evicted = (pod: Pod) => (pod.status?.reason === 'Evicted' ? 0 : 1);
  return ended
    .sort((a, b) => evicted(a) - evicted(b) || createdMs(a) - createdMs(b))
    .slice(0, ended.length - threshold);
}

/** For each node that vanished, since when. One for each running controller. */
const absences = new WeakMap<Environment['barrier'], Map<string, number>>();

/** Removes pods that nobody else removes: too many that ended, those of nodes that are gone, and unscheduled ones being deleted. */
export const podGarbageCollector = periodic({
  name: 'podgc',
  reads: [pods, nodes],
  everyMs: () => everyMs,
  async run({ client, clock, informers, config, barrier }, log) {
    const now = clock.now();
    const missing = absences.get(barrier) ?? new Map<string, number>();
    absences.set(barrier, missing);
    const all = informers(pods).list();

    const remove = async (pod: Pod, why: string, condition?: { reason: string; message: string }) => {
      const { name, namespace, uid } = pod.metadata;
      try {
        if (condition || !isTerminal(pod)) {
          const marks = condition
            ? [
                {
                  type: 'DisruptionTarget',
                  status: 'True',
                  lastTransitionTime: time(clock.now()),
                  ...condition,
                },
              ]
            : [];
          // Whoever counts it must see how it ended.
          const phase = isTerminal(pod) ? {} : { phase: 'Failed' };
          const body = { metadata: { uid }, status: { ...phase, conditions: marks } };
          await client(pods).patch(name!, body, { namespace, type: 'strategic', subresource: 'status' });
        }
        await client(pods).delete(name!, { namespace, gracePeriodSeconds: 0, preconditions: { uid } });
        log.debug('pod removed', { namespace, name, why });
      } catch (error) {
        if (!isNotFound(error) && !isConflict(error)) throw error;
      }
    };

    for (const pod of surplus(all, config.terminatedPodThreshold ?? defaultThreshold))
      await remove(pod, 'too many ended');

    const nodeNames = new Set(all.flatMap((pod) => pod.spec.nodeName ?? []));
    const vanished = [...nodeNames].filter((name) => !informers(nodes).get(name));
    for (const name of missing.keys()) if (!vanished.includes(name)) missing.delete(name);
    for (const name of vanished) {
      const since = missing.get(name);
      if (since === undefined) missing.set(name, now);
      if (since === undefined || now - since < quarantineMs || (await exists(client, name))) continue;
      const condition = { reason: 'DeletionByPodGC', message: 'PodGC: node no longer exists' };
      for (const pod of all) if (pod.spec.nodeName === name) await remove(pod, 'node is gone', condition);
    }

    for (const pod of all)
      if (pod.metadata.deletionTimestamp && !pod.spec.nodeName)
        await remove(pod, 'deleted before it was scheduled');

    for (const pod of all) {
      const node =
        pod.metadata.deletionTimestamp && pod.spec.nodeName
          ? informers(nodes).get(pod.spec.nodeName)
          : undefined;
      const ready = node?.status?.conditions?.find((c) => c.type === 'Ready')?.status === 'True';
      const outOfService = node?.spec.taints?.some((t) => t.key === 'node.kubernetes.io/out-of-service');
      if (!node || ready || !outOfService) continue;
      const condition = { reason: 'DeletionByPodGC', message: 'PodGC: node is out of service' };
      await remove(pod, 'node is out of service', condition);
    }
  },
});

async function exists(client: Environment['client'], node: string): Promise<boolean> {
  try {
    await client(nodes).get(node);
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}
