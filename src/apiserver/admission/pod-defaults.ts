import type { Pod, Toleration } from '../../api/core/v1.gen.ts';
import { priorityClasses } from '../../api/scheduling/priority-class.ts';
import type { AnyObject } from '../../machinery/meta.ts';
import { forbidden } from '../../machinery/status.ts';
import type { Caches } from '../cache/caches.ts';
import type { Admission } from '../context.ts';
import type { AdmissionPlugin } from '../registry/registry.ts';

const writtenPod = ({ context, operation, subresource }: Admission): boolean =>
  (operation === 'CREATE' || operation === 'UPDATE') &&
  context.plural === 'pods' &&
  context.served.kind.group === '' &&
  !subresource;

/** A pod stays on a node that is lost for five minutes, unless it says otherwise. */
export const defaultTolerationSeconds: AdmissionPlugin = {
  name: 'DefaultTolerationSeconds',
  on: writtenPod,
  mutate({ object }) {
    const { spec } = object as Pod;
    for (const key of ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable']) {
      const told = (spec.tolerations ?? []).some(
        (t: Toleration) => (!t.key || t.key === key) && (!t.effect || t.effect === 'NoExecute'),
      );
      if (!told)
        (spec.tolerations ??= []).push({
          key,
          operator: 'Exists',
          effect: 'NoExecute',
          tolerationSeconds: 300,
        });
    }
  },
};

/** A pod's priority is that of its class; the class named global default serves those that name none. */
export const priority = (caches: Caches): AdmissionPlugin => ({
  name: 'Priority',
  on: writtenPod,
  mutate({ object, old, operation, context }) {
    const { spec, metadata } = object as Pod;
    if (operation === 'UPDATE') {
      // Who replaces a pod by its file does not know what was filled in at its creation.
      const before = (old as Pod).spec;
      if (before.priority !== undefined) spec.priority ??= before.priority;
      if (before.preemptionPolicy !== undefined) spec.preemptionPolicy ??= before.preemptionPolicy;
      return;
    }
    const cache = caches.of(priorityClasses);
    let found: AnyObject | undefined;
    if (spec.priorityClassName) {
      found = cache?.get(`/registry/priorityclasses/${spec.priorityClassName}`)?.object;
      if (!found) {
        throw forbidden(
          context.served.kind,
          metadata.name ?? '',
          `no PriorityClass with name ${spec.priorityClassName} was found`,
        );
      }
    } else {
      for (const { object: candidate } of cache?.entries.values() ?? []) {
        if (candidate.globalDefault && (!found || candidate.value < found.value)) found = candidate;
      }
      if (found) spec.priorityClassName = found.metadata.name;
    }
    const value = found?.value ?? 0;
    if (spec.priority !== undefined && spec.priority !== value) {
      throw forbidden(
        context.served.kind,
        metadata.name ?? '',
        `the integer value of priority (${spec.priority}) must not be provided in pod spec; priority admission controller computed ${value} from the given PriorityClass name`,
      );
    }
    spec.priority = value;
    spec.preemptionPolicy ??= (found?.preemptionPolicy as string) ?? 'PreemptLowerPriority';
  },
});

/** A node begins not ready: pods wait until it says that it is. */
export const taintNodesByCondition: AdmissionPlugin = {
  name: 'TaintNodesByCondition',
  on: ({ context, operation, subresource }) =>
    operation === 'CREATE' && context.plural === 'nodes' && context.served.kind.group === '' && !subresource,
  mutate({ object }) {
    const spec = (object!.spec ??= {});
    const key = 'node.kubernetes.io/not-ready';
    if (
      !spec.taints?.some((t: { key: string; effect: string }) => t.key === key && t.effect === 'NoSchedule')
    ) {
      (spec.taints ??= []).push({ key, effect: 'NoSchedule' });
    }
  },
};
