import { statefulSets } from '../../../api/apps/stateful-set.ts';
import type { StatefulSet } from '../../../api/apps/v1.gen.ts';
import type { PersistentVolumeClaim, Pod, PodTemplateSpec } from '../../../api/core/v1.gen.ts';
import { podFromTemplate } from '../ownership.ts';

export const revisionLabel = 'controller-revision-hash';
const podNameLabel = 'statefulset.kubernetes.io/pod-name';
const podIndexLabel = 'apps.kubernetes.io/pod-index';

export const firstOrdinal = (set: StatefulSet): number => set.spec.ordinals?.start ?? 0;

/** `web-3` is 3 of the set `web`; -1 for a name that is none of its. */
export function ordinalOf(set: StatefulSet, pod: Pod): number {
  const prefix = `${set.metadata.name}-`;
  const name = pod.metadata.name ?? '';
  const digits = name.startsWith(prefix) ? name.slice(prefix.length) : '';
  return /^\d+$/.test(digits) ? Number(digits) : -1;
}

export const revisionOf = (pod: Pod): string => pod.metadata.labels?.[revisionLabel] ?? '';

const claimName = (set: StatefulSet, template: PersistentVolumeClaim, ordinal: number): string =>
  `${template.metadata.name}-${set.metadata.name}-${ordinal}`;

/** The claims of one pod: they outlive it, and the next pod of the number gets them again. */
export const claimsOf = (set: StatefulSet, ordinal: number): PersistentVolumeClaim[] =>
  (set.spec.volumeClaimTemplates ?? []).map((template) => ({
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: {
      name: claimName(set, template, ordinal),
      namespace: set.metadata.namespace,
      labels: { ...template.metadata.labels, ...set.spec.selector.matchLabels },
      ...(template.metadata.annotations ? { annotations: template.metadata.annotations } : {}),
    },
    spec: template.spec,
  }));

/** The pod of a number: its name, host name and volumes are the same each time it is made. */
export function podOf(set: StatefulSet, template: PodTemplateSpec, revision: string, ordinal: number): Pod {
  const pod = podFromTemplate(statefulSets, set, template);
  const { generateName: _, ...metadata } = pod.metadata;
  const name = `${set.metadata.name}-${ordinal}`;
  const claims = set.spec.volumeClaimTemplates ?? [];
  const own = (pod.spec.volumes ?? []).filter((v) => !claims.some((c) => c.metadata.name === v.name));
  const claimed = claims.map((c) => ({
    name: c.metadata.name!,
    persistentVolumeClaim: { claimName: claimName(set, c, ordinal) },
  }));
  return {
    ...pod,
    metadata: {
      ...metadata,
      name,
      labels: {
        ...metadata.labels,
        [podNameLabel]: name,
        [podIndexLabel]: String(ordinal),
        [revisionLabel]: revision,
      },
    },
    spec: {
      ...pod.spec,
      hostname: name,
      subdomain: set.spec.serviceName,
      ...(claimed.length > 0 ? { volumes: [...own, ...claimed] } : {}),
    },
  };
}

/** Whether a pod has the labels by which its number and its set are known. */
export const hasIdentity = (pod: Pod): boolean => pod.metadata.labels?.[podNameLabel] === pod.metadata.name;

export const withIdentity = (set: StatefulSet, pod: Pod): Pod => ({
  ...pod,
  metadata: {
    ...pod.metadata,
    labels: {
      ...pod.metadata.labels,
      [podNameLabel]: pod.metadata.name!,
      [podIndexLabel]: String(ordinalOf(set, pod)),
    },
  },
});
