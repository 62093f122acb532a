import { isJobFinished, jobs } from '../../../api/batch/job.ts';
import type { Job, JobCondition, JobStatus } from '../../../api/batch/v1.gen.ts';
import { pods } from '../../../api/core/pod.ts';
import type { Pod } from '../../../api/core/v1.gen.ts';
import { time } from '../../../machinery/clock.ts';
import { controllerOf } from '../../../machinery/meta.ts';
import { labelSelectorMatches } from '../../../machinery/selectors.ts';
import { isNotFound } from '../../../machinery/status.ts';
import { type Action, event, patch, requeueAfter, setStatus } from '../../runtime/actions.ts';
import { controller } from '../../runtime/controller.ts';
import { claim } from '../ownership.ts';
import { compact } from '../pod-state.ts';
import { formatIndexes } from './indexes.ts';
import { manage, removals } from './manage.ts';
import { countSyncs } from './metrics.ts';
import { isFailed, isIndexed, isTracked, trackingFinalizer } from './pods.ts';
import { failureVerdict, successMessage } from './policies.ts';
import { Tally } from './tally.ts';

const byJobKey = 'trackedPodsByJob';

export interface Observed {
  owned: Pod[];
  orphans: Pod[];
}

/** Runs pods to completion. https://kubernetes.io/docs/concepts/workloads/controllers/job/ */
export const jobController = controller<Job, Observed>({
  name: 'job',
  for: jobs,
  owns: [pods],
  adopts: (job, pod) => labelSelectorMatches(job.spec.selector, pod.metadata.labels),
  traced: true,
  counts: countSyncs,
  indexes: ({ informers }) =>
    informers(pods).index(byJobKey, (pod) => {
      const owner = isTracked(pod) ? controllerOf(pod) : undefined;
      return owner?.kind === 'Job' ? [`${pod.metadata.namespace}/${owner.name}`] : [];
    }),
  observe: (job, cache) => ({
    owned: cache.ownedBy(job, pods),
    orphans: cache.orphans(pods, job.metadata.namespace!),
  }),
  reconcile: (job, observed, nowMs) => reconcile(job, observed, nowMs),
  // Nobody counts these any more.
  gone: (key, cache) => cache.of(pods).byIndex(byJobKey, key).map(release),
});

const release = (pod: Pod): Action => {
  const body = {
    metadata: { uid: pod.metadata.uid, '$deleteFromPrimitiveList/finalizers': [trackingFinalizer] },
  };
  return patch(pods, pod, body, { type: 'strategic', tolerates: isNotFound });
};

interface Verdict {
  type: 'SuccessCriteriaMet' | 'FailureTarget';
  reason: string;
  message: string;
}

export function reconcile(job: Job, observed: Observed, nowMs: number): Action[] {
  const { managedBy } = job.spec;
  if (managedBy && managedBy !== 'kubernetes.io/job-controller') return [];
  const claimed = claim(job, jobs, pods, observed, (pod) =>
    labelSelectorMatches(job.spec.selector, pod.metadata.labels),
  );
  if (isJobFinished(job)) return claimed.objects.filter(isTracked).map(release);

  const before = endingOf(job);
  let tally = new Tally(job, claimed.objects, before && sortOf(before));
  const verdict = before ?? judge(tally, nowMs);
  if (verdict && !before) tally = new Tally(job, claimed.objects, sortOf(verdict));

  const status = statusOf(tally, nowMs);
  const suspension = verdict ? [] : suspend(job, status, nowMs);
  const actions: Action[] = [...claimed.actions, ...suspension];
  let finished = false;
  if (verdict) {
    status.conditions = withCondition(
      status.conditions,
      verdict.type,
      'True',
      verdict.reason,
      verdict.message,
      nowMs,
    );
    const waiting =
      tally.active.length +
      tally.terminating +
      tally.uncounted.succeeded.length +
      tally.uncounted.failed.length;
    finished = waiting === 0 && tally.releasable.length === 0;
    if (finished) actions.push(...finish(status, verdict, nowMs));
  }
  // The status first: what it says must be safe before pods are let go.
  actions.push(setStatus(jobs, job, status), ...tally.releasable.map(release));
  if (verdict) actions.push(...removals(tally.active));
  else if (!job.metadata.deletionTimestamp) actions.push(...manage(tally, nowMs));
  const deadline = verdict ? undefined : deadlineMs(job, status);
  if (deadline !== undefined) actions.push(requeueAfter(Math.max(0, deadline - nowMs)));
  return actions;
}

const sortOf = (verdict: Verdict): 'success' | 'failure' =>
  verdict.type === 'SuccessCriteriaMet' ? 'success' : 'failure';

/** How the job is ending already, if it is. */
function endingOf(job: Job): Verdict | undefined {
  for (const type of ['SuccessCriteriaMet', 'FailureTarget'] as const) {
    const condition = job.status?.conditions?.find((c) => c.type === type && c.status === 'True');
    if (condition) return { type, reason: condition.reason ?? '', message: condition.message ?? '' };
  }
  return undefined;
}

const deadlineMs = (job: Job, status: JobStatus | undefined): number | undefined =>
  job.spec.activeDeadlineSeconds === undefined || !status?.startTime || job.spec.suspend
    ? undefined
    : Date.parse(status.startTime) + job.spec.activeDeadlineSeconds * 1000;

