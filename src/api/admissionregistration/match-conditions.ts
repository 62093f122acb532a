import type { FieldError, FieldPath } from '../../machinery/status.ts';
import { type Compiled, compileExpression } from './expressions.ts';
import type { MatchCondition } from './v1.gen.ts';

/** Compiles a condition of a webhook, or of a policy that has `params`. */
export const compileMatchCondition = (expression: string, params: boolean): Compiled =>
  compileExpression(expression, 'bool', { params, authorizer: true });

/** Why a condition cannot be compiled. */
export function compilationErrors(expression: string, path: FieldPath, params = false): FieldError[] {
  const { problem } = compileMatchCondition(expression, params);
  return problem ? [path.invalid(expression, problem)] : [];
}

/** Those of a list of conditions; what is empty is wrong for another reason. */
export const conditionProblems = (
  conditions: MatchCondition[] | undefined,
  path: FieldPath,
  params = false,
): FieldError[] =>
  (conditions ?? []).flatMap(({ expression }, i) => {
    const text = expression?.trim();
    return text ? compilationErrors(text, path.child(i, 'expression'), params) : [];
  });
