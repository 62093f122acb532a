import type {
  Deployment,
  DeploymentCondition,
  DeploymentStatus,
  ReplicaSet,
} from '../../../api/apps/v1.gen.ts';
import { time } from '../../../machinery/clock.ts';
import { compact } from '../pod-state.ts';
import { desired, rollingLimits, sizeOf, totalSize } from './replica-sets.ts';

type Sort = 'Available' | 'Progressing' | 'ReplicaFailure';

export const conditionOf = (
  status: DeploymentStatus | undefined,
  type: Sort,
): DeploymentCondition | undefined => status?.conditions?.find((c) => c.type === type);

const condition = (
  type: Sort,
  status: 'True' | 'False' | 'Unknown',
  reason: string,
  message: string,
  nowMs: number,
): DeploymentCondition => ({
  type,
  status,
  lastUpdateTime: time(nowMs),
  lastTransitionTime: time(nowMs),
  reason,
  message,
});

/** The list with this condition in it. One of the same status and reason stays as it was, times and all. */
function put(all: DeploymentCondition[], next: DeploymentCondition, always = false): DeploymentCondition[] {
  const before = all.find((c) => c.type === next.type);
  if (!always && before && before.status === next.status && before.reason === next.reason) return all;
  if (before?.status === next.status) next = { ...next, lastTransitionTime: before.lastTransitionTime };
  return [...all.filter((c) => c !== before), next];
}

/** A deadline of the largest 32-bit integer means none. */
export const hasDeadline = (d: Deployment): boolean =>
  d.spec.progressDeadlineSeconds !== undefined && d.spec.progressDeadlineSeconds !== 2_147_483_647;

const sum = (all: ReplicaSet[], of: (rs: ReplicaSet) => number | undefined): number =>
  all.reduce((total, rs) => total + (of(rs) ?? 0), 0);

/** The numbers, and the Available condition. */
export function countedStatus(
  d: Deployment,
  newest: ReplicaSet | undefined,
  all: ReplicaSet[],
  nowMs: number,
): DeploymentStatus {
  const availableReplicas = sum(all, (rs) => rs.status?.availableReplicas);
  const enough = availableReplicas >= desired(d) - rollingLimits(d).maxUnavailable;
  const available = enough
    ? condition(
        'Available',
        'True',
        'MinimumReplicasAvailable',
        'Deployment has minimum availability.',
        nowMs,
      )
    : condition(
        'Available',
        'False',
        'MinimumReplicasUnavailable',
        'Deployment does not have minimum availability.',
        nowMs,
      );
  const counts = compact({
    observedGeneration: d.metadata.generation,
    replicas: sum(all, (rs) => rs.status?.replicas),
    updatedReplicas: newest?.status?.replicas ?? 0,
    readyReplicas: sum(all, (rs) => rs.status?.readyReplicas),
    availableReplicas,
    unavailableReplicas: Math.max(0, totalSize(all) - availableReplicas),
    collisionCount: d.status?.collisionCount,
  });
  return {
    ...counts,
    terminatingReplicas: sum(all, (rs) => rs.status?.terminatingReplicas),
    conditions: put(d.status?.conditions ?? [], available),
  };
}

export const isComplete = (d: Deployment, status: DeploymentStatus): boolean =>
  (status.updatedReplicas ?? 0) === desired(d) &&
  (status.replicas ?? 0) === desired(d) &&
  (status.availableReplicas ?? 0) === desired(d) &&
  (status.observedGeneration ?? 0) >= (d.metadata.generation ?? 0);

function hasProgressed(before: DeploymentStatus | undefined, now: DeploymentStatus): boolean {
  const old = (s: DeploymentStatus | undefined) => (s?.replicas ?? 0) - (s?.updatedReplicas ?? 0);
  return (
    (now.updatedReplicas ?? 0) > (before?.updatedReplicas ?? 0) ||
    old(now) < old(before) ||
    (now.readyReplicas ?? 0) > (before?.readyReplicas ?? 0) ||
    (now.availableReplicas ?? 0) > (before?.availableReplicas ?? 0)
  );
}

/** Milliseconds until the deadline passes; negative once it has. Undefined where no deadline counts. */
export function deadlineIn(d: Deployment, nowMs: number): number | undefined {
  const progressing = conditionOf(d.status, 'Progressing');
  if (!hasDeadline(d) || !progressing || progressing.reason === 'NewReplicaSetAvailable') return undefined;
  const from = Date.parse(progressing.lastUpdateTime ?? '');
  return from + d.spec.progressDeadlineSeconds! * 1000 - nowMs;
}

/** The whole status of a rollout: what `kubectl rollout status` reads. */
export function rolloutStatus(
  d: Deployment,
  newest: ReplicaSet | undefined,
  all: ReplicaSet[],
  nowMs: number,
): DeploymentStatus {
  const status = countedStatus(d, newest, all, nowMs);
  const before = conditionOf(d.status, 'Progressing');
  let conditions = status.conditions ?? [];
  const name = newest ? `ReplicaSet "${newest.metadata.name}"` : `Deployment "${d.metadata.name}"`;
  const progressing = (value: 'True' | 'False', reason: string, what: string) =>
    condition('Progressing', value, reason, `${name} ${what}`, nowMs);

  const settled =
    (status.replicas ?? 0) === (status.updatedReplicas ?? 0) && before?.reason === 'NewReplicaSetAvailable';
  if (!hasDeadline(d)) conditions = conditions.filter((c) => c.type !== 'Progressing');
  else if (!settled) {
    const left = deadlineIn(d, nowMs);
    if (isComplete(d, status)) {
      conditions = put(
        conditions,
        progressing('True', 'NewReplicaSetAvailable', 'has successfully progressed.'),
      );
    } else if (hasProgressed(d.status, status)) {
      // Always taken anew: its lastUpdateTime is what the deadline counts from.
      conditions = put(conditions, progressing('True', 'ReplicaSetUpdated', 'is progressing.'), true);
    } else if (before?.reason === 'ProgressDeadlineExceeded' || (left !== undefined && left < 0)) {
      conditions = put(
        conditions,
        progressing('False', 'ProgressDeadlineExceeded', 'has timed out progressing.'),
      );
    }
  }
  return { ...status, conditions: withFailure(conditions, newest, all) };
}

/** A ReplicaSet that cannot make pods says so; the deployment passes it on, the newest one's first. */
function withFailure(conditions: DeploymentCondition[], newest: ReplicaSet | undefined, all: ReplicaSet[]) {
  const failing = (rs: ReplicaSet | undefined) =>
    rs?.status?.conditions?.find((c) => c.type === 'ReplicaFailure');
  const failure =
    failing(newest) ??
    all
      .filter((rs) => sizeOf(rs) > 0)
      .map(failing)
      .find(Boolean);
  const rest = conditions.filter((c) => c.type !== 'ReplicaFailure');
  if (!failure) return rest;
  const at = failure.lastTransitionTime;
  return [...rest, { ...failure, lastUpdateTime: at } as DeploymentCondition];
}

/** With the Progressing condition that a step of its own gives: a new ReplicaSet, a pause. */
export function withProgress(
  d: Deployment,
  conditions: DeploymentCondition[],
  value: 'True' | 'False' | 'Unknown',
  reason: string,
  message: string,
  nowMs: number,
): DeploymentCondition[] {
  return hasDeadline(d)
    ? put(conditions, condition('Progressing', value, reason, message, nowMs))
    : conditions;
}
