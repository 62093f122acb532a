import { qualifiedNameProblems } from '../../machinery/names.ts';
import { type FieldError, field } from '../../machinery/status.ts';
import { duplicates, oneOf, present, problems, requiredOneOf } from '../checks.ts';
import { kind } from '../define.ts';
import { PolicyCompiler } from './expressions.ts';
import {
  defaultMatch,
  matchErrors,
  paramKindErrors,
  paramKindText,
  policyConditionsErrors,
  variablesErrors,
} from './policies.ts';
import type { AuditAnnotation, ValidatingAdmissionPolicy, Validation } from './v1.gen.ts';
import { nameWarnings } from './webhooks.ts';

const SPEC = field('spec');
const ANNOTATIONS = SPEC.child('auditAnnotations');
const reasons = ['Forbidden', 'Invalid', 'RequestEntityTooLarge', 'Unauthorized'];
const MOST_ANNOTATIONS = 20;
const LONGEST_ANNOTATION = 5 * 1024;

function validationErrors(
  { expression, message, messageExpression, reason }: Validation,
  i: number,
  compiler: PolicyCompiler,
  params: boolean,
): FieldError[] {
  const at = SPEC.child('validations', i);
  const errors: FieldError[] = [];
  if (!expression?.trim()) errors.push(at.child('expression').required('expression is not specified'));
  else {
    const { problem } = compiler.expression(expression, 'bool', { params, authorizer: true });
    if (problem) errors.push(at.child('expression').invalid(expression, problem));
  }
  if (messageExpression && !messageExpression.trim())
    errors.push(at.child('messageExpression').invalid(messageExpression, 'must be non-empty if specified'));
  else if (messageExpression) {
    const { problem } = compiler.expression(messageExpression, 'string', { params, authorizer: false });
    if (problem) errors.push(at.child('messageExpression').invalid(messageExpression, problem));
  }
  if (message && !message.trim())
    errors.push(at.child('message').invalid(message, 'must be non-empty if specified'));
  else if (/[\n\r]/.test(message?.trim() ?? ''))
    errors.push(at.child('message').invalid(message, 'must not contain line breaks'));
  return [...errors, ...oneOf(reason, reasons, at.child('reason'))];
}

function annotationErrors(
  { key, valueExpression }: AuditAnnotation,
  i: number,
  name: string | undefined,
  compiler: PolicyCompiler,
  params: boolean,
): FieldError[] {
  const at = ANNOTATIONS.child(i, 'key');
  const full = `${name}/${key ?? ''}`;
  const errors = name
    ? problems(qualifiedNameProblems(full), full, at)
    : [at.invalid(key ?? '', 'requires metadata.name be non-empty')];
  const value = ANNOTATIONS.child(i, 'valueExpression');
  const text = valueExpression?.trim();
  if (!text) return [...errors, value.required('valueExpression is not specified')];
  if (text.length > LONGEST_ANNOTATION)
    return [...errors, value.required(`must not exceed ${LONGEST_ANNOTATION} bytes in length`)];
  const { problem } = compiler.expression(text, 'annotation', { params, authorizer: true });
  return problem ? [...errors, value.invalid(valueExpression, problem)] : errors;
}

function expressionsErrors({ metadata, spec }: ValidatingAdmissionPolicy): FieldError[] {
  const { validations = [], auditAnnotations = [], paramKind, variables } = spec;
  const params = paramKind !== undefined;
  const compiler = new PolicyCompiler();
  const errors = variablesErrors(variables, compiler, params);
  if (!validations.length && !auditAnnotations.length) {
    const why = 'validations or auditAnnotations must contain at least one item';
    return [...errors, SPEC.child('validations').required(why), ANNOTATIONS.required(why)];
  }
  if (auditAnnotations.length > MOST_ANNOTATIONS)
    errors.push(
      ANNOTATIONS.invalid(auditAnnotations, `must not have more than ${MOST_ANNOTATIONS} auditAnnotations`),
    );
  return [
    ...errors,
    ...validations.flatMap((validation, i) => validationErrors(validation, i, compiler, params)),
    ...auditAnnotations.flatMap((annotation, i) =>
      annotationErrors(annotation, i, metadata.name, compiler, params),
    ),
    ...duplicates(
      auditAnnotations,
      ({ key }) => key,
      (i) => ANNOTATIONS.child(i, 'key'),
    ),
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
  validate(policy) {
    const { failurePolicy, paramKind, matchConstraints: match, matchConditions } = policy.spec;
    const at = SPEC.child('matchConstraints');
    return [
      ...requiredOneOf(failurePolicy, ['Fail', 'Ignore'], SPEC.child('failurePolicy')),
      ...paramKindErrors(paramKind),
      ...(match ? [] : [at.required()]),
      ...matchErrors(match, at),
      ...(match && !match.resourceRules?.length ? [at.child('resourceRules').required()] : []),
      ...policyConditionsErrors(matchConditions, paramKind !== undefined),
      ...expressionsErrors(policy),
    ];
  },
  validateStatus: ({ status }) =>
    (status?.typeChecking?.expressionWarnings ?? []).flatMap(({ fieldRef, warning }, i) => {
      const warned = field('status', 'typeChecking', 'expressionWarnings', i);
      return [
        ...present(warning, warned.child('warning')),
        ...present(fieldRef?.trim(), warned.child('fieldRef')),
      ];
    }),
  warnings: nameWarnings,
  columns: {
    Validations: ({ spec }) => spec?.validations?.length ?? 0,
    ParamKind: ({ spec }) => paramKindText(spec?.paramKind),
  },
});
