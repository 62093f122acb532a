// What is wrong with a job's spec; also in the template of a CronJob.
import { labelSelectorErrors, labelSelectorMatches } from '../../machinery/selectors.ts';
import type { FieldError, FieldPath } from '../../machinery/status.ts';
import { notNegative, oneOf, requiredOneOf } from '../checks.ts';
import { defaultPodSpec } from '../core/pod-spec-defaults.ts';
import { podTemplateErrors } from '../core/pod-spec-validation.ts';
import type { JobSpec, PodFailurePolicyRule } from './v1.gen.ts';

const MAX_INT32 = 2147483647;

export function defaultJobSpec(spec: JobSpec): void {
  if (spec.completions === undefined && spec.parallelism === undefined) spec.completions = 1;
  spec.parallelism ??= 1;
  spec.backoffLimit ??= spec.backoffLimitPerIndex === undefined ? 6 : MAX_INT32;
  spec.completionMode ??= 'NonIndexed';
  spec.suspend ??= false;
  spec.podReplacementPolicy ??= spec.podFailurePolicy ? 'Failed' : 'TerminatingOrFailed';
  spec.manualSelector ??= false;
  for (const rule of spec.podFailurePolicy?.rules ?? [])
    for (const pattern of rule.onPodConditions ?? []) pattern.status ||= 'True';
}

/** Templates get the defaults of pod specs, jobs or not. */
export const defaultJobTemplate = (spec: JobSpec): void => {
  if (spec.template?.spec) defaultPodSpec(spec.template.spec);
};

function ruleErrors(
  spec: JobSpec,
  rule: PodFailurePolicyRule,
  names: string[],
  path: FieldPath,
): FieldError[] {
  const actions = ['Count', 'FailIndex', 'FailJob', 'Ignore'];
  const errors = requiredOneOf(rule.action, actions, path.child('action'));
  if (rule.action === 'FailIndex' && spec.backoffLimitPerIndex === undefined)
    errors.push(path.child('action').invalid(rule.action, 'requires the backoffLimitPerIndex to be set'));
  const { onExitCodes, onPodConditions } = rule;
  if (onExitCodes) {
    const at = path.child('onExitCodes');
    const { operator, values = [], containerName } = onExitCodes;
    errors.push(...requiredOneOf(operator, ['In', 'NotIn'], at.child('operator')));
    if (containerName && !names.includes(containerName))
      errors.push(
        at
          .child('containerName')
          .invalid(containerName, 'must be one of the container or initContainer names in the pod template'),
      );
    if (!values.length) errors.push(at.child('values').invalid(values, 'at least one value is required'));
    if (values.length > 255) errors.push(at.child('values').tooMany(values.length, 255));
    values.forEach((value, i) => {
      if (operator === 'In' && value === 0)
        errors.push(at.child('values', i).invalid(value, 'must not be 0 for the In operator'));
      if (values.indexOf(value) < i) errors.push(at.child('values', i).duplicate(value));
    });
    if (values.some((value, i) => i > 0 && value < values[i - 1]!))
      errors.push(at.child('values').invalid(values, 'must be ordered'));
  }
  onPodConditions?.forEach(({ status }, i) => {
    errors.push(
      ...requiredOneOf(status, ['False', 'True', 'Unknown'], path.child('onPodConditions', i, 'status')),
    );
  });
  if (onExitCodes && onPodConditions?.length)
    errors.push(path.invalid(rule, 'specifying both OnExitCodes and OnPodConditions is not supported'));
  if (!onExitCodes && !onPodConditions?.length)
    errors.push(path.invalid(rule, 'specifying one of OnExitCodes and OnPodConditions is required'));
  return errors;
}

