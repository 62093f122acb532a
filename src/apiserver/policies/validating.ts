import { validatingAdmissionPolicies } from '../../api/admissionregistration/validating-admission-policy.ts';
import { validatingAdmissionPolicyBindings } from '../../api/admissionregistration/validating-admission-policy-binding.ts';
import { forbidden, type StatusError } from '../../machinery/status.ts';
import type { Admission, Context } from '../context.ts';
import { type Enforcement, errorTypeOf } from '../metrics/policy-metrics.ts';
import type { AdmissionPlugin, Registry } from '../registry/registry.ts';
import { type Attributes, attributesOf } from '../webhooks/attributes.ts';
import { authorizerVariables, variablesOf } from './activation.ts';
import { type Denial, judge, type Validations, validationsOf } from './decisions.ts';
import { type BoundTo, type Hook, hooksOf } from './hooks.ts';
import { type Invocation, type Misconfigured, seenBy, select } from './invocations.ts';
import { isExempt } from './match.ts';

/** Holds writes against policies in CEL. https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/ */
export const validatingPolicies = (registry: Registry): AdmissionPlugin => {
  const hooks = hooksOf(
    registry.caches,
    validatingAdmissionPolicies,
    validatingAdmissionPolicyBindings,
    validationsOf,
  );
  return {
    name: 'ValidatingAdmissionPolicy',
    on: ({ context }) => hooks().length > 0 && !isExempt(context.served.kind),
    validate: (admission) => askAll(registry, hooks(), admission),
  };
};

/** A refusal, as it was found. */
interface Refused extends Pick<Denial, 'message' | 'reason' | 'index'> {
  hook: Hook<Validations>;
  binding: BoundTo | undefined;
}

async function askAll(
  registry: Registry,
  hooks: readonly Hook<Validations>[],
  admission: Admission,
): Promise<void> {
  const attributes = attributesOf(admission);
  const { invocations, misconfigured } = await select(registry, hooks, attributes);
  if (!invocations.length && !misconfigured.length) return;
  const authorizer = authorizerVariables(registry.authorizer, attributes);
  const { clock, metrics } = registry;
  const { operation } = admission;
  const denied: Refused[] = [];
  const annotations = new Annotations();
  for (const { matched, param, hook, binding } of invocations) {
    const plain = variablesOf(await seenBy(registry, attributes, matched, param));
    const of = { name: hook.name, kind: 'policy', type: 'validate', operation } as const;
    const judgement = judge(
      hook.compiled,
      plain,
      { ...plain, ...authorizer },
      {
        now: () => clock.now(),
        conditions: (tookMs, errors) => metrics.conditions.evaluated(of, tookMs, errors, false),
      },
    );
    const count = ({ message, tookMs }: Denial, action: Enforcement) =>
      metrics.policies.validated(hook.name, binding.name, errorTypeOf(message), action, tookMs);
    for (const denial of judgement.ignored) count(denial, 'allow');
    for (const denial of judgement.denials) {
      const { validationActions } = binding;
      for (const action of validationActions) count(denial, action.toLowerCase() as Enforcement);
      if (validationActions.includes('Deny')) denied.push({ hook, binding, ...denial });
      if (validationActions.includes('Audit')) noteFailure(admission.context, hook.name, binding, denial);
      if (validationActions.includes('Warn'))
        admission.context.warnings.push(
          `Validation failed for ValidatingAdmissionPolicy '${hook.name}' with binding '${binding.name}': ${denial.message}`,
        );
    }
    for (const { key, value } of judgement.annotations) annotations.add(`${hook.name}/${key}`, value);
    for (const error of judgement.annotationErrors) {
      count(error, 'deny');
      denied.push({ hook, binding, ...error });
    }
  }
  annotations.publish(admission.context);
  const refused = firstOf(hooks, [...misconfigured.flatMap(misconfiguration), ...denied]);
  if (refused) throw refusal(attributes, refused);
}

const misconfiguration = ({ hook, binding, message }: Misconfigured<Validations>): Refused[] =>
  hook.compiled.failurePolicy === 'Ignore' ? [] : [{ hook, binding, message, index: 0 }];

/** Configuration errors are found first, but told in their turn. */
function firstOf(hooks: readonly Hook<Validations>[], denied: Refused[]): Refused | undefined {
  const place = ({ hook, binding }: Refused | Invocation<Validations>): number =>
    hooks.indexOf(hook) + (binding ? (hook.bindings.indexOf(binding) + 1) / (hook.bindings.length + 1) : 0);
  return denied.sort((a, b) => place(a) - place(b))[0];
}

const FAILURE = 'validation.policy.admission.k8s.io/validation_failure';
function noteFailure(
  context: Context,
  policy: string,
  { name, validationActions }: BoundTo,
  { message, index }: Denial,
): void {
  context.annotations ??= {};
  context.annotations[FAILURE] ??= JSON.stringify([
    { message, policy, binding: name, expressionIndex: index, validationActions },
  ]);
}

/** Values of audit annotations: different ones of the same policy are put together. */
class Annotations {
  readonly #values = new Map<string, Set<string>>();
  add(key: string, value: string): void {
    const values = this.#values.get(key) ?? new Set();
    this.#values.set(key, values.add(value));
  }
  publish(context: Context): void {
    if (this.#values.size) context.annotations ??= {};
    for (const [key, values] of this.#values) context.annotations![key] ??= [...values].join(', ');
  }
}

const codes: Record<string, number> = { Forbidden: 403, Unauthorized: 401, RequestEntityTooLarge: 413 };

function refusal(
  attributes: Attributes,
  { hook, binding, message, reason = 'Invalid' }: Refused,
): StatusError {
  const by = `ValidatingAdmissionPolicy '${hook.name}'${binding ? ` with binding '${binding.name}'` : ''}`;
  const said = `${by} denied request: ${message}`;
  const error = forbidden(attributes.admission.context.served.kind, nameOf(attributes), said);
  const { status } = error;
  status.reason = reason;
  status.code = codes[reason] ?? 422;
  status.details = { ...status.details, causes: [{ message: said }] };
  return error;
}

export const nameOf = ({ name, admission: { object } }: Attributes): string =>
  name || object?.metadata?.name || object?.metadata?.generateName || 'Unknown';
