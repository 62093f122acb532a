import { replicaSets } from '../../../api/apps/replica-set.ts';
import type { Deployment, ReplicaSet } from '../../../api/apps/v1.gen.ts';
import type { PodTemplateSpec } from '../../../api/core/v1.gen.ts';
import { equal } from '../../../machinery/meta.ts';
import { type Action, event, update } from '../../runtime/actions.ts';
import { intOrPercent } from '../int-or-percent.ts';

export const annotation = {
  revision: 'deployment.kubernetes.io/revision',
  revisionHistory: 'deployment.kubernetes.io/revision-history',
  desiredReplicas: 'deployment.kubernetes.io/desired-replicas',
  maxReplicas: 'deployment.kubernetes.io/max-replicas',
};

/** Annotations of a Deployment that its ReplicaSets do not get. */
const kept = new Set([
  'kubectl.kubernetes.io/last-applied-configuration',
  'deprecated.deployment.rollback.to',
  ...Object.values(annotation),
]);
export const inheritedAnnotations = (d: Deployment): Record<string, string> =>
  Object.fromEntries(Object.entries(d.metadata.annotations ?? {}).filter(([key]) => !kept.has(key)));

export const hashLabel = 'pod-template-hash';

const withoutHash = (template: PodTemplateSpec | undefined): Partial<PodTemplateSpec> => {
  const { [hashLabel]: _, ...labels } = template?.metadata?.labels ?? {};
  return { ...template, metadata: { ...template?.metadata, labels } };
};

export const sameTemplate = (a: PodTemplateSpec | undefined, b: PodTemplateSpec | undefined): boolean =>
  equal(withoutHash(a), withoutHash(b));

const created = (rs: ReplicaSet): number => Date.parse(rs.metadata.creationTimestamp ?? '') || 0;
const byName = (a: ReplicaSet, b: ReplicaSet): number => (a.metadata.name! < b.metadata.name! ? -1 : 1);
export const oldestFirst = (a: ReplicaSet, b: ReplicaSet): number => created(a) - created(b) || byName(a, b);

export const sizeOf = (rs: ReplicaSet): number => rs.spec.replicas ?? 0;
export const totalSize = (all: ReplicaSet[]): number => all.reduce((sum, rs) => sum + sizeOf(rs), 0);
export const desired = (d: Deployment): number => d.spec.replicas ?? 1;
export const revisionOf = (rs: ReplicaSet | Deployment): number =>
  Number.parseInt(rs.metadata.annotations?.[annotation.revision] ?? '0', 10) || 0;

export const isRollingUpdate = (d: Deployment): boolean => d.spec.strategy?.type !== 'Recreate';

/** How many pods may be there beyond, and may be missing below, the desired number. Never both zero. */
export function rollingLimits(d: Deployment): { maxSurge: number; maxUnavailable: number } {
  if (!isRollingUpdate(d)) return { maxSurge: 0, maxUnavailable: 0 };
  const given = d.spec.strategy?.rollingUpdate;
  const maxSurge = intOrPercent(given?.maxSurge ?? '25%', desired(d), 'up');
  const maxUnavailable = intOrPercent(given?.maxUnavailable ?? '25%', desired(d), 'down');
  if (maxSurge === 0 && maxUnavailable === 0) return { maxSurge, maxUnavailable: 1 };
  return { maxSurge, maxUnavailable: Math.min(maxUnavailable, desired(d)) };
}

export const sizeAnnotations = (d: Deployment): Record<string, string> => ({
  [annotation.desiredReplicas]: String(desired(d)),
  [annotation.maxReplicas]: String(desired(d) + rollingLimits(d).maxSurge),
});

/** The ReplicaSet with this size and with the deployment's size noted on it; nothing when it is so already. */
export function scale(d: Deployment, rs: ReplicaSet, replicas: number): Action[] {
  const notes = sizeAnnotations(d);
  const noted = Object.entries(notes).every(([k, v]) => rs.metadata.annotations?.[k] === v);
  const before = sizeOf(rs);
  if (noted && before === replicas) return [];
  const annotations = { ...rs.metadata.annotations, ...notes };
  const scaled = { ...rs, metadata: { ...rs.metadata, annotations }, spec: { ...rs.spec, replicas } };
  if (before === replicas) return [update(replicaSets, scaled)];
  return [update(replicaSets, scaled, { done: () => [scaledEvent(rs.metadata.name!, before, replicas)] })];
}

export const scaledEvent = (name: string, from: number, to: number): Action =>
  event(
    'Normal',
    'ScalingReplicaSet',
    `Scaled ${to > from ? 'up' : 'down'} replica set ${name} from ${from} to ${to}`,
  );

/** The size that the newest ReplicaSet may have now, given all others. */
export function newSize(d: Deployment, all: ReplicaSet[], current: number): number {
  if (!isRollingUpdate(d)) return desired(d);
  const room = desired(d) + rollingLimits(d).maxSurge - totalSize(all);
  if (room <= 0) return current;
  return current + Math.min(room, desired(d) - current);
}
