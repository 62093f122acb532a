import { type CelProgram, compileCel } from '../../machinery/cel/compile.ts';
import { environment } from '../../machinery/cel/environment.ts';
import { CelSyntaxError } from '../../machinery/cel/syntax.ts';
import { boolType, dynType, sameType, typeText } from '../../machinery/cel/types.ts';
import type { FieldError, FieldPath } from '../../machinery/status.ts';

/** What the conditions of webhooks may speak of. */
const conditions = environment({
  object: dynType,
  oldObject: dynType,
  request: dynType,
  authorizer: dynType,
});

/** Compiles a condition of a webhook. Throws CelSyntaxError. */
export const compileCondition = (expression: string): CelProgram => compileCel(expression, conditions);

/** Why a condition cannot be compiled. */
export function compilationErrors(expression: string, path: FieldPath): FieldError[] {
  try {
    const { output } = compileCondition(expression);
    if (!output || sameType(output, boolType) || output.kind === 'dyn') return [];
    return [path.invalid(expression, `must evaluate to bool but got ${typeText(output)}`)];
  } catch (error) {
    if (!(error instanceof CelSyntaxError)) throw error;
    return [path.invalid(expression, `compilation failed: ${error.message}`)];
  }
}
