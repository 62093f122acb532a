// Where a pod may go: node selectors, affinity, tolerations, spreading.
import {
  dnsLabelProblems,
  dnsSubdomainProblems,
  labelValueProblems,
  qualifiedNameProblems,
} from '../../machinery/names.ts';
import { labelSelectorErrors } from '../../machinery/selectors.ts';
import type { FieldError, FieldPath } from '../../machinery/status.ts';
import { oneOf, problems, requiredOneOf } from '../checks.ts';
import type {
  Affinity,
  NodeSelector,
  NodeSelectorRequirement,
  NodeSelectorTerm,
  PodAffinityTerm,
  Toleration,
  TopologySpreadConstraint,
} from './v1.gen.ts';

const effects = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];

export function tolerationsErrors(tolerations: Toleration[] | undefined, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  tolerations?.forEach(({ key, operator, value, effect, tolerationSeconds }, i) => {
    const at = path.child(i);
    if (key) errors.push(...problems(qualifiedNameProblems(key), key, at.child('key')));
    else if (operator !== 'Exists')
      errors.push(
        at
          .child('operator')
          .invalid(
            operator ?? '',
            'operator must be Exists when `key` is empty, which means "match all values and all keys"',
          ),
      );
    if (tolerationSeconds !== undefined && effect !== 'NoExecute')
      errors.push(
        at
          .child('effect')
          .invalid(effect ?? '', "effect must be 'NoExecute' when `tolerationSeconds` is set"),
      );
    switch (operator || 'Equal') {
      case 'Equal':
        errors.push(...problems(labelValueProblems(value ?? ''), value ?? '', at.child('operator')));
        break;
      case 'Exists':
        if (value)
          errors.push(at.child('operator').invalid(value, "value must be empty when `operator` is 'Exists'"));
        break;
      case 'Gt':
      case 'Lt':
        if (!/^-?(0|[1-9]\d*)$/.test(value ?? ''))
          errors.push(at.child('value').invalid(value ?? '', 'must be a valid integer'));
        break;
      default:
        errors.push(at.child('operator').notSupported(operator, ['Equal', 'Exists']));
    }
    errors.push(...oneOf(effect, effects, at.child('effect')));
  });
  return errors;
}

function requirementErrors(
  { key, operator, values = [] }: NodeSelectorRequirement,
  path: FieldPath,
): FieldError[] {
  const errors: FieldError[] = [];
  if (operator === 'In' || operator === 'NotIn') {
    if (!values.length)
      errors.push(path.child('values').required("must be specified when `operator` is 'In' or 'NotIn'"));
  } else if (operator === 'Exists' || operator === 'DoesNotExist') {
    if (values.length)
      errors.push(
        path.child('values').forbidden("may not be specified when `operator` is 'Exists' or 'DoesNotExist'"),
      );
  } else if (operator === 'Gt' || operator === 'Lt') {
    if (values.length !== 1)
      errors.push(
        path.child('values').required("must be specified single value when `operator` is 'Lt' or 'Gt'"),
      );
  } else errors.push(path.child('operator').invalid(operator, 'not a valid selector operator'));
  errors.push(...problems(qualifiedNameProblems(key), key, path.child('key')));
  errors.push(
    ...values.flatMap((value, i) => problems(labelValueProblems(value), value, path.child('values', i))),
  );
  return errors;
}

function fieldRequirementErrors(
  { key, operator, values = [] }: NodeSelectorRequirement,
  path: FieldPath,
): FieldError[] {
  const errors: FieldError[] = [];
  if (operator !== 'In' && operator !== 'NotIn')
    errors.push(path.child('operator').invalid(operator, 'not a valid selector operator'));
  else if (values.length !== 1)
    errors.push(
      path
        .child('values')
        .required("must be only one value when `operator` is 'In' or 'NotIn' for node field selector"),
    );
  if (key !== 'metadata.name') errors.push(path.child('key').invalid(key, 'not a valid field selector key'));
  else
    errors.push(
      ...values.flatMap((value, i) => problems(dnsSubdomainProblems(value), value, path.child('values', i))),
    );
  return errors;
}

function termErrors(
  { matchExpressions = [], matchFields = [] }: NodeSelectorTerm = {},
  path: FieldPath,
): FieldError[] {
  return [
    ...matchExpressions.flatMap((r, i) => requirementErrors(r, path.child('matchExpressions', i))),
    ...matchFields.flatMap((r, i) => fieldRequirementErrors(r, path.child('matchFields', i))),
  ];
}

export function nodeSelectorErrors(selector: NodeSelector, path: FieldPath): FieldError[] {
  const at = path.child('nodeSelectorTerms');
  if (!selector.nodeSelectorTerms?.length) return [at.required('must have at least one node selector term')];
  return selector.nodeSelectorTerms.flatMap((term, i) => termErrors(term, at.child(i)));
}

