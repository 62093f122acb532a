// The expressions that validating and mutating policies both have.
import type { Compiled, PolicyCompiler } from '../../api/admissionregistration/expressions.ts';
import { compileMatchCondition } from '../../api/admissionregistration/match-conditions.ts';
import type { MatchCondition, ParamKind, Variable } from '../../api/admissionregistration/v1.gen.ts';
import type { NamedExpression } from './evaluation.ts';

interface Spec {
  paramKind?: ParamKind;
  matchConditions?: MatchCondition[];
  variables?: Variable[];
}

export const conditionsOf = ({ matchConditions = [], paramKind }: Spec): Compiled[] =>
  matchConditions.map(({ expression }) => compileMatchCondition(expression.trim(), paramKind !== undefined));

/** The compiler then knows them. */
export const variablesIn = (
  { variables = [], paramKind }: Spec,
  compiler: PolicyCompiler,
): NamedExpression[] =>
  variables.map(({ name, expression }) => ({
    name,
    compiled: compiler.variable(name, expression, { params: paramKind !== undefined, authorizer: true }),
  }));
