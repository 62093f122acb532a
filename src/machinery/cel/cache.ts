import { type CelProgram, compileCel } from './compile.ts';
import type { Environment } from './environment.ts';

/** Programs that are remembered of one environment. */
const MOST = 1000;

const known = new WeakMap<Environment, Map<string, CelProgram>>();

/** As `compileCel`, but an expression that an environment has seen before is not compiled again. Throws CelSyntaxError. */
export function compileOnce(source: string, within: Environment): CelProgram {
  let programs = known.get(within);
  if (!programs) {
    programs = new Map();
    known.set(within, programs);
  }
  let program = programs.get(source);
  if (!program) {
    program = compileCel(source, within);
    if (programs.size >= MOST) programs.delete(programs.keys().next().value!);
    programs.set(source, program);
  }
  return program;
}
