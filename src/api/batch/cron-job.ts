import { type FieldError, field } from '../../machinery/status.ts';
import { defaultTemplate } from '../apps/workload.ts';
import { notNegative, requiredOneOf } from '../checks.ts';
import { kind, since } from '../define.ts';
import { containersColumns, selectorText } from '../workload-columns.ts';
import { defaultFailurePolicy } from './job.ts';
import { jobSpecErrors } from './job-validation.ts';
import { scheduleProblem, timeZoneProblem } from './schedule.ts';
import type { CronJob, CronJobSpec, JobSpec } from './v1.gen.ts';

const SPEC = field('spec');
/** The controller adds `-` and ten digits to make a Job's name. */
const MAX_NAME = 52;

function scheduleErrors({ schedule, timeZone }: CronJobSpec): FieldError[] {
  const at = SPEC.child('schedule');
  if (!schedule) return [at.required()];
  const errors: FieldError[] = [];
  const problem = scheduleProblem(schedule);
  if (problem) errors.push(at.invalid(schedule, problem));
  if (schedule.includes('TZ'))
    errors.push(at.invalid(schedule, 'cannot use TZ or CRON_TZ in schedule, use timeZone field instead'));
  const zone = timeZone === undefined ? undefined : timeZoneProblem(timeZone);
  return zone ? [...errors, SPEC.child('timeZone').invalid(timeZone, zone)] : errors;
}

function templateErrors({ jobTemplate }: CronJobSpec): FieldError[] {
  const at = SPEC.child('jobTemplate', 'spec');
  const { selector, manualSelector } = jobTemplate.spec;
  return [
    ...jobSpecErrors(jobTemplate.spec, at),
    ...(selector ? [at.child('selector').invalid(selector, '`selector` will be auto-generated')] : []),
    ...(manualSelector ? [at.child('manualSelector').notSupported(manualSelector, ['nil', 'false'])] : []),
  ];
}

export const cronJobs = kind<CronJob>({
  facts: 'batch/v1 CronJob',
  defaults(cronJob) {
    cronJob.spec ??= {} as CronJobSpec;
    const { spec } = cronJob;
    spec.jobTemplate ??= {} as CronJobSpec['jobTemplate'];
    spec.jobTemplate.metadata ??= {};
    spec.jobTemplate.spec ??= {} as JobSpec;
    spec.jobTemplate.spec.template = defaultTemplate(spec.jobTemplate.spec.template);
    defaultFailurePolicy(spec.jobTemplate.spec);
    spec.concurrencyPolicy ||= 'Allow';
    spec.suspend ??= false;
    spec.successfulJobsHistoryLimit ??= 3;
    spec.failedJobsHistoryLimit ??= 1;
  },
  prepareCreate(cronJob) {
    cronJob.status = {};
  },
  validate: ({ spec, metadata }) => [
    ...scheduleErrors(spec),
    ...notNegative(spec.startingDeadlineSeconds, SPEC.child('startingDeadlineSeconds')),
    ...requiredOneOf(spec.concurrencyPolicy, ['Allow', 'Forbid', 'Replace'], SPEC.child('concurrencyPolicy')),
    ...templateErrors(spec),
    ...notNegative(spec.successfulJobsHistoryLimit, SPEC.child('successfulJobsHistoryLimit')),
    ...notNegative(spec.failedJobsHistoryLimit, SPEC.child('failedJobsHistoryLimit')),
    ...((metadata.name?.length ?? 0) > MAX_NAME
      ? [field('metadata', 'name').invalid(metadata.name, `must be no more than ${MAX_NAME} characters`)]
      : []),
  ],
  generation: 'spec',
  columns: {
    Schedule: ({ spec }) => spec.schedule,
    Timezone: ({ spec }) => spec.timeZone ?? '<none>',
    Suspend: ({ spec }) => (spec.suspend === undefined ? '<unset>' : spec.suspend ? 'True' : 'False'),
    Active: ({ status }) => status?.active?.length ?? 0,
    'Last Schedule': ({ status }, nowMs) =>
      status?.lastScheduleTime ? since(status.lastScheduleTime, nowMs) : '<none>',
    ...containersColumns<CronJob>(({ spec }) => spec.jobTemplate.spec.template.spec),
    Selector: ({ spec }) => selectorText(spec.jobTemplate.spec.selector),
  },
});
