import { replicaSets } from '../api/apps/replica-set.ts';
import { statefulSets } from '../api/apps/stateful-set.ts';
import { replicationControllers } from '../api/core/replication-controller.ts';
import { services } from '../api/core/service.ts';
import type { Pod } from '../api/core/v1.gen.ts';
import type { Informers } from '../client/client.ts';
import type { LabelSelector } from '../machinery/meta.gen.ts';
import { controllerOf } from '../machinery/meta.ts';
import { mapSelectorMatches } from '../machinery/selectors.ts';

/**
 * Which pods belong together with a pod: what its Services select, and what its controller selects, both at once. Pods
 * with the same labels and owner have the same answer, which is kept until a Service comes, goes or changes.
 */
export function siblingsFrom(informers: Informers): (pod: Pod) => LabelSelector | undefined {
  const byOwner = new Map<string, LabelSelector | undefined>();
  const forget = () => byOwner.clear();
  informers(services).on({
    add: forget,
    update: (a, b) => a.spec.selector !== b.spec.selector && forget(),
    delete: forget,
  });
  const sets = informers(replicaSets);
  const statefuls = informers(statefulSets);
  const controllers = informers(replicationControllers);

  const ownSelector = (pod: Pod): LabelSelector | undefined => {
    const owner = controllerOf(pod);
    const { namespace } = pod.metadata;
    if (owner?.kind === 'ReplicaSet') return sets.get(owner.name, namespace)?.spec.selector;
    if (owner?.kind === 'StatefulSet') return statefuls.get(owner.name, namespace)?.spec.selector;
    if (owner?.kind !== 'ReplicationController') return undefined;
    const matchLabels = controllers.get(owner.name, namespace)?.spec.selector;
    return matchLabels && { matchLabels };
  };

  const find = (pod: Pod): LabelSelector | undefined => {
    const own = ownSelector(pod);
    const matchLabels = { ...own?.matchLabels };
    for (const { spec } of informers(services).list(pod.metadata.namespace))
      if (mapSelectorMatches(spec.selector, pod.metadata.labels)) Object.assign(matchLabels, spec.selector);
    const matchExpressions = own?.matchExpressions ?? [];
    if (Object.keys(matchLabels).length === 0 && matchExpressions.length === 0) return undefined;
    return { matchLabels, matchExpressions };
  };

  return (pod) => {
    // Without an owner, pods with equal labels may still differ: nothing is remembered.
    const owner = controllerOf(pod);
    if (!owner) return find(pod);
    const key = `${owner.uid}|${Object.entries(pod.metadata.labels ?? {})
      .flat()
      .join('|')}`;
    if (!byOwner.has(key)) {
      const found = find(pod);
      // The controller may not be in the cache yet.
      if (!found) return undefined;
      if (byOwner.size > 10_000) byOwner.clear();
      byOwner.set(key, found);
    }
    return byOwner.get(key);
  };
}
