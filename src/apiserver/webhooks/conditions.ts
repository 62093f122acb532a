// matchConditions: expressions that all must hold for a webhook to be called.
// https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#matching-requests-matchconditions

import { compileCondition } from '../../api/admissionregistration/match-conditions.ts';
import type { MatchCondition } from '../../api/admissionregistration/v1.gen.ts';
import type { CelProgram } from '../../machinery/cel/compile.ts';
import { adapt, CelError, type Value } from '../../machinery/cel/values.ts';
import type { AnyObject } from '../../machinery/meta.ts';

/** What all conditions of one webhook together may cost. */
const BUDGET = 2_500_000;

/** The variables of the expressions. */
export interface ConditionInput {
  object: AnyObject | undefined;
  oldObject: AnyObject | undefined;
  request: Record<string, unknown>;
}

/** Whether the conditions hold; an error where they neither hold nor fail. */
export class Conditions {
  readonly #programs: CelProgram[];
  constructor(conditions: MatchCondition[]) {
    this.#programs = conditions.map(({ expression }) => compileCondition(expression));
  }

  hold({ object, oldObject, request }: ConditionInput): boolean | Error {
    const variables: Record<string, Value> = {
      object: adapt(object),
      oldObject: adapt(oldObject),
      request: adapt(request),
    };
    const budget = { left: BUDGET };
    const errors: string[] = [];
    for (const program of this.#programs) {
      try {
        if (program.evaluate(variables, budget) !== true) return false;
      } catch (error) {
        if (!(error instanceof CelError)) throw error;
        errors.push(`expression '${program.source}' resulted in error: ${error.message}`);
      }
    }
    if (!errors.length) return true;
    return new Error(errors.length === 1 ? errors[0] : `[${errors.join(', ')}]`);
  }
}
