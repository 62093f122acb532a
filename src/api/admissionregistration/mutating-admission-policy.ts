import { type FieldError, field } from '../../machinery/status.ts';
import { requiredOneOf } from '../checks.ts';
import { kind } from '../define.ts';
import { PolicyCompiler } from './expressions.ts';
import {
  defaultMatch,
  matchErrors,
  mutatedOperationsErrors,
  paramKindErrors,
  paramKindText,
  policyConditionsErrors,
  variablesErrors,
} from './policies.ts';
import type { MutatingAdmissionPolicy, Mutation } from './v1.gen.ts';
import { nameWarnings } from './webhooks.ts';

const SPEC = field('spec');

const parts = {
  JSONPatch: { name: 'jsonPatch', other: 'applyConfiguration', output: 'patch' },
  ApplyConfiguration: { name: 'applyConfiguration', other: 'jsonPatch', output: 'object' },
} as const;

function mutationErrors(
  mutation: Mutation,
  i: number,
  compiler: PolicyCompiler,
  params: boolean,
): FieldError[] {
  const at = SPEC.child('mutations', i);
  const { patchType } = mutation;
  const part = Object.hasOwn(parts, patchType ?? '') ? parts[patchType as keyof typeof parts] : undefined;
  if (!part) return requiredOneOf(patchType, ['ApplyConfiguration', 'JSONPatch'], at.child('patchType'));
  const { name, other, output } = part;
  const errors: FieldError[] = [];
  const own = mutation[name];
  const text = own?.expression?.trim();
  if (!own) errors.push(at.child(name).required(`must be specified when patchType is ${patchType}`));
  else if (!text) errors.push(at.child(name, 'expression').required());
  else {
    const { problem } = compiler.expression(text, output, { params, authorizer: true, patches: true });
    if (problem) errors.push(at.child(name, 'expression').invalid(text, problem));
  }
  if (mutation[other])
    errors.push(
      at.child(other).invalid(`{${other}}`, `must not be specified when patchType is ${patchType}`),
    );
  return errors;
}

function expressionsErrors({ spec }: MutatingAdmissionPolicy): FieldError[] {
  const { mutations = [], variables, paramKind } = spec;
  const params = paramKind !== undefined;
  const compiler = new PolicyCompiler();
  return [
    ...variablesErrors(variables, compiler, params),
    ...(mutations.length
      ? []
      : [SPEC.child('mutations').required('mutations must contain at least one item')]),
    ...mutations.flatMap((mutation, i) => mutationErrors(mutation, i, compiler, params)),
  ];
}

export const mutatingAdmissionPolicies = kind<MutatingAdmissionPolicy>({
  facts: 'admissionregistration.k8s.io/v1 MutatingAdmissionPolicy',
  generation: 'spec',
  unconditionalUpdate: false,
  defaults(policy) {
    policy.spec ??= {};
    policy.spec.failurePolicy ??= 'Fail';
    defaultMatch(policy.spec.matchConstraints);
  },
  validate(policy) {
    const {
      failurePolicy,
      paramKind,
      matchConstraints: match,
      matchConditions,
      reinvocationPolicy,
    } = policy.spec;
    const at = SPEC.child('matchConstraints');
    return [
      ...requiredOneOf(failurePolicy, ['Fail', 'Ignore'], SPEC.child('failurePolicy')),
      ...paramKindErrors(paramKind),
      ...(match ? [] : [at.required()]),
      ...matchErrors(match, at),
      ...(match && !match.resourceRules?.length ? [at.child('resourceRules').required()] : []),
      ...mutatedOperationsErrors(match, at),
      ...policyConditionsErrors(matchConditions, paramKind !== undefined),
      ...expressionsErrors(policy),
      ...requiredOneOf(reinvocationPolicy, ['IfNeeded', 'Never'], SPEC.child('reinvocationPolicy')),
    ];
  },
  warnings: nameWarnings,
  columns: {
    Mutations: ({ spec }) => spec?.mutations?.length ?? 0,
    ParamKind: ({ spec }) => paramKindText(spec?.paramKind),
  },
});
