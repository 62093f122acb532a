import { pods } from '../../../api/core/pod.ts';
import type { Pod } from '../../../api/core/v1.gen.ts';
import { type Action, create, event, remove, requeueAfter } from '../../runtime/actions.ts';
import { byDeletionPreference } from '../deletion-preference.ts';
import { isTerminal } from '../pod-state.ts';
import { indexOf } from './indexes.ts';
import { isIndexed, podFor } from './pods.ts';
import type { Tally } from './tally.ts';

/** Most pods that one reconciliation makes or removes. */
const burst = 500;

export const removals = (some: Pod[]): Action[] =>
  some.slice(0, burst).map((pod) =>
    remove(pods, pod, {
      done: () => [event('Normal', 'SuccessfulDelete', `Deleted pod: ${pod.metadata.name}`)],
      failed: (error) => [event('Warning', 'FailedDelete', `Error deleting: ${error.message}`)],
    }),
  );

/** As many pods as the job wants now: no more than are to run side by side, nor than are still to succeed. */
export function manage(tally: Tally, nowMs: number): Action[] {
  const { job, active } = tally;
  if (job.spec.suspend) return removals(active);
  const parallelism = job.spec.parallelism ?? 1;
  const { completions } = job.spec;
  const wanted =
    completions === undefined
      ? tally.succeeded > 0
        ? active.length
        : parallelism
      : Math.max(0, Math.min(parallelism, completions - tally.succeeded));
  const doubles = isIndexed(job) ? superfluous(tally) : [];
  if (active.length > wanted || doubles.length > 0) {
    const others = active
      .filter((pod) => !doubles.includes(pod))
      .sort(byDeletionPreference(new Map(), nowMs));
    const more = Math.max(0, active.length - doubles.length - wanted);
    return removals([...doubles, ...others.slice(0, more)]);
  }
  const waits = job.spec.podReplacementPolicy === 'Failed';
  const missing = wanted - active.length - (waits ? tally.terminating : 0);
  if (missing <= 0) return [];
  return isIndexed(job) ? createIndexed(tally, missing, nowMs) : createPlain(tally, missing, nowMs);
}

const creation = (pod: Pod): Action =>
  create(pods, pod, {
    done: (made) => [event('Normal', 'SuccessfulCreate', `Created pod: ${made.metadata.name}`)],
    failed: (error) => [event('Warning', 'FailedCreate', `Error creating: ${error.message}`)],
  });

function createPlain(tally: Tally, missing: number, nowMs: number): Action[] {
  const wait = tally.backoffMs(nowMs);
  if (wait > 0) return [requeueAfter(wait)];
  return Array.from({ length: Math.min(missing, burst) }, () =>
    creation(podFor(tally.job, undefined, undefined)),
  );
}

/** Pods of an index that has one already, that has succeeded or failed, or that is none any more. */
function superfluous({ job, active, succeededIndexes, failedIndexes }: Tally): Pod[] {
  const seen = new Set<number>();
  return active.filter((pod) => {
    const index = indexOf(pod);
    if (index === undefined || index >= (job.spec.completions ?? 0)) return true;
    if (seen.has(index) || succeededIndexes.has(index) || failedIndexes.has(index)) return true;
    seen.add(index);
    return false;
  });
}

function createIndexed(tally: Tally, missing: number, nowMs: number): Action[] {
  const { job } = tally;
  const perIndex = job.spec.backoffLimitPerIndex !== undefined;
  const waitAll = perIndex ? 0 : tally.backoffMs(nowMs);
  if (waitAll > 0) return [requeueAfter(waitAll)];
  const waits = job.spec.podReplacementPolicy === 'Failed';
  const running = tally.pods.filter((pod) => !isTerminal(pod) && (waits || !pod.metadata.deletionTimestamp));
  const taken = new Set([...running.map(indexOf), ...tally.succeededIndexes, ...tally.failedIndexes]);
  const actions: Action[] = [];
  let soonest = Number.POSITIVE_INFINITY;
  for (
    let index = 0;
    index < (job.spec.completions ?? 0) && actions.length < Math.min(missing, burst);
    index++
  ) {
    if (taken.has(index)) continue;
    const its = perIndex ? tally.pods.filter((pod) => indexOf(pod) === index) : [];
    const wait = its.length > 0 ? tally.backoffMs(nowMs, its) : 0;
    if (wait > 0) soonest = Math.min(soonest, wait);
    else actions.push(creation(podFor(job, index, perIndex ? tally.failuresOf(index) : undefined)));
  }
  return Number.isFinite(soonest) ? [...actions, requeueAfter(soonest)] : actions;
}
