import { clone, equal } from '../../machinery/meta.ts';
import { type FieldError, field } from '../../machinery/status.ts';
import { humanDuration, kind } from '../define.ts';
import { immutable } from '../meta.ts';
import { containersColumns, selectorText } from '../workload-columns.ts';
import { defaultJobSpec, defaultJobTemplate, jobSelectorErrors, jobSpecErrors } from './job-spec.ts';
import type { Job, JobSpec } from './v1.gen.ts';

const SPEC = field('spec');
const PREFIX = 'batch.kubernetes.io/';

export const jobCondition = ({ status }: Job, type: string): boolean =>
  status?.conditions?.some((c) => c.type === type && c.status === 'True') ?? false;
export const isJobFinished = (job: Job): boolean =>
  jobCondition(job, 'Complete') || jobCondition(job, 'Failed');

/** A job selects its pods by its own uid, unless the user selects by hand. */
function generateSelector({ spec, metadata }: Job): void {
  const uid = metadata.uid!;
  const name = metadata.name!;
  if (spec.manualSelector || !spec.template) return;
  spec.template.metadata ??= {};
  spec.template.metadata.labels = {
    ...spec.template.metadata.labels,
    'controller-uid': uid,
    'job-name': name,
    [`${PREFIX}controller-uid`]: uid,
    [`${PREFIX}job-name`]: name,
  };
  spec.selector ??= { matchLabels: {} };
  spec.selector.matchLabels = { ...spec.selector.matchLabels, [`${PREFIX}controller-uid`]: uid };
}

/** What a job that has never started may still change in its template: where its pods go (KEP-2926). */
function withoutDirectives(spec: JobSpec): unknown {
  const template = clone(spec.template);
  const pod = template.spec!;
  for (const name of ['nodeSelector', 'tolerations', 'schedulingGates'] as const) delete pod[name];
  if (pod.affinity) delete pod.affinity.nodeAffinity;
  if (pod.affinity && !Object.keys(pod.affinity).length) delete pod.affinity;
  for (const container of [...pod.containers, ...(pod.initContainers ?? [])]) delete container.resources;
  delete template.metadata?.labels;
  delete template.metadata?.annotations;
  if (template.metadata && !Object.keys(template.metadata).length) delete template.metadata;
  return template;
}

function changeErrors(job: Job, old: Job): FieldError[] {
  const { spec } = job;
  const before = old.spec;
  const errors: FieldError[] = [];
  if (spec.completions !== before.completions) {
    const at = SPEC.child('completions');
    if (
      spec.completionMode !== 'Indexed' ||
      spec.completions === undefined ||
      before.completions === undefined
    )
      errors.push(...immutable(spec.completions, before.completions, at));
    else if (spec.completions !== spec.parallelism)
      errors.push(at.invalid(spec.completions, 'can only be modified in tandem with spec.parallelism'));
  }
  errors.push(...immutable(spec.selector, before.selector, SPEC.child('selector')));
  const held = before.suspend === true && !old.status?.startTime;
  const sameTemplate = equal(spec.template, before.template);
  if (!sameTemplate && !(held && equal(withoutDirectives(spec), withoutDirectives(before))))
    errors.push(...immutable(spec.template, before.template, SPEC.child('template')));
  for (const name of [
    'completionMode',
    'podFailurePolicy',
    'backoffLimitPerIndex',
    'managedBy',
    'successPolicy',
  ] as const)
    errors.push(...immutable(spec[name], before[name], SPEC.child(name)));
  return errors;
}

function statusErrors(job: Job, old: Job): FieldError[] {
  const errors: FieldError[] = [];
  const at = field('status');
  const { status = {} } = job;
  const complete = jobCondition(job, 'Complete');
  if (complete && jobCondition(job, 'Failed'))
    errors.push(
      at
        .child('conditions')
        .invalid(status.conditions, 'cannot set Complete=True and Failed=true conditions'),
    );
  if (status.completionTime && !complete)
    errors.push(
      at
        .child('completionTime')
        .invalid(status.completionTime, 'cannot set completionTime when there is no Complete=True condition'),
    );
  for (const type of ['Complete', 'Failed'])
    if (jobCondition(old, type) && !jobCondition(job, type))
      errors.push(
        at
          .child('conditions')
          .invalid(status.conditions ?? [], `cannot disable the terminal ${type}=True condition`),
      );
  return errors;
}

function completions({ spec, status }: Job): string {
  const done = status?.succeeded ?? 0;
  if (spec.completions !== undefined) return `${done}/${spec.completions}`;
  return (spec.parallelism ?? 0) > 1 ? `${done}/1 of ${spec.parallelism}` : `${done}/1`;
}

function state(job: Job): string {
  if (jobCondition(job, 'Complete')) return 'Complete';
  if (jobCondition(job, 'Failed')) return 'Failed';
  if (job.metadata.deletionTimestamp) return 'Terminating';
  return (
    ['Suspended', 'FailureTarget', 'SuccessCriteriaMet'].find((type) => jobCondition(job, type)) ?? 'Running'
  );
}

function duration({ status }: Job, nowMs: number): string {
  if (!status?.startTime) return '';
  const end = status.completionTime ? Date.parse(status.completionTime) : nowMs;
  return humanDuration(end - Date.parse(status.startTime));
}

export const jobs = kind<Job>({
  facts: 'batch/v1 Job',
  defaults(job) {
    defaultJobSpec(job.spec);
    defaultJobTemplate(job.spec);
    const labels = job.spec.template?.metadata?.labels;
    if (labels && !Object.keys(job.metadata.labels ?? {}).length) job.metadata.labels = { ...labels };
  },
  prepareCreate(job) {
    job.status = {};
    generateSelector(job);
  },
  validate: ({ spec }) => [...jobSpecErrors(spec, SPEC), ...jobSelectorErrors(spec, SPEC)],
  validateUpdate: changeErrors,
  validateStatus: statusErrors,
  fieldSelectors: { 'status.successful': ({ status }) => String(status?.succeeded ?? 0) },
  columns: {
    Status: state,
    Completions: completions,
    Duration: duration,
    ...containersColumns<Job>(({ spec }) => spec.template?.spec),
    Selector: ({ spec }) => selectorText(spec.selector),
  },
});