const weightErrors = (weight: number, path: FieldPath): FieldError[] =>
  weight >= 1 && weight <= 100 ? [] : [path.child('weight').invalid(weight, 'must be in the range 1-100')];

function podTermErrors(term: PodAffinityTerm = { topologyKey: '' }, path: FieldPath): FieldError[] {
  const errors = [
    ...labelSelectorErrors(term.labelSelector, path.child('labelSelector')),
    ...labelSelectorErrors(term.namespaceSelector, path.child('namespaceSelector')),
  ];
  for (const name of term.namespaces ?? [])
    errors.push(...problems(dnsLabelProblems(name), name, path.child('namespace')));
  for (const list of ['matchLabelKeys', 'mismatchLabelKeys'] as const)
    errors.push(
      ...(term[list] ?? []).flatMap((key, i) =>
        problems(qualifiedNameProblems(key), key, path.child(list, i)),
      ),
    );
  if (!term.topologyKey) errors.push(path.child('topologyKey').required('can not be empty'));
  else
    errors.push(
      ...problems(qualifiedNameProblems(term.topologyKey), term.topologyKey, path.child('topologyKey')),
    );
  return errors;
}

export function affinityErrors(affinity: Affinity | undefined, path: FieldPath): FieldError[] {
  if (!affinity) return [];
  const errors: FieldError[] = [];
  const { nodeAffinity, podAffinity, podAntiAffinity } = affinity;
  if (nodeAffinity) {
    const at = path.child('nodeAffinity');
    const required = nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution;
    if (required)
      errors.push(
        ...nodeSelectorErrors(required, at.child('requiredDuringSchedulingIgnoredDuringExecution')),
      );
    nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution?.forEach(({ weight, preference }, i) => {
      const where = at.child('preferredDuringSchedulingIgnoredDuringExecution', i);
      errors.push(...weightErrors(weight, where), ...termErrors(preference, where.child('preference')));
    });
  }
  for (const [name, part] of [
    ['podAffinity', podAffinity],
    ['podAntiAffinity', podAntiAffinity],
  ] as const) {
    if (!part) continue;
    const at = path.child(name);
    part.requiredDuringSchedulingIgnoredDuringExecution?.forEach((term, i) => {
      errors.push(...podTermErrors(term, at.child('requiredDuringSchedulingIgnoredDuringExecution', i)));
    });
    part.preferredDuringSchedulingIgnoredDuringExecution?.forEach(({ weight, podAffinityTerm }, i) => {
      const where = at.child('preferredDuringSchedulingIgnoredDuringExecution', i);
      errors.push(
        ...weightErrors(weight, where),
        ...podTermErrors(podAffinityTerm, where.child('podAffinityTerm')),
      );
    });
  }
  return errors;
}

export function topologySpreadErrors(
  constraints: TopologySpreadConstraint[] | undefined,
  path: FieldPath,
): FieldError[] {
  const errors: FieldError[] = [];
  const pairs = new Set<string>();
  constraints?.forEach((c, i) => {
    const at = path.child(i);
    if (!(c.maxSkew > 0))
      errors.push(at.child('maxSkew').invalid(c.maxSkew ?? 0, 'must be greater than zero'));
    if (!c.topologyKey) errors.push(at.child('topologyKey').required('can not be empty'));
    errors.push(
      ...requiredOneOf(
        c.whenUnsatisfiable,
        ['DoNotSchedule', 'ScheduleAnyway'],
        at.child('whenUnsatisfiable'),
      ),
    );
    const pair = `{${c.topologyKey}, ${c.whenUnsatisfiable}}`;
    if (pairs.has(pair)) errors.push(at.child('{topologyKey, whenUnsatisfiable}').duplicate(pair));
    pairs.add(pair);
    if (c.minDomains !== undefined) {
      const where = at.child('minDomains');
      if (c.minDomains <= 0) errors.push(where.invalid(c.minDomains, 'must be greater than zero'));
      if (c.whenUnsatisfiable !== 'DoNotSchedule')
        errors.push(
          where.invalid(
            c.minDomains,
            `can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ${c.whenUnsatisfiable}`,
          ),
        );
    }
    errors.push(
      ...oneOf(c.nodeAffinityPolicy, ['Honor', 'Ignore'], at.child('nodeAffinityPolicy')),
      ...oneOf(c.nodeTaintsPolicy, ['Honor', 'Ignore'], at.child('nodeTaintsPolicy')),
      ...labelSelectorErrors(c.labelSelector, at.child('labelSelector')),
    );
    if (c.matchLabelKeys?.length && !c.labelSelector)
      errors.push(
        at.child('matchLabelKeys').forbidden('must not be specified when labelSelector is not set'),
      );
  });
  return errors;
}
