import { Cron } from 'croner';
import { cronJobs } from '../../api/batch/cron-job.ts';
import { isJobFinished, jobCondition, jobs } from '../../api/batch/job.ts';
import type { CronJob, CronJobStatus, Job } from '../../api/batch/v1.gen.ts';
import { time } from '../../machinery/clock.ts';
import { type Action, create, event, remove, requeueAfter, setStatus } from '../runtime/actions.ts';
import { controller } from '../runtime/controller.ts';
import { controllerReference } from './ownership.ts';

/** Clocks may differ a little from the timers' idea of time. */
const slackMs = 100;
const tooManyMissed = 100;

/** Makes a Job at each time of a schedule. https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ */
export const cronJobController = controller<CronJob, Job[]>({
  name: 'cronjob',
  component: 'cronjob-controller',
  for: cronJobs,
  owns: [jobs],
  traced: true,
  observe: (cronJob, cache) => cache.ownedBy(cronJob, jobs),
  reconcile: (cronJob, owned, nowMs) => reconcile(cronJob, owned, nowMs),
});

const started = (job: Job): number =>
  Date.parse(job.status?.startTime ?? job.metadata.creationTimestamp ?? '') || 0;

/** `@every 1h30m` in milliseconds; undefined for other schedules. */
function everyMs(schedule: string): number | undefined {
  const match = /^@every\s+(.+)$/.exec(schedule);
  if (!match) return undefined;
  const unit: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
  let total = 0;
  for (const [, n, u] of match[1]!.matchAll(/([\d.]+)(ms|h|m|s)/g)) total += Number(n) * unit[u!]!;
  return Math.max(1_000, total);
}

/** The first time of the schedule after `afterMs`. Throws for a schedule or a time zone that means nothing. */
export function nextTime(
  schedule: string,
  timeZone: string | undefined,
  afterMs: number,
): number | undefined {
  const every = everyMs(schedule);
  if (every !== undefined) return afterMs + every;
  const inline = /^(?:CRON_)?TZ=(\S+)\s+(.*)$/.exec(schedule);
  const pattern = inline ? inline[2]! : schedule;
  const cron = new Cron(pattern, {
    timezone: timeZone ?? inline?.[1] ?? 'Etc/UTC',
    paused: true,
    mode: '5-part',
  });
  return cron.nextRun(new Date(afterMs))?.getTime();
}

interface Due {
  /** The newest time that has come and was not served. */
  lastMs?: number;
  missed: 'none' | 'few' | 'many';
}

/** What has come due since the last run. Asks the schedule often enough to know, but not for each of a million missed times. */
function due(cronJob: CronJob, nowMs: number): Due {
  const { schedule, timeZone, startingDeadlineSeconds } = cronJob.spec;
  const { lastScheduleTime } = cronJob.status ?? {};
  let fromMs = Date.parse(lastScheduleTime ?? cronJob.metadata.creationTimestamp ?? '') || nowMs;
  if (startingDeadlineSeconds !== undefined)
    fromMs = Math.max(fromMs, nowMs - startingDeadlineSeconds * 1000);
  const first = nextTime(schedule, timeZone, fromMs);
  if (first === undefined || first > nowMs) return { missed: 'none' };
  const second = nextTime(schedule, timeZone, first);
  if (second === undefined || second > nowMs) return { lastMs: first, missed: 'none' };
  const period = Math.max(1_000, second - first);
  const count = Math.floor((nowMs - first) / period) + 1;
  // Near the end times are asked for one by one: the period need not be even.
  let last = count > tooManyMissed ? (nextTime(schedule, timeZone, nowMs - 5 * period) ?? first) : first;
  if (last > nowMs) last = first;
  for (;;) {
    const next = nextTime(schedule, timeZone, last);
    if (next === undefined || next > nowMs) break;
    last = next;
  }
  return { lastMs: last, missed: count > tooManyMissed ? 'many' : 'few' };
}

