// What the expressions of a validating policy come to for one request.
import type { Compiled } from '../../api/admissionregistration/expressions.ts';
import { PolicyCompiler } from '../../api/admissionregistration/expressions.ts';
import type {
  AuditAnnotation,
  ValidatingAdmissionPolicySpec,
  Validation,
} from '../../api/admissionregistration/v1.gen.ts';
import type { Variables } from './activation.ts';
import { conditionsOf, variablesIn } from './compiled.ts';
import { conditionsHold, Evaluation, type NamedExpression, type Outcome, OutOfBudget } from './evaluation.ts';
import type { Policy } from './hooks.ts';

/** The expressions of a policy, compiled. */
export interface Validations {
  failurePolicy: string;
  conditions: readonly Compiled[];
  variables: readonly NamedExpression[];
  validations: readonly { of: Validation; expression: Compiled; message: Compiled | undefined }[];
  annotations: readonly { key: string; value: Compiled }[];
}

export function validationsOf({ spec }: Policy): Validations {
  const {
    paramKind,
    failurePolicy = 'Fail',
    validations = [],
    auditAnnotations = [],
  } = spec as ValidatingAdmissionPolicySpec;
  const compiler = new PolicyCompiler();
  const params = paramKind !== undefined;
  const withAuthorizer = { params, authorizer: true };
  const without = { params, authorizer: false };
  return {
    failurePolicy,
    conditions: conditionsOf(spec),
    variables: variablesIn(spec, compiler),
    validations: validations.map((of: Validation) => ({
      of,
      expression: compiler.expression(of.expression, 'bool', withAuthorizer),
      message: of.messageExpression
        ? compiler.expression(of.messageExpression, 'string', without)
        : undefined,
    })),
    annotations: auditAnnotations.map(({ key, valueExpression }: AuditAnnotation) => ({
      key,
      value: compiler.expression(valueExpression, 'annotation', without),
    })),
  };
}

/** A validation that failed, or could not be made. */
export interface Denial {
  message: string;
  tookMs: number;
  reason?: string;
  /** Its place among the validations. */
  index: number;
}

export interface Judgement {
  denials: Denial[];
  /** What could not be made, and is passed over: failurePolicy is Ignore. */
  ignored: Denial[];
  annotations: { key: string; value: string }[];
  /** These refuse the request whatever the binding says. */
  annotationErrors: Denial[];
}

/** Who counts what judging takes. */
export interface Observer {
  now(): number;
  /** Match conditions were looked at; so many could not be. */
  conditions(tookMs: number, errors: number): void;
}

/** Judges a request; `plain` are the variables without those of authorization. */
export function judge(policy: Validations, plain: Variables, all: Variables, observer: Observer): Judgement {
  const { conditions, failurePolicy } = policy;
  const judgement: Judgement = { denials: [], ignored: [], annotations: [], annotationErrors: [] };
  const fails = failurePolicy !== 'Ignore';
  const failed: Failed = (message, index = 0, tookMs = 0) => {
    const denial = { message, index, tookMs };
    if (!fails) judgement.ignored.push(denial);
    return fails ? [denial] : [];
  };
  const began = observer.now();
  const errors: string[] = [];
  const holds = conditionsHold(conditions, { ...all, namespaceObject: null }, errors);
  if (conditions.length) observer.conditions(observer.now() - began, errors.length);
  if (holds === false || (holds instanceof Error && !fails)) return judgement;
  if (holds instanceof Error) return { ...judgement, denials: failed(holds.message) };
  try {
    judgement.denials = denialsOf(policy, plain, all, failed, observer);
    annotate(policy, plain, judgement, fails, observer);
    return judgement;
  } catch (error) {
    if (!(error instanceof OutOfBudget)) throw error;
    return { ...judgement, annotations: [], annotationErrors: [], denials: failed(error.message) };
  }
}

type Failed = (message: string, index?: number, tookMs?: number) => Denial[];

function denialsOf(
  { variables, validations }: Validations,
  plain: Variables,
  all: Variables,
  failed: Failed,
  observer: Observer,
): Denial[] {
  const evaluation = new Evaluation(all, variables);
  let before = observer.now();
  const took: number[] = [];
  const outcomes = validations.map(({ expression }) => {
    const outcome = evaluation.evaluate(expression);
    const now = observer.now();
    took.push(now - before);
    before = now;
    return outcome;
  });
  if (outcomes.every((outcome) => 'value' in outcome && outcome.value === true)) return [];
  const messages = messagesOf(validations, new Evaluation(plain, variables, evaluation.left));
  return outcomes.flatMap((outcome, index) => {
    const tookMs = took[index]!;
    if ('error' in outcome) return failed(outcome.error, index, tookMs);
    if (messages instanceof OutOfBudget)
      return failed(`failed messageExpression: ${messages.message}`, index, tookMs);
    if (outcome.value === true) return [];
    const { of } = validations[index]!;
    const message =
      said(messages[index]) || of.message?.trim() || `failed expression: ${of.expression.trim()}`;
    return [{ message, index, tookMs, ...(of.reason ? { reason: of.reason } : {}) }];
  });
}

/** Made only when something failed. */
function messagesOf(
  validations: Validations['validations'],
  evaluation: Evaluation,
): (Outcome | undefined)[] | OutOfBudget {
  try {
    return validations.map(({ message }) => message && evaluation.evaluate(message));
  } catch (error) {
    if (error instanceof OutOfBudget) return error;
    throw error;
  }
}

const MAX_MESSAGE = 5 * 1024;
function said(outcome: Outcome | undefined): string {
  if (!outcome || 'error' in outcome || typeof outcome.value !== 'string') return '';
  const text = outcome.value.trim();
  return new TextEncoder().encode(text).length > MAX_MESSAGE || text.includes('\n') ? '' : text;
}

const MAX_ANNOTATION = 10 * 1024;
function annotate(
  { variables, annotations }: Validations,
  plain: Variables,
  judgement: Judgement,
  fails: boolean,
  observer: Observer,
): void {
  if (!annotations.length) return;
  const evaluation = new Evaluation(plain, variables);
  for (const { key, value } of annotations) {
    const began = observer.now();
    const outcome = evaluation.evaluate(value);
    if ('error' in outcome) {
      const tookMs = observer.now() - began;
      if (fails) judgement.annotationErrors.push({ message: outcome.error, index: 0, tookMs });
    } else if (typeof outcome.value === 'string') {
      const text = outcome.value.trim().slice(0, MAX_ANNOTATION);
      if (text) judgement.annotations.push({ key, value: text });
    }
  }
}
