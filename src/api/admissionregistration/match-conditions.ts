import { type CelProgram, compileCel } from '../../machinery/cel/compile.ts';
import { CelSyntaxError } from '../../machinery/cel/syntax.ts';
import type { FieldError, FieldPath } from '../../machinery/status.ts';

const variables = new Set(['object', 'oldObject', 'request', 'authorizer']);
const types = new Set('bool bytes double int list map null_type string type uint optional_type'.split(' '));

/** Compiles a condition of a webhook. Throws CelSyntaxError. */
export function compileCondition(expression: string): CelProgram {
  const program = compileCel(expression);
  for (const name of program.names) {
    if (!variables.has(name) && !types.has(name))
      throw new CelSyntaxError(
        `ERROR: <input>:1:1: undeclared reference to '${name}' (in container '')\n | ${expression}\n | ^`,
        0,
      );
  }
  return program;
}

/** Why a condition cannot be compiled. */
export function compilationErrors(expression: string, path: FieldPath): FieldError[] {
  try {
    compileCondition(expression);
    return [];
  } catch (error) {
    if (!(error instanceof CelSyntaxError)) throw error;
    return [path.invalid(expression, `compilation failed: ${error.message}`)];
  }
}
