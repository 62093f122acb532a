// What is wrong with a Job's spec, also within a CronJob; and with changes of it.
import { clone, equal } from '../../machinery/meta.ts';
import { dnsLabelProblems } from '../../machinery/names.ts';
import { labelSelectorErrors, labelSelectorMatches } from '../../machinery/selectors.ts';
import { type FieldError, type FieldPath, field } from '../../machinery/status.ts';
import { domainPathErrors, notNegative, oneOf } from '../checks.ts';
import { podTemplateErrors } from '../core/pod-spec-validation.ts';
import type { Affinity, PodTemplateSpec } from '../core/v1.gen.ts';
import { immutable } from '../meta.ts';
import { jobCondition } from './job-conditions.ts';
import { failurePolicyErrors, replacementPolicyErrors, successPolicyErrors } from './job-policies.ts';
import type { Job, JobSpec } from './v1.gen.ts';

const SPEC = field('spec');
const counts = [
  'parallelism',
  'completions',
  'activeDeadlineSeconds',
  'backoffLimit',
  'ttlSecondsAfterFinished',
  'backoffLimitPerIndex',
  'maxFailedIndexes',
] as const;

/** A spec, but for its selector: that of a Job, or of a CronJob's template. */
export function jobSpecErrors(spec: JobSpec, path: FieldPath): FieldError[] {
  const errors = counts.flatMap((name) => notNegative(spec[name], path.child(name)));
  if (spec.maxFailedIndexes !== undefined && spec.backoffLimitPerIndex === undefined)
    errors.push(path.child('backoffLimitPerIndex').required('when maxFailedIndexes is specified'));
  if (spec.managedBy !== undefined) {
    errors.push(...domainPathErrors(spec.managedBy, path.child('managedBy')));
    if (spec.managedBy.length > 63) errors.push(path.child('managedBy').tooLong(63));
  }
  return [
    ...errors,
    ...oneOf(spec.completionMode, ['NonIndexed', 'Indexed'], path.child('completionMode')),
    ...(spec.completionMode === 'Indexed' ? indexedErrors(spec, path) : nonIndexedErrors(spec, path)),
    ...failurePolicyErrors(spec, path.child('podFailurePolicy')),
    ...successPolicyErrors(spec, path.child('successPolicy')),
    ...replacementPolicyErrors(spec, path.child('podReplacementPolicy')),
    ...podTemplateErrors(spec.template, path.child('template')),
    ...restartPolicyErrors(spec, path.child('template', 'spec', 'restartPolicy')),
  ];
}

function indexedErrors(spec: JobSpec, path: FieldPath): FieldError[] {
  const { completions, parallelism = 0, maxFailedIndexes: failed, backoffLimitPerIndex: perIndex } = spec;
  const errors: FieldError[] = [];
  const atMost = (name: keyof JobSpec, value: number, max: number, when = '') => {
    if (value > max)
      errors.push(path.child(name).invalid(value, `must be less than or equal to ${max}${when}`));
  };
  if (completions === undefined)
    errors.push(path.child('completions').required('when completion mode is Indexed'));
  atMost('parallelism', parallelism, 100_000, ' when completion mode is Indexed');
  if (failed !== undefined && completions !== undefined && failed > completions)
    errors.push(path.child('maxFailedIndexes').invalid(failed, 'must be less than or equal to completions'));
  atMost('maxFailedIndexes', failed ?? 0, 100_000);
  if ((completions ?? 0) > 100_000 && perIndex !== undefined) {
    const when = ' when completions are above 100000 and used with backoff limit per index';
    if (failed === undefined)
      errors.push(
        path.child('maxFailedIndexes').required('must be specified when completions is above 100000'),
      );
    atMost('parallelism', parallelism, 10_000, when);
    atMost('maxFailedIndexes', failed ?? 0, 10_000, when);
  }
  return errors;
}

const nonIndexedErrors = (spec: JobSpec, path: FieldPath): FieldError[] =>
  (['backoffLimitPerIndex', 'maxFailedIndexes'] as const).flatMap((name) =>
    spec[name] === undefined
      ? []
      : [path.child(name).invalid(spec[name], 'requires indexed completion mode')],
  );

function restartPolicyErrors({ template, podFailurePolicy }: JobSpec, path: FieldPath): FieldError[] {
  const policy = template?.spec?.restartPolicy;
  if (!policy || policy === 'Always') return [path.required('valid values: "OnFailure", "Never"')];
  if (policy !== 'OnFailure' && policy !== 'Never')
    return [path.notSupported(policy, ['OnFailure', 'Never'])];
  return podFailurePolicy && policy !== 'Never'
    ? [path.invalid(policy, 'only "Never" is supported when podFailurePolicy is specified')]
    : [];
}

