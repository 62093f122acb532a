import { field } from '../../machinery/status.ts';
import { oneOf, requiredOneOf } from '../checks.ts';
import { kind } from '../define.ts';
import { defaultMatch, matchErrors, paramKindErrors, paramKindText, variablesErrors } from './policies.ts';
import type { MutatingAdmissionPolicy } from './v1.gen.ts';
import { conditionsErrors } from './webhooks.ts';

const SPEC = field('spec');

export const mutatingAdmissionPolicies = kind<MutatingAdmissionPolicy>({
  facts: 'admissionregistration.k8s.io/v1 MutatingAdmissionPolicy',
  generation: 'spec',
  unconditionalUpdate: false,
  defaults(policy) {
    policy.spec ??= {};
    policy.spec.failurePolicy ??= 'Fail';
    defaultMatch(policy.spec.matchConstraints);
  },
  validate: ({ spec }) => [
    ...oneOf(spec.failurePolicy, ['Fail', 'Ignore'], SPEC.child('failurePolicy')),
    ...paramKindErrors(spec.paramKind),
    ...(spec.matchConstraints ? [] : [SPEC.child('matchConstraints').required()]),
    ...matchErrors(spec.matchConstraints, SPEC.child('matchConstraints')),
    ...conditionsErrors(spec.matchConditions, SPEC.child('matchConditions')),
    ...variablesErrors(spec.variables),
    ...(spec.mutations?.length
      ? []
      : [SPEC.child('mutations').required('mutations must contain at least one item')]),
    ...(spec.mutations ?? []).flatMap(({ patchType, applyConfiguration, jsonPatch }, i) => {
      const at = SPEC.child('mutations', i);
      const name = patchType === 'JSONPatch' ? 'jsonPatch' : 'applyConfiguration';
      const part = patchType === 'JSONPatch' ? jsonPatch : applyConfiguration;
      return [
        ...requiredOneOf(patchType, ['ApplyConfiguration', 'JSONPatch'], at.child('patchType')),
        ...(part?.expression?.trim()
          ? []
          : [at.child(name, 'expression').required('expression is not specified')]),
      ];
    }),
    ...requiredOneOf(spec.reinvocationPolicy, ['IfNeeded', 'Never'], SPEC.child('reinvocationPolicy')),
  ],
  columns: {
    Mutations: ({ spec }) => spec?.mutations?.length ?? 0,
    ParamKind: ({ spec }) => paramKindText(spec?.paramKind),
  },
});
