import type { Compiled } from '../../api/admissionregistration/expressions.ts';
import { type Budget, PER_CALL_LIMIT } from '../../machinery/cel/compile.ts';
import { CelError, LazyMap, type Value } from '../../machinery/cel/values.ts';
import type { Variables } from './activation.ts';

/** What all expressions of one policy may cost for one request, and all conditions besides. */
export const POLICY_BUDGET = 10_000_000;
export const CONDITIONS_BUDGET = 2_500_000;

/** No expression is evaluated any more. */
export class OutOfBudget extends Error {
  constructor() {
    super('validation failed due to running out of cost budget, no further validation rules will be run');
  }
}

export type Outcome = { value: Value } | { error: string };

export interface NamedExpression {
  name: string;
  compiled: Compiled;
}

/** Evaluates expressions over the same variables, on one budget. Those of the policy are worked out when they are asked for. */
export class Evaluation {
  readonly #variables: Variables;
  #left: number;

  constructor(variables: Variables, own: readonly NamedExpression[] = [], budget = POLICY_BUDGET) {
    this.#left = budget;
    const all: Variables = { ...variables };
    if (own.length)
      all.variables = new LazyMap(
        Object.fromEntries(own.map((variable) => [variable.name, () => this.#variable(variable, all)])),
      );
    this.#variables = all;
  }

  get left(): number {
    return this.#left;
  }

  /** Throws OutOfBudget. */
  evaluate(expression: Compiled): Outcome {
    const { source, program, problem } = expression;
    if (!program) return { error: `compilation error: ${problem}` };
    let outcome: Outcome;
    const budget: Budget = { left: PER_CALL_LIMIT };
    try {
      outcome = { value: program.evaluate(this.#variables, budget) };
    } catch (error) {
      if (!(error instanceof CelError)) throw error;
      outcome = { error: `expression '${source}' resulted in error: ${error.message}` };
    }
    this.#spend(budget);
    return outcome;
  }

  #variable({ name, compiled }: NamedExpression, variables: Variables): Value {
    const shown = JSON.stringify(name);
    const { program, problem } = compiled;
    if (!program) throw new CelError(`composited variable ${shown} fails to compile: ${problem}`);
    const budget: Budget = { left: PER_CALL_LIMIT };
    try {
      return program.evaluate(variables, budget);
    } catch (error) {
      if (!(error instanceof CelError)) throw error;
      throw new CelError(`composited variable ${shown} fails to evaluate: ${error.message}`);
    } finally {
      this.#left -= PER_CALL_LIMIT - Math.max(0, budget.left);
    }
  }
  #spend(budget: Budget): void {
    this.#left -= PER_CALL_LIMIT - Math.max(0, budget.left);
    if (this.#left < 0) throw new OutOfBudget();
  }
}

/** Whether all conditions hold: one that does not decides; otherwise one that fails. Those that fail are put into `errors`. */
export function conditionsHold(
  conditions: readonly Compiled[],
  variables: Variables,
  errors: string[] = [],
): boolean | Error {
  if (!conditions.length) return true;
  const evaluation = new Evaluation(variables, [], CONDITIONS_BUDGET);
  try {
    for (const condition of conditions) {
      const outcome = evaluation.evaluate(condition);
      if ('error' in outcome) errors.push(outcome.error);
      else if (outcome.value !== true) return false;
    }
  } catch (error) {
    if (error instanceof OutOfBudget) return error;
    throw error;
  }
  if (!errors.length) return true;
  return new Error(errors.length === 1 ? errors[0] : `[${errors.join(', ')}]`);
}
