// What a Job's status must not become. Each rule looks only at what this write changes: a spec that was changed since
// may have made the rest wrong for a while. https://kep.k8s.io/4368
import { equal } from '../../machinery/meta.ts';
import { type FieldError, field } from '../../machinery/status.ts';
import { notNegative } from '../checks.ts';
import { commonIndex, parseIndexes } from './indexes.ts';
import { jobCondition as has, isJobFinished } from './job-conditions.ts';
import type { Job, JobStatus } from './v1.gen.ts';

const STATUS = field('status');

export function jobStatusErrors(job: Job, old: Job): FieldError[] {
  const now = job.status ?? {};
  const before = old.status ?? {};
  const changed = (...names: (keyof JobStatus)[]) => names.some((name) => !equal(now[name], before[name]));
  const flipped = (...types: string[]) => types.some((type) => has(job, type) !== has(old, type));
  const ended = isJobFinished(job) !== isJobFinished(old);
  return [
    ...(['active', 'succeeded', 'failed', 'ready', 'terminating'] as const).flatMap((name) =>
      notNegative(now[name], STATUS.child(name)),
    ),
    ...uncountedErrors(now),
    ...conditionErrors(job, old, flipped, changed('failedIndexes')),
    ...timeErrors(job, old, flipped, changed, ended),
    ...finishedErrors(job, changed, ended),
    ...indexErrors(job, changed('completedIndexes'), changed('failedIndexes')),
    ...counterErrors(job, old, changed('ready', 'active')),
  ];
}

type Changed = (...names: (keyof JobStatus)[]) => boolean;
type Flipped = (...types: string[]) => boolean;

function uncountedErrors({ uncountedTerminatedPods: pods }: JobStatus): FieldError[] {
  const seen = new Set<string>();
  return (['succeeded', 'failed'] as const).flatMap((list) =>
    (pods?.[list] ?? []).flatMap((uid, i) => {
      const at = STATUS.child('uncountedTerminatedPods', list, i);
      if (!uid) return [at.invalid(uid, 'must not be empty')];
      const duplicate = seen.has(uid);
      seen.add(uid);
      return duplicate ? [at.duplicate(uid)] : [];
    }),
  );
}

function conditionErrors(job: Job, old: Job, flipped: Flipped, newFailures: boolean): FieldError[] {
  const complete = has(job, 'Complete');
  const failed = has(job, 'Failed');
  const failing = has(job, 'FailureTarget');
  const met = has(job, 'SuccessCriteriaMet');
  const rules: [boolean, string][] = [
    [
      flipped('Complete', 'Failed') && complete && failed,
      'cannot set Complete=True and Failed=true conditions',
    ],
    [
      flipped('Complete', 'FailureTarget') && complete && failing,
      'cannot set Complete=True and FailureTarget=true conditions',
    ],
    [
      (flipped('Failed') || newFailures) && failed && !failing,
      'cannot set Failed=True condition without the FailureTarget=true condition',
    ],
    [
      flipped('Complete', 'SuccessCriteriaMet') && complete && !met,
      'cannot set Complete=True condition without the SuccessCriteriaMet=true condition',
    ],
    [met && failed, 'cannot set SuccessCriteriaMet=True and Failed=true conditions'],
    [met && failing, 'cannot set SuccessCriteriaMet=True and FailureTarget=true conditions'],
    [
      Boolean(job.spec.successPolicy) && complete && !met,
      'cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True',
    ],
    ...['Failed', 'Complete', 'FailureTarget'].map((type): [boolean, string] => [
      has(old, type) && !has(job, type),
      `cannot disable the terminal ${type}=True condition`,
    ]),
    [has(old, 'SuccessCriteriaMet') && !met, 'cannot disable the SuccessCriteriaMet=True condition'],
    [
      has(old, 'Complete') && !has(old, 'SuccessCriteriaMet') && met,
      'cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions',
    ],
  ];
  return rules.filter(([broken]) => broken).map(([, message]) => STATUS.child('conditions').wrong(message));
}

