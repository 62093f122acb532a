import { type FieldError, field } from '../../machinery/status.ts';
import { oneOf } from '../checks.ts';
import { kind } from '../define.ts';
import { defaultMatch, matchErrors, paramKindErrors, paramKindText, variablesErrors } from './policies.ts';
import type { ValidatingAdmissionPolicy } from './v1.gen.ts';
import { conditionsErrors } from './webhooks.ts';

const SPEC = field('spec');
const reasons = ['Unauthorized', 'Forbidden', 'Invalid', 'RequestEntityTooLarge'];

function validationsErrors({ spec }: ValidatingAdmissionPolicy): FieldError[] {
  const { validations = [], auditAnnotations = [] } = spec;
  if (!validations.length && !auditAnnotations.length) {
    const why = 'validations or auditAnnotations must be non-empty';
    return [SPEC.child('validations').required(`${why}`), SPEC.child('auditAnnotations').required(why)];
  }
  return [
    ...validations.flatMap(({ expression, message, reason }, i) => {
      const at = SPEC.child('validations', i);
      return [
        ...(expression?.trim() ? [] : [at.child('expression').required('expression is not specified')]),
        ...(message !== undefined && !message.trim()
          ? [at.child('message').invalid(message, 'message must be non-empty if specified')]
          : []),
        ...(message?.includes('\n')
          ? [at.child('message').invalid(message, 'message must not contain line breaks')]
          : []),
        ...oneOf(reason, reasons, at.child('reason')),
      ];
    }),
    ...auditAnnotations.flatMap(({ key, valueExpression }, i) => [
      ...(key ? [] : [SPEC.child('auditAnnotations', i, 'key').required()]),
      ...(valueExpression?.trim()
        ? []
        : [
            SPEC.child('auditAnnotations', i, 'valueExpression').required('valueExpression is not specified'),
          ]),
    ]),
  ];
}

export const validatingAdmissionPolicies = kind<ValidatingAdmissionPolicy>({
  facts: 'admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy',
  defaults(policy) {
    policy.spec ??= {};
    policy.spec.failurePolicy ??= 'Fail';
    defaultMatch(policy.spec.matchConstraints);
  },
  generation: 'spec',
  unconditionalUpdate: false,
  prepareCreate(policy) {
    policy.status = {};
  },
  validate: (policy) => [
    ...oneOf(policy.spec.failurePolicy, ['Fail', 'Ignore'], SPEC.child('failurePolicy')),
    ...paramKindErrors(policy.spec.paramKind),
    ...(policy.spec.matchConstraints ? [] : [SPEC.child('matchConstraints').required()]),
    ...(policy.spec.matchConstraints && !policy.spec.matchConstraints.resourceRules?.length
      ? [SPEC.child('matchConstraints', 'resourceRules').required()]
      : []),
    ...matchErrors(policy.spec.matchConstraints, SPEC.child('matchConstraints')),
    ...conditionsErrors(policy.spec.matchConditions, SPEC.child('matchConditions')),
    ...variablesErrors(policy.spec.variables),
    ...validationsErrors(policy),
  ],
  columns: {
    Validations: ({ spec }) => spec?.validations?.length ?? 0,
    ParamKind: ({ spec }) => paramKindText(spec?.paramKind),
  },
});