/** Restarts of containers count against the limit where pods are restarted in place. */
function restartsExceed(job: Job, all: Pod[]): boolean {
  if (job.spec.template.spec.restartPolicy !== 'OnFailure') return false;
  let restarts = 0;
  for (const { status } of all)
    if (status?.phase === 'Running' || status?.phase === 'Pending')
      for (const s of [...(status.containerStatuses ?? []), ...(status.initContainerStatuses ?? [])])
        restarts += s.restartCount;
  const limit = job.spec.backoffLimit ?? 6;
  return limit === 0 ? restarts > 0 : restarts >= limit;
}

/** Whether the job is over, and why. Failures come before successes. */
function judge(tally: Tally, nowMs: number): Verdict | undefined {
  const { job } = tally;
  const failure = (reason: string, message: string): Verdict => ({ type: 'FailureTarget', reason, message });
  const success = (reason: string, message: string): Verdict => ({
    type: 'SuccessCriteriaMet',
    reason,
    message,
  });
  if (job.spec.podFailurePolicy) {
    const verdicts = tally.pods.filter((pod) => isFailed(job, pod)).map((pod) => failureVerdict(job, pod));
    const fatal = verdicts.find((v) => v.action === 'FailJob');
    if (fatal) return failure('PodFailurePolicy', fatal.message);
  }
  if (tally.failed > (job.spec.backoffLimit ?? 6) || restartsExceed(job, tally.pods)) {
    return failure('BackoffLimitExceeded', 'Job has reached the specified backoff limit');
  }
  const deadline = deadlineMs(job, job.status);
  if (deadline !== undefined && deadline <= nowMs) {
    return failure('DeadlineExceeded', 'Job was active longer than specified deadline');
  }
  const { completions, maxFailedIndexes } = job.spec;
  const failedIndexes = tally.failedIndexes.size;
  if (maxFailedIndexes !== undefined && failedIndexes > maxFailedIndexes) {
    return failure(
      'MaxFailedIndexesExceeded',
      'Job has exceeded the specified maximal number of failed indexes',
    );
  }
  if (failedIndexes > 0 && failedIndexes + tally.succeededIndexes.size >= (completions ?? 0)) {
    return failure('FailedIndexes', 'Job has failed indexes');
  }
  const met = isIndexed(job) ? successMessage(job, tally.succeededIndexes) : undefined;
  if (met) return success('SuccessPolicy', met);
  // Without a number of completions, one success is enough, once the others have ended too.
  const complete = completions === undefined ? tally.succeeded > 0 : tally.succeeded >= completions;
  return complete && tally.active.length === 0
    ? success('CompletionsReached', 'Reached expected number of succeeded pods')
    : undefined;
}

function statusOf(tally: Tally, nowMs: number): JobStatus {
  const { job, counts, uncounted } = tally;
  const { conditions = [], startTime } = job.status ?? {};
  return {
    ...compact({ active: tally.active.length, succeeded: counts.succeeded, failed: counts.failed }),
    ready: tally.ready,
    terminating: tally.terminating,
    ...(isIndexed(job) && tally.succeededIndexes.size > 0
      ? { completedIndexes: formatIndexes(tally.succeededIndexes) }
      : {}),
    ...(job.spec.backoffLimitPerIndex === undefined
      ? {}
      : { failedIndexes: formatIndexes(tally.failedIndexes) }),
    uncountedTerminatedPods: {
      ...(uncounted.succeeded.length > 0 ? { succeeded: uncounted.succeeded } : {}),
      ...(uncounted.failed.length > 0 ? { failed: uncounted.failed } : {}),
    },
    ...(startTime ? { startTime } : job.spec.suspend ? {} : { startTime: time(nowMs) }),
    ...(conditions.length > 0 ? { conditions } : {}),
  };
}

function withCondition(
  all: JobCondition[] | undefined,
  type: string,
  status: 'True' | 'False',
  reason: string,
  message: string,
  nowMs: number,
): JobCondition[] {
  const before = all?.find((c) => c.type === type);
  if (before?.status === status && before.reason === reason) return all!;
  const at = time(nowMs);
  const condition = { type, status, lastProbeTime: at, lastTransitionTime: at, reason, message };
  return [...(all ?? []).filter((c) => c !== before), condition];
}

/** Notes in the status that the job is suspended, or goes on; its clock starts anew when it does. */
function suspend(job: Job, status: JobStatus, nowMs: number): Action[] {
  const before = status.conditions?.find((c) => c.type === 'Suspended');
  if (job.spec.suspend && before?.status !== 'True') {
    status.conditions = withCondition(
      status.conditions,
      'Suspended',
      'True',
      'JobSuspended',
      'Job suspended',
      nowMs,
    );
    delete status.startTime;
    return [event('Normal', 'Suspended', 'Job suspended')];
  }
  if (!job.spec.suspend && before?.status === 'True') {
    status.conditions = withCondition(
      status.conditions,
      'Suspended',
      'False',
      'JobResumed',
      'Job resumed',
      nowMs,
    );
    status.startTime = time(nowMs);
    return [event('Normal', 'Resumed', 'Job resumed')];
  }
  return [];
}

function finish(status: JobStatus, { type, reason, message }: Verdict, nowMs: number): Action[] {
  const succeeded = type === 'SuccessCriteriaMet';
  status.conditions = withCondition(
    status.conditions,
    succeeded ? 'Complete' : 'Failed',
    'True',
    reason,
    message,
    nowMs,
  );
  if (!succeeded) return [event('Warning', reason, message)];
  status.completionTime = time(nowMs);
  return [event('Normal', 'Completed', 'Job completed')];
}
