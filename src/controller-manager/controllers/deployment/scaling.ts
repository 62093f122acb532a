import type { Deployment, ReplicaSet } from '../../../api/apps/v1.gen.ts';
import type { Action } from '../../runtime/actions.ts';
import {
  annotation,
  desired,
  isRollingUpdate,
  oldestFirst,
  rollingLimits,
  scale,
  sizeOf,
  totalSize,
} from './replica-sets.ts';

const noted = (rs: ReplicaSet, key: string): number | undefined => {
  const value = Number.parseInt(rs.metadata.annotations?.[key] ?? '', 10);
  return Number.isNaN(value) ? undefined : value;
};

/** True when the deployment's size has changed since its ReplicaSets were last sized. */
export function isScaling(d: Deployment, all: ReplicaSet[]): boolean {
  return all.some((rs) => {
    const then = noted(rs, annotation.desiredReplicas);
    return sizeOf(rs) > 0 && then !== undefined && then !== desired(d);
  });
}

function isSaturated(d: Deployment, rs: ReplicaSet | undefined): boolean {
  return (
    !!rs &&
    sizeOf(rs) === desired(d) &&
    noted(rs, annotation.desiredReplicas) === desired(d) &&
    (rs.status?.availableReplicas ?? 0) === desired(d)
  );
}

/** Half away from zero, as integers are rounded elsewhere. */
const round = (x: number): number => Math.sign(x) * Math.floor(Math.abs(x) + 0.5);

/**
 * A rollout under way keeps its proportions when the deployment is resized. With maxSurge 5 and sizes old 10, new 5 of 10
 * desired, a resize to 20 allows 25: 10 to add, two thirds to the old and a third to the new one: 17 and 8.
 * What rounding leaves over goes to the largest. https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#proportional-scaling
 */
export function resize(d: Deployment, newest: ReplicaSet | undefined, old: ReplicaSet[]): Action[] {
  const all = newest ? [...old, newest] : old;
  const active = all.filter((rs) => sizeOf(rs) > 0);
  if (active.length <= 1) {
    const only = active[0] ?? newest ?? old.toSorted(oldestFirst).at(-1);
    return only ? scale(d, only, desired(d)) : [];
  }
  if (isSaturated(d, newest)) return old.filter((rs) => sizeOf(rs) > 0).flatMap((rs) => scale(d, rs, 0));
  if (!isRollingUpdate(d)) return [];

  const { maxSurge } = rollingLimits(d);
  const allowed = desired(d) > 0 ? desired(d) + maxSurge : 0;
  const toAdd = allowed - totalSize(active);
  const newestFirst = toAdd > 0;
  const order = active.toSorted(
    (a, b) => sizeOf(b) - sizeOf(a) || (newestFirst ? oldestFirst(b, a) : oldestFirst(a, b)),
  );
  let added = 0;
  const sizes = order.map((rs) => {
    const share = Math.abs(added) < Math.abs(toAdd) ? shareOf(d, rs, toAdd, added, maxSurge) : 0;
    added += share;
    return sizeOf(rs) + share;
  });
  sizes[0] = Math.max(0, sizes[0]! + toAdd - added);
  return order.flatMap((rs, i) => scale(d, rs, sizes[i]!));
}

function shareOf(d: Deployment, rs: ReplicaSet, toAdd: number, added: number, maxSurge: number): number {
  if (sizeOf(rs) === 0 || toAdd === 0) return 0;
  const before = noted(rs, annotation.maxReplicas) || d.status?.replicas || 1;
  const exact = desired(d) === 0 ? 0 : (sizeOf(rs) * (desired(d) + maxSurge)) / before;
  const share = round(exact) - sizeOf(rs);
  return toAdd > 0 ? Math.min(share, toAdd - added) : Math.max(share, toAdd - added);
}
