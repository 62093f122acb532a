import { dnsSubdomainProblems } from '../../machinery/names.ts';
import { labelsErrors } from '../../machinery/selectors.ts';
import { type FieldError, field } from '../../machinery/status.ts';
import { notNegative, problems, requiredOneOf } from '../checks.ts';
import { kind, since } from '../define.ts';
import { annotationsErrors } from '../meta.ts';
import { containersColumns, selectorText } from '../workload-columns.ts';
import { defaultJobTemplate, jobSpecErrors } from './job-spec.ts';
import { scheduleProblem } from './schedule.ts';
import type { CronJob } from './v1.gen.ts';

const SPEC = field('spec');
const TEMPLATE = SPEC.child('jobTemplate');

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false; // which is the answer
  }
}

function scheduleErrors({ spec: { schedule, timeZone } }: CronJob): FieldError[] {
  const at = SPEC.child('schedule');
  if (!schedule) return [at.required()];
  const errors: FieldError[] = [];
  const problem = scheduleProblem(schedule);
  if (problem) errors.push(at.invalid(schedule, problem));
  if (schedule.includes('TZ'))
    errors.push(
      at.invalid(
        schedule,
        timeZone === undefined
          ? 'cannot use TZ or CRON_TZ in schedule, use timeZone field instead'
          : 'cannot use both timeZone field and TZ or CRON_TZ in schedule',
      ),
    );
  if (timeZone === undefined) return errors;
  const zone = SPEC.child('timeZone');
  if (!timeZone) errors.push(zone.invalid(timeZone, 'timeZone must be nil or non-empty string'));
  else if (timeZone.toLowerCase() === 'local')
    errors.push(
      zone.invalid(
        timeZone,
        'timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones',
      ),
    );
  else if (!isTimeZone(timeZone)) errors.push(zone.invalid(timeZone, `unknown time zone ${timeZone}`));
  return errors;
}

function templateErrors({ spec: { jobTemplate } }: CronJob): FieldError[] {
  const at = TEMPLATE.child('spec');
  if (!jobTemplate?.spec) return [at.required()];
  const { spec, metadata } = jobTemplate;
  return [
    ...labelsErrors(metadata?.labels, TEMPLATE.child('metadata', 'labels')),
    ...annotationsErrors(metadata?.annotations ?? {}, TEMPLATE.child('metadata', 'annotations')),
    ...jobSpecErrors(spec, at),
    ...(spec.selector
      ? [at.child('selector').invalid(spec.selector, '`selector` will be auto-generated')]
      : []),
    ...(spec.manualSelector ? [at.child('manualSelector').notSupported(true, ['nil', 'false'])] : []),
  ];
}

export const cronJobs = kind<CronJob>({
  facts: 'batch/v1 CronJob',
  defaults({ spec }) {
    spec.concurrencyPolicy ||= 'Allow';
    spec.suspend ??= false;
    spec.successfulJobsHistoryLimit ??= 3;
    spec.failedJobsHistoryLimit ??= 1;
    if (spec.jobTemplate?.spec) defaultJobTemplate(spec.jobTemplate.spec);
  },
  prepareCreate(cron) {
    cron.status = {};
  },
  validate: (cron) => [
    ...problems(
      (cron.metadata.name?.length ?? 0) > 52 && !dnsSubdomainProblems(cron.metadata.name!).length
        ? ['must be no more than 52 characters']
        : [],
      cron.metadata.name,
      field('metadata', 'name'),
    ),
    ...scheduleErrors(cron),
    ...notNegative(cron.spec.startingDeadlineSeconds, SPEC.child('startingDeadlineSeconds')),
    ...notNegative(cron.spec.successfulJobsHistoryLimit, SPEC.child('successfulJobsHistoryLimit')),
    ...notNegative(cron.spec.failedJobsHistoryLimit, SPEC.child('failedJobsHistoryLimit')),
    ...requiredOneOf(
      cron.spec.concurrencyPolicy,
      ['Allow', 'Forbid', 'Replace'],
      SPEC.child('concurrencyPolicy'),
    ),
    ...templateErrors(cron),
  ],
  columns: {
    Schedule: ({ spec }) => spec.schedule,
    Timezone: ({ spec }) => spec.timeZone ?? '<none>',
    Suspend: ({ spec }) => (spec.suspend ? 'True' : 'False'),
    Active: ({ status }) => status?.active?.length ?? 0,
    'Last Schedule': ({ status }, nowMs) =>
      status?.lastScheduleTime ? since(status.lastScheduleTime, nowMs) : '<none>',
    ...containersColumns<CronJob>(({ spec }) => spec.jobTemplate?.spec?.template?.spec),
    Selector: ({ spec }) => selectorText(spec.jobTemplate?.spec?.selector),
  },
});