export const LABELS = {
  name: ['job-name', 'batch.kubernetes.io/job-name'],
  uid: ['controller-uid', 'batch.kubernetes.io/controller-uid'],
} as const;

/** Labels that a Job's pods carry so that no other Job's selector selects them. */
export const generatedLabels = ({ metadata }: Job): Record<string, string> =>
  Object.fromEntries([
    ...LABELS.uid.map((label) => [label, metadata.uid ?? '']),
    ...LABELS.name.map((label) => [label, metadata.name ?? '']),
  ]);

function generatedSelectorErrors(job: Job): FieldError[] {
  const { selector, manualSelector, template } = job.spec;
  if (manualSelector || !selector) return [];
  const labels = template?.metadata?.labels ?? {};
  const at = SPEC.child('template', 'metadata', 'labels');
  const expected = generatedLabels(job);
  const errors = Object.entries(expected).flatMap(([key, value]) => {
    if (labels[key] === undefined) return [at.key(key).required(`must be '${value}'`)];
    return labels[key] === value ? [] : [at.key(key).invalid(labels, `must be '${value}'`)];
  });
  if (!labelSelectorMatches(selector, expected))
    errors.push(SPEC.child('selector').invalid(selector, '`selector` not auto-generated'));
  return errors;
}

export function jobErrors(job: Job): FieldError[] {
  const { spec, metadata } = job;
  const errors = [...generatedSelectorErrors(job), ...jobSpecErrors(spec, SPEC)];
  const at = SPEC.child('selector');
  if (spec.selector) {
    const labels = spec.template?.metadata?.labels;
    errors.push(...labelSelectorErrors(spec.selector, at));
    if (!labelSelectorMatches(spec.selector, labels))
      errors.push(
        SPEC.child('template', 'metadata', 'labels').invalid(
          labels,
          '`selector` does not match template `labels`',
        ),
      );
  } else errors.push(at.required());
  if (spec.completionMode === 'Indexed' && (spec.completions ?? 0) > 0) {
    // Pods of an indexed Job have hostnames made of its name and their index.
    const longest = `${metadata.name}-${spec.completions! - 1}`;
    if (dnsLabelProblems(longest).length)
      errors.push(
        field('metadata', 'name').invalid(
          metadata.name,
          `will not able to create pod with invalid DNS label: ${longest}`,
        ),
      );
  }
  return errors;
}

/** While a Job is suspended and nothing of it runs, where its pods go and what they request may change (KEP-2926, 5440). */
const isTemplateMutable = (old: Job): boolean =>
  old.spec.suspend === true &&
  (!old.status?.startTime || jobCondition(old, 'Suspended')) &&
  !old.status?.active;

export function jobUpdateErrors({ spec }: Job, old: Job): FieldError[] {
  const at = SPEC.child('completions');
  const errors: FieldError[] = [];
  if (spec.completionMode !== 'Indexed')
    errors.push(...immutable(spec.completions, old.spec.completions, at));
  else if (
    spec.completions !== undefined &&
    spec.completions !== old.spec.completions &&
    spec.completions !== spec.parallelism
  )
    errors.push(at.invalid(spec.completions, 'can only be modified in tandem with spec.parallelism'));
  const template = SPEC.child('template');
  if (isTemplateMutable(old)) {
    const allowed = withDirectives(old.spec.template, spec.template);
    errors.push(...immutable(spec.template.spec, allowed.spec, template.child('spec')));
  } else errors.push(...immutable(spec.template, old.spec.template, template));
  return errors;
}

/** The old template with the new one's scheduling directives and resources. */
function withDirectives(old: PodTemplateSpec, now: PodTemplateSpec): PodTemplateSpec {
  const result = clone(old);
  const spec = result.spec;
  const affinity: Affinity = { ...spec.affinity, nodeAffinity: now.spec.affinity?.nodeAffinity };
  spec.affinity = now.spec.affinity || !equal(affinity, {}) ? affinity : undefined;
  spec.nodeSelector = now.spec.nodeSelector;
  spec.tolerations = now.spec.tolerations;
  spec.schedulingGates = now.spec.schedulingGates;
  for (const list of ['containers', 'initContainers'] as const)
    if (spec[list]?.length === now.spec[list]?.length)
      spec[list]?.forEach((container, i) => {
        const other = now.spec[list]![i]!;
        if (container.name === other.name) container.resources = other.resources;
      });
  return result;
}
