// What is wrong with the rules of a schema itself: they must compile, and their cost must have a bound that can be afforded.
// https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#resource-use-by-validation-functions
import type { JSONSchema } from '../apply/openapi-schema.ts';
import type { CelProgram } from '../cel/compile.ts';
import { MOST } from '../cel/cost.ts';
import { estimateCost } from '../cel/estimate.ts';
import type { FieldError, FieldPath } from '../status.ts';
import { type Declaration, declarationAt, declare, LARGEST_REQUEST } from './declaration.ts';
import { fieldPathOf } from './field-path.ts';
import { type CompiledRule, compileRules, rulesIn, schemaOf } from './rules.ts';

/** What one expression may cost, at as many places of an object as it can stand, and all of a schema together. */
const EXPRESSION_LIMIT = 10_000_000;
const SCHEMA_LIMIT = 100_000_000;

interface Place {
  schema: JSONSchema;
  path: FieldPath;
  isResource: boolean;
  /** How many values there can be that the schema describes; undefined without a bound. */
  count: number | undefined;
  /** Within a list or map whose elements have no old values: where. */
  untold: FieldPath | undefined;
}

/** The errors of all rules of a schema that is right otherwise. */
export function ruleErrors(schema: JSONSchema, path: FieldPath): FieldError[] {
  const checks = new RuleChecks();
  checks.visit({ schema, path, isResource: true, count: 1, untold: undefined });
  return [...checks.errors, ...checks.totalErrors(path)];
}

class RuleChecks {
  readonly errors: FieldError[] = [];
  #total = 0;
  readonly #expensive: { path: FieldPath; cost: number }[] = [];

  totalErrors(path: FieldPath): FieldError[] {
    if (this.#total <= SCHEMA_LIMIT) return [];
    const contributed =
      'contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema';
    const all = 'x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema';
    return [
      ...this.#expensive.map((rule) => rule.path.forbidden(contributed)),
      path.forbidden(exceeds(all, this.#total, SCHEMA_LIMIT)),
    ];
  }

  visit(place: Place): void {
    const { schema, path, count } = place;
    const items = schemaOf(schema.items);
    const more = schemaOf(schema.additionalProperties);
    const { maxItems, maxProperties } = schema as { maxItems?: number; maxProperties?: number };
    const times = (most: number | undefined) =>
      count === undefined || most === undefined ? undefined : Math.min(count * Math.max(0, most), MOST);
    const at = (inner: JSONSchema, where: FieldPath, of: number | undefined, untold: FieldPath | undefined) =>
      this.visit({
        schema: inner,
        path: where,
        isResource: inner['x-kubernetes-embedded-resource'] === true,
        count: of,
        untold,
      });
    if (more) at(more, path.child('additionalProperties'), times(maxProperties), place.untold);
    for (const [name, property] of Object.entries(schema.properties ?? {}))
      at(property, path.child('properties').key(name), count, place.untold);
    if (items) {
      const told = schema['x-kubernetes-list-type'] === 'map';
      at(items, path.child('items'), times(maxItems), told ? place.untold : (place.untold ?? path));
    }
    this.#rules(place);
  }

  #rules({ schema, path, isResource, count, untold }: Place): void {
    const rules = rulesIn(schema);
    if (!rules.length) return;
    const at = path.child('x-kubernetes-validations');
    const declaration = declare(schema, isResource);
    if (!declaration) {
      const why = 'internal error: failed to construct type information for x-kubernetes-validations rules';
      this.errors.push(at.wrong(`${why}: unable to convert structural schema to CEL declarations`));
      return;
    }
    // At least a comma stands between two values.
    const repeated = count ?? Math.floor(LARGEST_REQUEST / (declaration.least + 1));
    compileRules(schema, declaration).forEach((rule, i) => {
      this.#rule(rule, at.child(i), declaration, repeated, untold);
      if (rule.fieldPath?.trim() && !fieldPathOf(rule.fieldPath, schema))
        this.errors.push(at.child(i, 'fieldPath').invalid(rule.fieldPath, 'must be a valid path'));
    });
  }

  #rule(
    rule: CompiledRule,
    at: FieldPath,
    declaration: Declaration,
    repeated: number,
    untold: FieldPath | undefined,
  ): void {
    const { program, problem, text, textProblem, optionalOldSelf } = rule;
    if (!program && !problem) return;
    const shown = shownRule(rule);
    if (problem) this.errors.push(at.child('rule').invalid(shown, problem));
    if (program) this.#cost('estimated rule cost', at.child('rule'), worst(program, declaration), repeated);
    if (textProblem) this.errors.push(at.child('messageExpression').invalid(shown, textProblem));
    if (text)
      this.#cost(
        'estimated messageExpression cost',
        at.child('messageExpression'),
        worst(text, declaration),
        1,
      );
    if (!program) return;
    if (program.names.has('oldSelf')) {
      if (untold)
        this.errors.push(
          at
            .child('rule')
            .invalid(
              rule.rule,
              `oldSelf cannot be used on the uncorrelatable portion of the schema within ${untold.path}`,
            ),
        );
    } else if (optionalOldSelf !== undefined)
      this.errors.push(
        at.child('optionalOldSelf').invalid(optionalOldSelf, 'may not be set if oldSelf is not used in rule'),
      );
  }

  #cost(what: string, path: FieldPath, each: number, repeated: number): void {
    const cost = Math.min(each * repeated, MOST);
    if (cost > EXPRESSION_LIMIT) this.errors.push(path.forbidden(exceeds(what, cost, EXPRESSION_LIMIT)));
    this.#total = Math.min(this.#total + cost, MOST);
    if (cost < SCHEMA_LIMIT / 100) return;
    this.#expensive.push({ path, cost });
    this.#expensive.sort((a, b) => b.cost - a.cost);
    this.#expensive.length = Math.min(this.#expensive.length, 4);
  }
}

const worst = ({ checked }: CelProgram, declaration: Declaration): number =>
  estimateCost(checked!, (path) => {
    const at = declarationAt(declaration, path);
    return at && { min: 0, max: at.most };
  }).max;

function exceeds(what: string, cost: number, limit: number): string {
  const factor = cost / limit;
  const text =
    factor > 100 ? 'more than 100x' : factor < 1.5 ? `${factor.toFixed(6)}x` : `${factor.toFixed(1)}x`;
  const how =
    'try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared';
  return `${what} exceeds budget by factor of ${text} (${how})`;
}

/** A rule as its author wrote it. */
function shownRule({ program: _, problem: __, text: ___, textProblem: ____, ...rule }: CompiledRule): object {
  return rule;
}
