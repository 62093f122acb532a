// What is wrong with a Job's policies about failure, success and replacement of pods.
// https://kubernetes.io/docs/concepts/workloads/controllers/job/
import { qualifiedNameProblems } from '../../machinery/names.ts';
import type { FieldError, FieldPath } from '../../machinery/status.ts';
import { notNegative, oneOf, problems } from '../checks.ts';
import { countIndexes, parseIndexes } from './indexes.ts';
import type {
  JobSpec,
  PodFailurePolicyOnExitCodesRequirement,
  PodFailurePolicyRule,
  SuccessPolicyRule,
} from './v1.gen.ts';

const MAX_RULES = 20;
const MAX_EXIT_CODES = 255;
const actions = ['Count', 'FailIndex', 'FailJob', 'Ignore'];
const statuses = ['False', 'True', 'Unknown'];
const quoted = (words: readonly string[]): string =>
  `valid values: [${words.map((w) => JSON.stringify(w)).join(' ')}]`;

/** A word that has to be there, and one of a few. */
const word = (value: string | undefined, allowed: readonly string[], path: FieldPath): FieldError[] =>
  value ? oneOf(value, allowed, path) : [path.required(quoted(allowed))];

export function replacementPolicyErrors(spec: JobSpec, path: FieldPath): FieldError[] {
  return oneOf(
    spec.podReplacementPolicy,
    spec.podFailurePolicy ? ['Failed'] : ['Failed', 'TerminatingOrFailed'],
    path,
  );
}

export function failurePolicyErrors(spec: JobSpec, path: FieldPath): FieldError[] {
  if (!spec.podFailurePolicy) return [];
  const at = path.child('rules');
  const rules = spec.podFailurePolicy.rules ?? [];
  const { containers = [], initContainers = [] } = spec.template?.spec ?? {};
  const names = new Set([...containers, ...initContainers].map(({ name }) => name));
  return [
    ...(rules.length > MAX_RULES ? [at.tooMany(rules.length, MAX_RULES)] : []),
    ...rules.flatMap((rule, i) => failureRuleErrors(rule, spec, names, at.child(i))),
  ];
}

function failureRuleErrors(
  rule: PodFailurePolicyRule,
  spec: JobSpec,
  names: Set<string>,
  path: FieldPath,
): FieldError[] {
  const errors = word(rule.action, actions, path.child('action'));
  if (rule.action === 'FailIndex' && spec.backoffLimitPerIndex === undefined)
    errors.push(path.child('action').invalid(rule.action, 'requires the backoffLimitPerIndex to be set'));
  const { onExitCodes, onPodConditions = [] } = rule;
  if (onExitCodes) errors.push(...exitCodesErrors(onExitCodes, names, path.child('onExitCodes')));
  const at = path.child('onPodConditions');
  if (onPodConditions.length > MAX_RULES) errors.push(at.tooMany(onPodConditions.length, MAX_RULES));
  onPodConditions.forEach(({ type, status }, i) => {
    errors.push(
      ...problems(qualifiedNameProblems(type ?? ''), type, at.child(i, 'type')),
      ...word(status, statuses, at.child(i, 'status')),
    );
  });
  if (onExitCodes && onPodConditions.length)
    errors.push(path.wrong('specifying both OnExitCodes and OnPodConditions is not supported'));
  if (!onExitCodes && !onPodConditions.length)
    errors.push(path.wrong('specifying one of OnExitCodes and OnPodConditions is required'));
  return errors;
}

function exitCodesErrors(
  { operator, containerName, values = [] }: PodFailurePolicyOnExitCodesRequirement,
  names: Set<string>,
  path: FieldPath,
): FieldError[] {
  const errors = word(operator, ['In', 'NotIn'], path.child('operator'));
  if (containerName !== undefined && !names.has(containerName))
    errors.push(
      path
        .child('containerName')
        .invalid(containerName, 'must be one of the container or initContainer names in the pod template'),
    );
  const at = path.child('values');
  if (!values.length) errors.push(at.invalid(values, 'at least one value is required'));
  if (values.length > MAX_EXIT_CODES) errors.push(at.tooMany(values.length, MAX_EXIT_CODES));
  values.forEach((value, i) => {
    if (operator === 'In' && value === 0)
      errors.push(at.child(i).invalid(value, 'must not be 0 for the In operator'));
    if (values.indexOf(value) < i) errors.push(at.child(i).duplicate(value));
  });
  if (values.some((value, i) => i > 0 && values[i - 1]! > value))
    errors.push(at.invalid(values, 'must be ordered'));
  return errors;
}

export function successPolicyErrors(spec: JobSpec, path: FieldPath): FieldError[] {
  if (!spec.successPolicy) return [];
  if (spec.completionMode !== 'Indexed')
    return [path.invalid(spec.successPolicy, 'requires indexed completion mode')];
  const at = path.child('rules');
  const rules = spec.successPolicy.rules ?? [];
  return [
    ...(rules.length
      ? []
      : [at.required('at least one rules must be specified when the successPolicy is specified')]),
    ...(rules.length > MAX_RULES ? [at.tooMany(rules.length, MAX_RULES)] : []),
    ...rules.flatMap((rule, i) => successRuleErrors(rule, spec.completions ?? 0, at.child(i))),
  ];
}

function successRuleErrors(
  { succeededCount: count, succeededIndexes: indexes }: SuccessPolicyRule,
  completions: number,
  path: FieldPath,
): FieldError[] {
  const errors: FieldError[] = [];
  if (count === undefined && indexes === undefined)
    errors.push(path.required('at least one of succeededCount or succeededIndexes must be specified'));
  let total = 0;
  if (indexes !== undefined) {
    const at = path.child('succeededIndexes');
    if (indexes.length > 64 * 1024) errors.push(at.tooLong(64 * 1024));
    const ranges = parseIndexes(indexes, completions);
    if (typeof ranges === 'string')
      errors.push(at.invalid(indexes, `error parsing succeededIndexes: ${ranges}`));
    else total = countIndexes(ranges);
  }
  const at = path.child('succeededCount');
  errors.push(...notNegative(count, at));
  if (count !== undefined && count > completions)
    errors.push(
      at.invalid(count, `must be less than or equal to ${completions} (the number of specified completions)`),
    );
  if (count !== undefined && indexes !== undefined && count > total)
    errors.push(
      at.invalid(
        count,
        `must be less than or equal to ${total} (the number of indexes in the specified succeededIndexes field)`,
      ),
    );
  return errors;
}
