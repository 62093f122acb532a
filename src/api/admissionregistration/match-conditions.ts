import type { CelProgram } from '../../machinery/cel/compile.ts';
import type { FieldError, FieldPath } from '../../machinery/status.ts';
import { type Compiled, compileExpression } from './expressions.ts';
import type { MatchCondition } from './v1.gen.ts';

/** Compiles a condition of a webhook. Throws where it cannot be compiled: it was checked when the webhook was made. */
export function compileCondition(expression: string): CelProgram {
  const { program, problem } = compileMatchCondition(expression, false);
  if (!program) throw new Error(problem);
  return program;
}

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