export function reconcile(cronJob: CronJob, owned: Job[], nowMs: number): Action[] {
  const actions: Action[] = [];
  const status: CronJobStatus = { ...cronJob.status };
  const active = owned.filter((job) => !isJobFinished(job));
  for (const reference of status.active ?? []) {
    const job = owned.find((j) => j.metadata.uid === reference.uid);
    if (!job) {
      actions.push(event('Normal', 'MissingJob', `Active job went missing: ${reference.name}`));
    } else if (isJobFinished(job)) {
      const how = jobCondition(job, 'Complete') ? 'Complete' : 'Failed';
      actions.push(
        event('Normal', 'SawCompletedJob', `Saw completed job: ${job.metadata.name}, condition: ${how}`),
      );
    }
  }
  for (const job of owned) {
    const at = jobCondition(job, 'Complete') ? job.status?.completionTime : undefined;
    if (at && (!status.lastSuccessfulTime || at > status.lastSuccessfulTime)) status.lastSuccessfulTime = at;
  }
  actions.push(...forgetHistory(cronJob, owned));
  const stay = active.toSorted((a, b) => started(a) - started(b));
  const settle = (running: Job[]): Action => {
    const references = running.map(referenceTo);
    const { active: _, ...rest } = status;
    return setStatus(cronJobs, cronJob, references.length > 0 ? { ...rest, active: references } : rest);
  };
  if (cronJob.metadata.deletionTimestamp || cronJob.spec.suspend) return [...actions, settle(stay)];

  let next: number | undefined;
  let pending: Due;
  try {
    next = nextTime(cronJob.spec.schedule, cronJob.spec.timeZone, nowMs);
    pending = due(cronJob, nowMs);
  } catch (error) {
    const message = `unparseable schedule: ${JSON.stringify(cronJob.spec.schedule)} : ${error instanceof Error ? error.message : error}`;
    return [...actions, event('Warning', 'UnparseableSchedule', message), settle(stay)];
  }
  if (next === undefined) {
    // A day that no month has, as the 31st of February.
    const message = `invalid schedule: ${cronJob.spec.schedule} : time difference between two schedules is less than 1 second`;
    return [...actions, event('Warning', 'InvalidSchedule', message), settle(stay)];
  }
  const again = [requeueAfter(next - nowMs + slackMs)];
  if (pending.missed === 'many') {
    const message =
      'too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew';
    actions.push(event('Warning', 'TooManyMissedTimes', message));
  }
  if (pending.lastMs === undefined) return [...actions, settle(stay), ...again];
  return [...actions, ...start(cronJob, pending.lastMs, owned, stay, status, settle, nowMs), ...again];
}

const referenceTo = (job: Job) => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  name: job.metadata.name,
  namespace: job.metadata.namespace,
  uid: job.metadata.uid,
  resourceVersion: job.metadata.resourceVersion,
});

function start(
  cronJob: CronJob,
  atMs: number,
  owned: Job[],
  active: Job[],
  status: CronJobStatus,
  settle: (running: Job[]) => Action,
  nowMs: number,
): Action[] {
  const { startingDeadlineSeconds, concurrencyPolicy } = cronJob.spec;
  if (startingDeadlineSeconds !== undefined && atMs + startingDeadlineSeconds * 1000 < nowMs) {
    const message = `Missed scheduled time to start a job: ${new Date(atMs).toUTCString()}`;
    return [event('Warning', 'MissSchedule', message), settle(active)];
  }
  const job = jobFor(cronJob, atMs);
  if (owned.some((j) => j.metadata.name === job.metadata.name)) {
    // Made by an earlier try that did not come to writing the status.
    status.lastScheduleTime = time(atMs);
    return [settle(active)];
  }
  if (concurrencyPolicy === 'Forbid' && active.length > 0) {
    return [
      event(
        'Normal',
        'JobAlreadyActive',
        'Not starting job because prior execution is running and concurrency policy is Forbid',
      ),
      settle(active),
    ];
  }
  const replaced = concurrencyPolicy === 'Replace' ? active : [];
  const stay = replaced.length > 0 ? [] : active;
  return [
    ...replaced.map((old) =>
      remove(jobs, old, {
        options: { propagationPolicy: 'Background' },
        done: () => [event('Normal', 'SuccessfulDelete', `Deleted job ${old.metadata.name}`)],
      }),
    ),
    create(jobs, job, {
      done(made: Job) {
        status.lastScheduleTime = time(atMs);
        return [
          event('Normal', 'SuccessfulCreate', `Created job ${made.metadata.name}`),
          settle([...stay, made]),
        ];
      },
      failed: (error) => [event('Warning', 'FailedCreate', `Error creating job: ${error.message}`)],
    }),
  ];
}

/** Named after its time, in minutes: the same time never makes two. */
export function jobFor(cronJob: CronJob, atMs: number): Job {
  const { metadata, spec } = cronJob.spec.jobTemplate;
  const { name, namespace } = cronJob.metadata;
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name: `${name}-${Math.floor(atMs / 60_000)}`,
      namespace,
      ...(metadata?.labels ? { labels: { ...metadata.labels } } : {}),
      annotations: {
        ...metadata?.annotations,
        'batch.kubernetes.io/cronjob-scheduled-timestamp': time(atMs),
      },
      ownerReferences: [controllerReference(cronJobs, cronJob)],
    },
    spec,
  };
}

/** Removes finished jobs, the oldest first, beyond as many as may stay of each sort. */
function forgetHistory({ spec, metadata }: CronJob, owned: Job[]): Action[] {
  if (metadata.deletionTimestamp) return [];
  const beyond = (type: string, limit: number) => {
    const ended = owned.filter((job) => jobCondition(job, type)).sort((a, b) => started(a) - started(b));
    return ended.slice(0, Math.max(0, ended.length - limit));
  };
  const old = [
    ...beyond('Complete', spec.successfulJobsHistoryLimit ?? 3),
    ...beyond('Failed', spec.failedJobsHistoryLimit ?? 1),
  ];
  return old.map((job) =>
    remove(jobs, job, {
      options: { propagationPolicy: 'Background' },
      done: () => [event('Normal', 'SuccessfulDelete', `Deleted job ${job.metadata.name}`)],
    }),
  );
}
