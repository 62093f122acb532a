import type { Job } from '../../../api/batch/v1.gen.ts';
import type { Pod } from '../../../api/core/v1.gen.ts';
import { isActive, isReady, isTerminating } from '../pod-state.ts';
import { indexOf, parseIndexes } from './indexes.ts';
import { failureCountKey, finishedMs, isFailed, isIndexed, isTracked } from './pods.ts';
import { failureVerdict } from './policies.ts';

const initialBackoffMs = 10_000;
const maxBackoffMs = 600_000;
/** Most uids of pods in the status at once. */
const maxUncounted = 500;

/**
 * What became of a job's pods. A pod that ended is counted exactly once, whatever crashes when:
 *   1. its uid is written to `uncountedTerminatedPods`, while its finalizer keeps it;
 *   2. the finalizer is removed;
 *   3. the uid goes from the list into the count.
 */
export class Tally {
  readonly job: Job;
  readonly pods: Pod[];
  readonly active: Pod[];
  readonly ready: number;
  readonly terminating: number;
  /** Counted for good, uids whose pods still have to be released, and pods that may be released once the status says so. */
  readonly counts = { succeeded: 0, failed: 0 };
  readonly uncounted: { succeeded: string[]; failed: string[] } = { succeeded: [], failed: [] };
  readonly releasable: Pod[] = [];
  /** For Indexed jobs. */
  readonly succeededIndexes: Set<number>;
  readonly failedIndexes = new Set<number>();

  constructor(job: Job, all: Pod[], ending: 'success' | 'failure' | undefined) {
    this.job = job;
    this.pods = all;
    this.active = all.filter(isActive);
    this.ready = this.active.filter(isReady).length;
    this.terminating = all.filter(isTerminating).length;
    const limit = job.spec.completions ?? 0;
    this.succeededIndexes = isIndexed(job) ? parseIndexes(job.status?.completedIndexes, limit) : new Set();
    this.#settle();
    this.#countNew(ending);
    if (isIndexed(job)) this.counts.succeeded = this.succeededIndexes.size;
    if (job.spec.backoffLimitPerIndex !== undefined) this.#findFailedIndexes(limit);
  }

  /** Step 3: of the pods in the list, those that are released. */
  #settle(): void {
    const { succeeded = 0, failed = 0, uncountedTerminatedPods } = this.job.status ?? {};
    Object.assign(this.counts, { succeeded, failed });
    const held = new Set(this.pods.filter(isTracked).map((pod) => pod.metadata.uid!));
    for (const sort of ['succeeded', 'failed'] as const)
      for (const uid of uncountedTerminatedPods?.[sort] ?? []) {
        if (held.has(uid)) this.uncounted[sort].push(uid);
        else this.counts[sort]++;
      }
  }

  /** Step 1: pods that ended since. Once the job ends, whatever still runs ends with it. */
  #countNew(ending: 'success' | 'failure' | undefined): void {
    const { job, uncounted } = this;
    const listed = new Set([...uncounted.succeeded, ...uncounted.failed]);
    for (const pod of this.pods) {
      if (!isTracked(pod)) continue;
      const uid = pod.metadata.uid!;
      const succeeded = pod.status?.phase === 'Succeeded';
      const failed = !succeeded && isFailed(job, pod);
      if (!succeeded && !failed && !ending && !job.metadata.deletionTimestamp) continue;
      if (uncounted.succeeded.length + uncounted.failed.length >= maxUncounted) return;
      this.releasable.push(pod);
      if (listed.has(uid)) continue;
      const index = indexOf(pod);
      const isValid = !isIndexed(job) || (index !== undefined && index < (job.spec.completions ?? 0));
      if (!isValid) continue;
      if (succeeded) {
        if (isIndexed(job)) this.succeededIndexes.add(index!);
        else uncounted.succeeded.push(uid);
      } else if (failed || ending === 'failure') {
        if (failureVerdict(job, pod).action !== 'Ignore') uncounted.failed.push(uid);
      }
    }
  }

  /** Failures of an index so far: each pod carries on what those before it had. */
  failuresOf(index: number): number {
    let most = 0;
    for (const pod of this.pods) {
      if (indexOf(pod) !== index) continue;
      const before = Number(pod.metadata.annotations?.[failureCountKey] ?? 0) || 0;
      const counts = isFailed(this.job, pod) && failureVerdict(this.job, pod).action !== 'Ignore';
      most = Math.max(most, before + (counts ? 1 : 0));
    }
    return most;
  }

  #findFailedIndexes(limit: number): void {
    for (const index of parseIndexes(this.job.status?.failedIndexes, limit)) this.failedIndexes.add(index);
    for (const pod of this.pods) {
      const index = indexOf(pod);
      if (index === undefined || index >= limit || !isFailed(this.job, pod)) continue;
      const fails = failureVerdict(this.job, pod).action === 'FailIndex';
      if (fails || this.failuresOf(index) > this.job.spec.backoffLimitPerIndex!)
        this.failedIndexes.add(index);
    }
  }

  get succeeded(): number {
    return this.counts.succeeded + this.uncounted.succeeded.length;
  }
  get failed(): number {
    return this.counts.failed + this.uncounted.failed.length;
  }

  /** How long to wait before a pod that failed is replaced: longer after each failure in a row. */
  backoffMs(nowMs: number, of: Pod[] = this.pods): number {
    const ended = of
      .filter((pod) => pod.status?.phase === 'Succeeded' || isFailed(this.job, pod))
      .sort((a, b) => finishedMs(b) - finishedMs(a));
    const lastSuccess = ended.findIndex((pod) => pod.status?.phase === 'Succeeded');
    const failures = lastSuccess < 0 ? ended.length : lastSuccess;
    if (failures === 0) return 0;
    const delay = Math.min(maxBackoffMs, initialBackoffMs * 2 ** Math.min(20, failures - 1));
    return Math.max(0, finishedMs(ended[0]!) + delay - nowMs);
  }
}
