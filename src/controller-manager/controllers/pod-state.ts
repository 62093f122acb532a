import type { Pod, PodCondition } from '../../api/core/v1.gen.ts';

export const podCondition = (pod: Pod, type: string): PodCondition | undefined =>
  pod.status?.conditions?.find((c) => c.type === type);

export const isReady = (pod: Pod): boolean => podCondition(pod, 'Ready')?.status === 'True';

/** Ran to its end, well or not. */
export const isTerminal = (pod: Pod): boolean =>
  pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';

/** Neither ended nor being deleted: counts as a replica. */
export const isActive = (pod: Pod): boolean => !isTerminal(pod) && !pod.metadata.deletionTimestamp;

/** Being deleted, and not ended yet. */
export const isTerminating = (pod: Pod): boolean => !isTerminal(pod) && !!pod.metadata.deletionTimestamp;

export const readySince = (pod: Pod): number => {
  const condition = podCondition(pod, 'Ready');
  return condition?.status === 'True' ? Date.parse(condition.lastTransitionTime ?? '') || 0 : Number.NaN;
};

/** Ready for at least `minReadySeconds`. */
export function isAvailable(pod: Pod, minReadySeconds: number | undefined, nowMs: number): boolean {
  if (!isReady(pod)) return false;
  return !minReadySeconds || readySince(pod) + minReadySeconds * 1000 <= nowMs;
}

/** When the first of these ready pods becomes available, in milliseconds from now; undefined when none is waiting. */
export function nextAvailability(
  pods: Pod[],
  minReadySeconds: number | undefined,
  nowMs: number,
): number | undefined {
  if (!minReadySeconds) return undefined;
  const waits = pods
    .filter((pod) => isReady(pod) && !isAvailable(pod, minReadySeconds, nowMs))
    .map((pod) => readySince(pod) + minReadySeconds * 1000 - nowMs);
  return waits.length > 0 ? Math.min(...waits) : undefined;
}

/** Without absent fields and without zeros, as the wire form leaves them out. */
export function compact<T extends object>(fields: T): T {
  return Object.fromEntries(Object.entries(fields).filter(([, v]) => v !== undefined && v !== 0)) as T;
}