function timeErrors(job: Job, old: Job, flipped: Flipped, changed: Changed, ended: boolean): FieldError[] {
  const { startTime, completionTime } = job.status ?? {};
  const before = old.status ?? {};
  const complete = has(job, 'Complete');
  const errors: FieldError[] = [];
  const completion = STATUS.child('completionTime');
  const start = STATUS.child('startTime');
  if (flipped('Complete') || changed('completionTime')) {
    if (completionTime && !complete)
      errors.push(
        completion.invalid(
          completionTime,
          'cannot set completionTime when there is no Complete=True condition',
        ),
      );
    if (!completionTime && complete)
      errors.push(completion.required('completionTime is required for Complete jobs'));
  }
  if (changed('startTime', 'completionTime') && startTime && completionTime)
    if (Date.parse(completionTime) < Date.parse(startTime))
      errors.push(completion.invalid(completionTime, 'must be equal to or after `startTime`'));
  if (completionTime && before.completionTime && completionTime !== before.completionTime)
    errors.push(completion.invalid(completionTime, 'field is immutable'));
  const suspendedWithNone = job.spec.suspend === true && job.spec.completions === 0;
  if ((ended || changed('startTime')) && !suspendedWithNone && !startTime && isJobFinished(job))
    errors.push(start.required('startTime is required for finished job'));
  const resuming = has(old, 'Suspended') && has(job, 'Suspended', 'False');
  if (before.startTime && startTime !== before.startTime && !resuming && !job.spec.suspend)
    errors.push(start.invalid(startTime, 'field is immutable for unsuspended job once set'));
  return errors;
}

function finishedErrors(job: Job, changed: Changed, ended: boolean): FieldError[] {
  if (!isJobFinished(job)) return [];
  const { active = 0, terminating = 0, uncountedTerminatedPods: pods } = job.status ?? {};
  const errors: FieldError[] = [];
  if ((ended || changed('active')) && active > 0)
    errors.push(STATUS.child('active').invalid(active, 'active>0 is invalid for finished job'));
  if ((ended || changed('terminating')) && terminating > 0)
    errors.push(
      STATUS.child('terminating').invalid(terminating, 'terminating>0 is invalid for finished job'),
    );
  if ((ended || changed('uncountedTerminatedPods')) && (pods?.failed?.length || pods?.succeeded?.length))
    errors.push(STATUS.child('uncountedTerminatedPods').invalid(pods, 'must be empty for finished job'));
  return errors;
}

function indexErrors(
  { spec, status = {} }: Job,
  completedChanged: boolean,
  failedChanged: boolean,
): FieldError[] {
  const { completedIndexes: completed = '', failedIndexes: failed } = status;
  const { completions, backoffLimitPerIndex: perIndex } = spec;
  const errors: FieldError[] = [];
  const atCompleted = STATUS.child('completedIndexes');
  const atFailed = STATUS.child('failedIndexes');
  const done = parseIndexes(completed, completions ?? 0);
  const lost = parseIndexes(failed ?? '', completions ?? 0);
  if (completedChanged && completions !== undefined && typeof done === 'string')
    errors.push(atCompleted.invalid(completed, `error parsing completedIndexes: ${done}`));
  if (failedChanged && completions !== undefined && perIndex !== undefined && typeof lost === 'string')
    errors.push(atFailed.invalid(failed, `error parsing failedIndexes: ${lost}`));
  if (completedChanged && completed && spec.completionMode !== 'Indexed')
    errors.push(
      atCompleted.invalid(
        completed,
        'cannot set non-empty completedIndexes when non-indexed completion mode',
      ),
    );
  if (failedChanged && failed !== undefined && perIndex === undefined)
    errors.push(
      atFailed.invalid(failed, 'cannot set non-null failedIndexes when backoffLimitPerIndex is null'),
    );
  if ((completedChanged || failedChanged) && typeof done !== 'string' && typeof lost !== 'string') {
    const both = commonIndex(done, lost);
    if (both !== undefined)
      errors.push(atFailed.invalid(failed, `failedIndexes and completedIndexes overlap at index: ${both}`));
  }
  return errors;
}

function counterErrors(
  { spec, status = {} }: Job,
  { status: before = {} }: Job,
  podsChanged: boolean,
): FieldError[] {
  const errors: FieldError[] = [];
  const { ready = 0, active = 0, failed = 0, succeeded = 0 } = status;
  if (podsChanged && ready > active)
    errors.push(STATUS.child('ready').invalid(ready, 'cannot set more ready pods than active'));
  if (failed < (before.failed ?? 0))
    errors.push(STATUS.child('failed').invalid(failed, 'cannot decrease the failed counter'));
  // An indexed Job that is scaled down loses what it had done above its new end.
  const elastic = spec.completionMode === 'Indexed' && spec.completions === spec.parallelism;
  if (succeeded < (before.succeeded ?? 0) && !elastic)
    errors.push(STATUS.child('succeeded').invalid(succeeded, 'cannot decrease the succeeded counter'));
  return errors;
}
