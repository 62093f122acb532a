// What is counted of policies and of match conditions, by upstream's names. Source: "Kubernetes Metrics Reference".
import type { MetricRegistry } from '../../machinery/metrics.ts';
import type { Admission } from '../context.ts';

/** Why a request was refused or a policy could not be followed; a policy that was simply broken counts as `invalid_error`. */
export type PolicyError = 'no_error' | 'compile_error' | 'out_of_budget' | 'invalid_error';
/** `allow`: it could not be asked, and is passed over then. */
export type Enforcement = 'allow' | 'deny' | 'audit' | 'warn';

const checkBounds = [5e-7, 0.001, 0.01, 0.1, 1];
const conditionBounds = [0.001, 0.005, 0.01, 0.025, 0.1, 0.2, 0.25];

/** What a refusal or an error of an expression is, told by its text. */
export const errorTypeOf = (message: string): Exclude<PolicyError, 'no_error'> =>
  message.startsWith('compilation')
    ? 'compile_error'
    : message.startsWith('validation failed due to running out of cost budget')
      ? 'out_of_budget'
      : 'invalid_error';

export class PolicyMetrics {
  readonly #validated;
  readonly #validation;
  readonly #mutated;
  readonly #mutation;

  constructor(registry: MetricRegistry) {
    const labels = ['policy', 'policy_binding', 'error_type'];
    const enforced = [...labels, 'enforcement_action'];
    this.#validated = registry.counter(
      'apiserver_validating_admission_policy_check_total',
      'Validation admission policy check total, labeled by policy and further identified by binding and enforcement action taken.',
      enforced,
      'BETA',
    );
    this.#validation = registry.histogram(
      'apiserver_validating_admission_policy_check_duration_seconds',
      'Validation admission latency for individual validation expressions in seconds, labeled by policy and further including binding and enforcement action taken.',
      enforced,
      checkBounds,
      'BETA',
    );
    this.#mutated = registry.counter(
      'apiserver_mutating_admission_policy_check_total',
      'Mutation admission policy check total, labeled by policy and further identified by binding.',
      labels,
    );
    this.#mutation = registry.histogram(
      'apiserver_mutating_admission_policy_check_duration_seconds',
      'Mutation admission latency for individual mutation expressions in seconds, labeled by policy and binding.',
      labels,
      checkBounds,
    );
  }
  /** A validation that failed or could not be made, and what came of it. */
  validated(policy: string, binding: string, error: PolicyError, action: Enforcement, tookMs: number): void {
    this.#validated.with(policy, binding, error, action).inc();
    this.#validation.with(policy, binding, error, action).observe(tookMs / 1000);
  }
  mutated(policy: string, binding: string, error: PolicyError, tookMs: number): void {
    this.#mutated.with(policy, binding, error).inc();
    this.#mutation.with(policy, binding, error).observe(tookMs / 1000);
  }
}

/** Of a webhook or a policy, and of one request. */
export interface ConditionsOf {
  name: string;
  kind: 'webhook' | 'policy';
  type: 'admit' | 'validating' | 'validate';
  operation: string;
}

/** Match conditions of webhooks and policies. */
export class ConditionMetrics {
  readonly #errors;
  readonly #exclusions;
  readonly #seconds;

  constructor(registry: MetricRegistry) {
    const labels = ['name', 'kind', 'type', 'operation'];
    this.#errors = registry.counter(
      'apiserver_admission_match_condition_evaluation_errors_total',
      'Admission match condition evaluation errors count, identified by name of resource containing the match condition and broken out for each kind containing matchConditions (webhook or policy), operation and admission type (validate or admit).',
      labels,
    );
    this.#exclusions = registry.counter(
      'apiserver_admission_match_condition_exclusions_total',
      'Admission match condition evaluation exclusions count, identified by name of resource containing the match condition and broken out for each kind containing matchConditions (webhook or policy), operation and admission type (validate or admit).',
      labels,
    );
    this.#seconds = registry.histogram(
      'apiserver_admission_match_condition_evaluation_seconds',
      'Admission match condition evaluation time in seconds, identified by name and broken out for each kind containing matchConditions (webhook or policy), operation and type (validate or admit).',
      labels,
      conditionBounds,
    );
  }
  /** Conditions were looked at. `errors`: how many could not be; `excluded`: one does not hold, so a webhook is not called. */
  evaluated(of: ConditionsOf, tookMs: number, errors: number, excluded: boolean): void {
    const { name, kind, type, operation } = of;
    this.#seconds.with(name, kind, type, operation).observe(tookMs / 1000);
    if (errors) this.#errors.with(name, kind, type, operation).inc(errors);
    if (excluded && kind === 'webhook') this.#exclusions.with(name, kind, type, operation).inc();
  }
}

/** What the pod security standards said of pods, and of what makes pods. */
export class PodSecurityMetrics {
  readonly #evaluations;

  constructor(registry: MetricRegistry) {
    this.#evaluations = registry.counter(
      'pod_security_evaluations_total',
      'Number of policy evaluations that occurred, not counting ignored or exempt requests.',
      [
        ...['decision', 'policy_level', 'policy_version', 'mode', 'request_operation', 'resource'],
        'subresource',
      ],
    );
  }
  evaluated(
    { operation, subresource = '', context }: Pick<Admission, 'operation' | 'subresource' | 'context'>,
    decision: 'allow' | 'deny',
    mode: 'enforce' | 'warn' | 'audit',
    level: string,
    version: string,
  ): void {
    const resource = context.served.kind.plural === 'pods' ? 'pod' : 'controller';
    // Versions are what people write: of those to come, there is no end.
    const shown = /^v1\.([12]?\d|3[0-6])$/.test(version)
      ? version
      : version === 'latest'
        ? version
        : 'future';
    this.#evaluations
      .with(decision, level, shown, mode, operation.toLowerCase(), resource, subresource)
      .inc();
  }
}
