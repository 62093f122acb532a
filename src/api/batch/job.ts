import { defaultTemplate } from '../apps/workload.ts';
import { humanDuration, kind, since } from '../define.ts';
import { containersColumns, selectorText } from '../workload-columns.ts';
import { jobCondition } from './job-conditions.ts';
import { jobStatusErrors } from './job-status-validation.ts';
import { generatedLabels, jobErrors, jobUpdateErrors, LABELS } from './job-validation.ts';
import type { Job, JobSpec } from './v1.gen.ts';

export { isJobFinished, jobCondition } from './job-conditions.ts';

const MAX_INT32 = 2147483647;

/** What a Job lacks that is not a CronJob's template: there the pod template alone gets its defaults. */
function defaultSpec(spec: JobSpec): void {
  if (spec.completions === undefined && spec.parallelism === undefined) spec.completions = 1;
  spec.parallelism ??= 1;
  spec.backoffLimit ??= spec.backoffLimitPerIndex === undefined ? 6 : MAX_INT32;
  spec.completionMode ??= 'NonIndexed';
  spec.suspend ??= false;
  spec.podReplacementPolicy ??= spec.podFailurePolicy ? 'Failed' : 'TerminatingOrFailed';
  spec.manualSelector ??= false;
}

export function defaultFailurePolicy({ podFailurePolicy }: JobSpec): void {
  for (const { onPodConditions } of podFailurePolicy?.rules ?? [])
    for (const pattern of onPodConditions ?? []) pattern.status ||= 'True';
}

const isNone = (labels: Record<string, string> | undefined): boolean => !Object.keys(labels ?? {}).length;

/** Labels and a selector that no other Job has, made of its uid. */
function generateSelector(job: Job): void {
  const { spec } = job;
  const metadata = (spec.template.metadata ??= {});
  metadata.labels = { ...generatedLabels(job), ...metadata.labels };
  spec.selector ??= {};
  spec.selector.matchLabels = { [LABELS.uid[1]]: job.metadata.uid ?? '', ...spec.selector.matchLabels };
}

function statusText(job: Job): string {
  const has = (type: string) => jobCondition(job, type);
  if (has('Complete')) return 'Complete';
  if (has('Failed')) return 'Failed';
  if (job.metadata.deletionTimestamp) return 'Terminating';
  return ['Suspended', 'FailureTarget', 'SuccessCriteriaMet'].find(has) ?? 'Running';
}

function completionsText({ spec, status }: Job): string {
  const done = status?.succeeded ?? 0;
  if (spec.completions !== undefined) return `${done}/${spec.completions}`;
  return (spec.parallelism ?? 0) > 1 ? `${done}/1 of ${spec.parallelism}` : `${done}/1`;
}

function durationText({ status }: Job, nowMs: number): string {
  if (!status?.startTime) return '';
  return status.completionTime
    ? humanDuration(Date.parse(status.completionTime) - Date.parse(status.startTime))
    : since(status.startTime, nowMs);
}

export const jobs = kind<Job>({
  facts: 'batch/v1 Job',
  defaults(job) {
    job.spec ??= {} as JobSpec;
    job.spec.template = defaultTemplate(job.spec.template);
    defaultSpec(job.spec);
    defaultFailurePolicy(job.spec);
    // A new Job, which has no uid yet, gets its labels with those that are generated.
    const { labels } = job.spec.template.metadata!;
    if (job.metadata.uid && labels && isNone(job.metadata.labels)) job.metadata.labels = { ...labels };
  },
  prepareCreate(job) {
    job.status = {};
    if (!job.spec.manualSelector) generateSelector(job);
    const labels = job.spec.template.metadata?.labels;
    if (labels && isNone(job.metadata.labels)) job.metadata.labels = { ...labels };
  },
  validate: jobErrors,
  validateUpdate: jobUpdateErrors,
  validateStatus: jobStatusErrors,
  immutable: [
    'spec.selector',
    'spec.completionMode',
    'spec.podFailurePolicy',
    'spec.backoffLimitPerIndex',
    'spec.managedBy',
    'spec.successPolicy',
  ],
  generation: 'spec',
  fieldSelectors: { 'status.successful': ({ status }) => String(status?.succeeded ?? 0) },
  columns: {
    Status: statusText,
    Completions: completionsText,
    Duration: durationText,
    ...containersColumns<Job>(({ spec }) => spec.template.spec),
    Selector: ({ spec }) => selectorText(spec.selector),
  },
});
