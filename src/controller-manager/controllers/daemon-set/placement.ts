import { daemonSets } from '../../../api/apps/daemon-set.ts';
import type { DaemonSet } from '../../../api/apps/v1.gen.ts';
import { isTolerated, nodeMatchesPod } from '../../../api/core/node-selection.ts';
import type { Node, Pod, PodSpec, Toleration } from '../../../api/core/v1.gen.ts';
import { podFromTemplate } from '../ownership.ts';

/** Daemons run where other pods would not: on nodes that are not ready, under pressure, or cordoned. */
const always: Toleration[] = [
  { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute' },
  { key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute' },
  { key: 'node.kubernetes.io/disk-pressure', operator: 'Exists', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/memory-pressure', operator: 'Exists', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/pid-pressure', operator: 'Exists', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/unschedulable', operator: 'Exists', effect: 'NoSchedule' },
];
const onHostNetwork: Toleration = {
  key: 'node.kubernetes.io/network-unavailable',
  operator: 'Exists',
  effect: 'NoSchedule',
};

const same = (a: Toleration, b: Toleration): boolean =>
  a.key === b.key &&
  a.operator === b.operator &&
  a.effect === b.effect &&
  (a.value ?? '') === (b.value ?? '');

function tolerationsOf(spec: PodSpec): Toleration[] {
  const added = spec.hostNetwork ? [...always, onHostNetwork] : always;
  const own = spec.tolerations ?? [];
  return [...own, ...added.filter((t) => !own.some((o) => same(o, t)))];
}

export interface Placement {
  /** A daemon belongs on the node. */
  shouldRun: boolean;
  /** One that is there may stay. */
  mayStay: boolean;
}

export function placementOn(ds: DaemonSet, node: Node): Placement {
  const { spec } = ds.spec.template;
  if (spec.nodeName && spec.nodeName !== node.metadata.name) return { shouldRun: false, mayStay: false };
  if (!nodeMatchesPod(spec, node)) return { shouldRun: false, mayStay: false };
  const tolerations = tolerationsOf(spec);
  const bad = (node.spec.taints ?? []).filter((t) => !isTolerated(tolerations, t));
  return {
    shouldRun: !bad.some((t) => t.effect === 'NoSchedule' || t.effect === 'NoExecute'),
    mayStay: !bad.some((t) => t.effect === 'NoExecute'),
  };
}

/** The node that a daemon is for: bound to it, or only meant for it so far. */
export function nodeOf(pod: Pod): string | undefined {
  if (pod.spec.nodeName) return pod.spec.nodeName;
  const terms =
    pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  for (const { matchFields = [] } of terms ?? [])
    for (const { key, operator, values = [] } of matchFields)
      if (key === 'metadata.name' && operator === 'In' && values.length === 1) return values[0];
  return undefined;
}

/** A daemon for one node: the scheduler binds it, but has no choice. */
export function daemonFor(ds: DaemonSet, node: string, hash: string): Pod {
  const pod = podFromTemplate(daemonSets, ds, ds.spec.template);
  const generation = ds.metadata.annotations?.['deprecated.daemonset.template.generation'];
  const affinity = pod.spec.affinity ?? {};
  return {
    ...pod,
    metadata: {
      ...pod.metadata,
      labels: {
        ...pod.metadata.labels,
        'controller-revision-hash': hash,
        ...(generation ? { 'pod-template-generation': generation } : {}),
      },
    },
    spec: {
      ...pod.spec,
      tolerations: tolerationsOf(pod.spec),
      affinity: {
        ...affinity,
        nodeAffinity: {
          ...affinity.nodeAffinity,
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: [node] }] }],
          },
        },
      },
    },
  };
}