function indexedErrors(spec: JobSpec, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  const { completionMode, completions, parallelism, backoffLimitPerIndex, maxFailedIndexes, successPolicy } =
    spec;
  if (completionMode === 'Indexed') {
    if (completions === undefined)
      errors.push(path.child('completions').required('when completion mode is Indexed'));
    if ((parallelism ?? 0) > 100_000)
      errors.push(
        path
          .child('parallelism')
          .invalid(parallelism, 'must be less than or equal to 100000 when completion mode is Indexed'),
      );
    if (maxFailedIndexes !== undefined && completions !== undefined && maxFailedIndexes > completions)
      errors.push(
        path.child('maxFailedIndexes').invalid(maxFailedIndexes, 'must be less than or equal to completions'),
      );
    return errors;
  }
  for (const [name, value] of Object.entries({ backoffLimitPerIndex, maxFailedIndexes, successPolicy }))
    if (value !== undefined) errors.push(path.child(name).invalid(value, 'requires indexed completion mode'));
  return errors;
}

/** Everything but the selector, which jobs get from the server. */
export function jobSpecErrors(spec: JobSpec, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  for (const name of [
    'parallelism',
    'completions',
    'activeDeadlineSeconds',
    'backoffLimit',
    'ttlSecondsAfterFinished',
    'backoffLimitPerIndex',
    'maxFailedIndexes',
  ] as const)
    errors.push(...notNegative(spec[name], path.child(name)));
  if (spec.maxFailedIndexes !== undefined && spec.backoffLimitPerIndex === undefined)
    errors.push(path.child('backoffLimitPerIndex').required('when maxFailedIndexes is specified'));
  errors.push(
    ...oneOf(spec.completionMode, ['NonIndexed', 'Indexed'], path.child('completionMode')),
    ...indexedErrors(spec, path),
    ...oneOf(
      spec.podReplacementPolicy,
      spec.podFailurePolicy ? ['Failed'] : ['Failed', 'TerminatingOrFailed'],
      path.child('podReplacementPolicy'),
    ),
    ...podTemplateErrors(spec.template, path.child('template')),
  );
  const policy = spec.template?.spec?.restartPolicy;
  const at = path.child('template', 'spec', 'restartPolicy');
  if (policy === 'Always') errors.push(at.required('valid values: "OnFailure", "Never"'));
  else if (policy && policy !== 'OnFailure' && policy !== 'Never')
    errors.push(at.notSupported(policy, ['OnFailure', 'Never']));
  else if (spec.podFailurePolicy && policy !== 'Never')
    errors.push(at.invalid(policy, 'only "Never" is supported when podFailurePolicy is specified'));
  const names = [
    ...(spec.template?.spec?.containers ?? []),
    ...(spec.template?.spec?.initContainers ?? []),
  ].map((c) => c.name);
  spec.podFailurePolicy?.rules?.forEach((rule, i) => {
    errors.push(...ruleErrors(spec, rule, names, path.child('podFailurePolicy', 'rules', i)));
  });
  if (spec.successPolicy && !spec.successPolicy.rules?.length)
    errors.push(
      path
        .child('successPolicy', 'rules')
        .required('at least one rules must be specified when the successPolicy is specified'),
    );
  spec.successPolicy?.rules?.forEach((rule, i) => {
    const where = path.child('successPolicy', 'rules', i);
    if (rule.succeededCount === undefined && rule.succeededIndexes === undefined)
      errors.push(where.required('at least one of succeededCount or succeededIndexes must be specified'));
    else if (
      rule.succeededCount !== undefined &&
      spec.completions !== undefined &&
      rule.succeededCount > spec.completions
    )
      errors.push(
        where
          .child('succeededCount')
          .invalid(
            rule.succeededCount,
            `must be less than or equal to ${spec.completions} (the number of specified completions)`,
          ),
      );
  });
  return errors;
}

export function jobSelectorErrors({ selector, template }: JobSpec, path: FieldPath): FieldError[] {
  if (!selector) return [path.child('selector').required()];
  const labels = template?.metadata?.labels ?? {};
  return [
    ...labelSelectorErrors(selector, path.child('selector')),
    ...(labelSelectorMatches(selector, labels)
      ? []
      : [
          path
            .child('template', 'metadata', 'labels')
            .invalid(labels, '`selector` does not match template `labels`'),
        ]),
  ];
}
