import type { Deployment, ReplicaSet } from '../../../api/apps/v1.gen.ts';
import type { Action } from '../../runtime/actions.ts';
import { desired, newSize, oldestFirst, rollingLimits, scale, sizeOf, totalSize } from './replica-sets.ts';

/** One step of a rolling update: first up with the new, then down with the old; nothing when there is nothing to do now. */
export function rollingStep(d: Deployment, newest: ReplicaSet, old: ReplicaSet[]): Action[] {
  const all = [...old, newest];
  const size = sizeOf(newest) > desired(d) ? desired(d) : newSize(d, all, sizeOf(newest));
  if (size !== sizeOf(newest)) return scale(d, newest, size);
  return shrinkOld(d, newest, old);
}

/**
 * Takes away as many old pods as leave `desired - maxUnavailable` available; those that are not available go first, for they
 * are no loss. New pods that are not available yet count as missing: a rollout that breaks stops by itself.
 *
 *   desired 10, maxUnavailable 2, maxSurge 3; old 8, all available; new 5, of which 2 available
 *   13 pods - 8 needed - 3 new and unavailable = 2 may go; 10 available - 8 needed = 2 go
 */
function shrinkOld(d: Deployment, newest: ReplicaSet, old: ReplicaSet[]): Action[] {
  const shrinkable = old.filter((rs) => sizeOf(rs) > 0).toSorted(oldestFirst);
  if (shrinkable.length === 0) return [];
  const all = [...old, newest];
  const needed = desired(d) - rollingLimits(d).maxUnavailable;
  const available = (rs: ReplicaSet) => rs.status?.availableReplicas ?? 0;
  const newMissing = sizeOf(newest) - available(newest);
  const mayGo = totalSize(all) - needed - newMissing;
  if (mayGo <= 0) return [];

  const sizes = new Map(shrinkable.map((rs) => [rs, sizeOf(rs)]));
  let unhealthy = mayGo;
  for (const rs of shrinkable) {
    const gone = Math.min(unhealthy, Math.max(0, sizeOf(rs) - available(rs)));
    sizes.set(rs, sizeOf(rs) - gone);
    unhealthy -= gone;
  }
  let spare = all.reduce((sum, rs) => sum + available(rs), 0) - needed;
  for (const rs of shrinkable) {
    const gone = Math.min(Math.max(0, spare), sizes.get(rs)!);
    sizes.set(rs, sizes.get(rs)! - gone);
    spare -= gone;
  }
  return shrinkable.flatMap((rs) => (sizes.get(rs) === sizeOf(rs) ? [] : scale(d, rs, sizes.get(rs)!)));
}
