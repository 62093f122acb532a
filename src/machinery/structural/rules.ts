// Rules in CEL that a schema carries: x-kubernetes-validations.
// https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-rules
import type { JSONSchema } from '../apply/openapi-schema.ts';
import { type Budget, type CelProgram, compileCel, PER_CALL_LIMIT } from '../cel/compile.ts';
import { type Environment, environment } from '../cel/environment.ts';
import { CelSyntaxError } from '../cel/syntax.ts';
import { boolType, optionalType, sameType, stringType } from '../cel/types.ts';
import { adapt, CelError, CelLimitError, Optional, type Value } from '../cel/values.ts';
import { equal } from '../meta.ts';
import { childNode, type SchemaNode } from '../schema-node.ts';
import { type FieldError, FieldPath, field } from '../status.ts';
import { type Declaration, declare } from './declaration.ts';
import { fieldPathOf } from './field-path.ts';

export interface Rule {
  rule: string;
  message?: string;
  messageExpression?: string;
  reason?: string;
  fieldPath?: string;
  optionalOldSelf?: boolean;
}

export interface CompiledRule extends Rule {
  program?: CelProgram;
  /** Why there is no program. */
  problem?: string;
  text?: CelProgram;
  textProblem?: string;
}

type Json = Record<string, any>;

/** What all rules of one object together may cost. */
const OBJECT_BUDGET = 10_000_000;
const LONGEST_MESSAGE = 5 * 1024;

export const rulesIn = (schema: JSONSchema): Rule[] =>
  (schema['x-kubernetes-validations'] as Rule[] | undefined) ?? [];
export const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
export const schemaOf = (value: unknown): JSONSchema | undefined =>
  isObject(value) ? (value as JSONSchema) : undefined;
const nestedIn = (schema: JSONSchema): JSONSchema[] => (schema.allOf as JSONSchema[] | undefined) ?? [];

/** Whether a schema has rules anywhere: without one there is nothing to walk for. */
export function hasRules(schema: JSONSchema | undefined): boolean {
  if (!schema) return false;
  return (
    rulesIn(schema).length > 0 ||
    Object.values(schema.properties ?? {}).some(hasRules) ||
    nestedIn(schema).some(hasRules) ||
    hasRules(schemaOf(schema.items)) ||
    hasRules(schemaOf(schema.additionalProperties))
  );
}

/** Compiles the rules of one schema, whose values have these types. */
export function compileRules(schema: JSONSchema, { type }: Declaration): CompiledRule[] {
  const environments = [false, true].map((optional) =>
    environment({ self: type, oldSelf: optional ? optionalType(type) : type }),
  );
  return rulesIn(schema).map((rule) => {
    if (!rule.rule?.trim()) return { ...rule };
    const within = environments[rule.optionalOldSelf ? 1 : 0]!;
    const compiled: CompiledRule = { ...rule };
    const { program, problem } = compileTo(rule.rule, within, 'bool');
    if (problem) compiled.problem = problem;
    else {
      compiled.program = program!;
      if (rule.messageExpression) {
        const text = compileTo(rule.messageExpression, within, 'string');
        if (text.problem) compiled.textProblem = text.problem;
        else compiled.text = text.program!;
      }
    }
    return compiled;
  });
}

function compileTo(
  source: string,
  within: Environment,
  output: 'bool' | 'string',
): { program?: CelProgram; problem?: string } {
  try {
    const program = compileCel(source, within);
    if (output === 'bool' && !sameType(program.output!, boolType))
      return { problem: 'cel expression must evaluate to a bool' };
    if (output === 'string' && !sameType(program.output!, stringType))
      return { problem: 'messageExpression must evaluate to a string' };
    return { program };
  } catch (error) {
    if (!(error instanceof CelSyntaxError)) throw error;
    return {
      problem: `${output === 'bool' ? '' : 'messageExpression '}compilation failed: ${error.message}`,
    };
  }
}

/** Runs something, and notes how long that took. */
export type Timed = <T>(what: 'compilation' | 'evaluation', run: () => T) => T;

/** What is known of the place that a schema describes, worked out when it is first needed. */
interface Known {
  declaration: Declaration | undefined;
  rules: CompiledRule[];
}
const known = new WeakMap<JSONSchema, WeakMap<JSONSchema, Known>>();

/** `rules`: the schema that carries the rules; `schema`: the one that says what values look like. They differ within allOf. */
function knownOf(rules: JSONSchema, schema: JSONSchema, isResource: boolean, timed: Timed): Known {
  let ofSchema = known.get(schema);
  if (!ofSchema) known.set(schema, (ofSchema = new WeakMap()));
  let found = ofSchema.get(rules);
  if (!found) {
    const declaration = rulesIn(rules).length ? declare(schema, isResource) : undefined;
    const compile = () => compileRules(rules, declaration!);
    found = { declaration, rules: declaration ? timed('compilation', compile) : [] };
    ofSchema.set(rules, found);
  }
  return found;
}

/** What an object breaks, and what it broke before already. */
export interface RuleOutcome {
  errors: FieldError[];
  /** Broken by values that did not change: no reason to refuse, but to warn. */
  tolerated: FieldError[];
}

/**
 * The rules that an object breaks. Rules about `oldSelf` hold for updates only, and only where the old value can be told: not
 * within atomic lists. What an update leaves as it was may go on breaking rules that were made later.
 */
export function validateRules(
  object: Json,
  old: Json | undefined,
  schema: JSONSchema,
  node: SchemaNode | undefined,
  timed: Timed = (_, run) => run(),
): RuleOutcome {
  const walk = new RuleWalk(timed);
  const was = old && visible(old);
  const place = { value: visible(object), old: was, schema, node, path: undefined, isResource: true };
  timed('evaluation', () => walk.visit(place, old ? () => equal(place.value, was) : never));
  return walk;
}

const never = (): boolean => false;

/** Of the metadata, rules see the names. */
function visible(object: Json): Json {
  const { name, generateName } = object.metadata ?? {};
  return { ...object, metadata: { ...(name ? { name } : {}), ...(generateName ? { generateName } : {}) } };
}

interface Place {
  value: any;
  old: any;
  schema: JSONSchema;
  /** The schema that carries the rules, where it is another. */
  rules?: JSONSchema;
  node: SchemaNode | undefined;
  path: FieldPath | undefined;
  isResource: boolean;
}

/** Ends the walk: the budget is used up. */
class Exhausted extends Error {}

class RuleWalk implements RuleOutcome {
  readonly errors: FieldError[] = [];
  readonly tolerated: FieldError[] = [];
  readonly #timed: Timed;
  #left = OBJECT_BUDGET;

  constructor(timed: Timed) {
    this.#timed = timed;
  }

  /** `unchanged`: whether the value, or the nearest around it that has an old one, is what it was. */
  visit(place: Place, unchanged: () => boolean): void {
    try {
      this.#visit(place, unchanged);
    } catch (error) {
      if (!(error instanceof Exhausted)) throw error;
    }
  }

  #visit(place: Place, unchanged: () => boolean): void {
    const { value, old, schema, rules = schema, node, isResource } = place;
    if (value === undefined || value === null) return;
    const compiled = knownOf(rules, schema, isResource, this.#timed).rules;
    if (compiled.length) {
      const self = adapt(value, node);
      const oldSelf = old === undefined || old === null ? undefined : adapt(old, node);
      for (const rule of compiled) this.#check(rule, self, oldSelf, place, unchanged);
    }
    for (const nested of nestedIn(rules))
      if (hasRules(nested)) this.#visit({ ...place, rules: nested }, unchanged);
    if (Array.isArray(value)) this.#items(place, unchanged);
    else if (isObject(value)) this.#fields(place, unchanged);
  }

  #below(place: Place, value: any, old: any, inner: Partial<Place>, unchanged: () => boolean): void {
    const told = old !== undefined;
    this.#visit({ ...place, ...inner, value, old } as Place, told ? () => equal(value, old) : unchanged);
  }

  #items({ path, ...place }: Place, unchanged: () => boolean): void {
    const { value, old, schema, rules = schema, node } = place;
    const items = schemaOf(schema.items);
    const ofRules = schemaOf(rules.items);
    if (!items || !ofRules) return;
    value.forEach((item: any, i: number) => {
      const at = path ? path.child(i) : new FieldPath(i);
      const inner = {
        schema: items,
        rules: ofRules,
        node: node?.element,
        path: at,
        isResource: isResource(items),
      };
      this.#below(place as Place, item, counterpart(item, old, schema), inner, unchanged);
    });
  }

  #fields({ path, ...place }: Place, unchanged: () => boolean): void {
    const { value, old, schema, rules = schema, node } = place;
    const before = isObject(old) ? old : undefined;
    const more = schemaOf(schema.additionalProperties);
    const moreRules = schemaOf(rules.additionalProperties);
    for (const key of Object.keys(value)) {
      const property = ownProperty(schema, key);
      const ofRules = ownProperty(rules, key);
      if (property && ofRules) {
        const at = path ? path.child(key) : field(key);
        const inner = { schema: property, rules: ofRules, node: childNode(node, key), path: at };
        this.#below(
          place as Place,
          value[key],
          before?.[key],
          { ...inner, isResource: isResource(property) },
          unchanged,
        );
      } else if (more && moreRules && !property) {
        const at = path ? path.key(key) : new FieldPath(`[${key}]`);
        const inner = {
          schema: more,
          rules: moreRules,
          node: node?.element,
          path: at,
          isResource: isResource(more),
        };
        this.#below(place as Place, value[key], before?.[key], inner, unchanged);
      }
    }
  }

  #check(
    rule: CompiledRule,
    self: Value,
    oldSelf: Value | undefined,
    place: Place,
    unchanged: () => boolean,
  ): void {
    const { schema, path } = place;
    const at = path ?? new FieldPath('<nil>');
    const type = schema.type ?? 'object';
    if (this.#left <= 0) this.#exhausted(at, type);
    if (rule.problem) {
      this.errors.push(at.invalid(type, `rule compile error: ${rule.problem}`));
      return;
    }
    if (!rule.program) return;
    const usesOld = rule.program.names.has('oldSelf');
    if (usesOld && oldSelf === undefined && !rule.optionalOldSelf) return;
    const variables: Record<string, Value> = { self };
    if (rule.optionalOldSelf) variables.oldSelf = new Optional(oldSelf);
    else if (oldSelf !== undefined) variables.oldSelf = oldSelf;
    const name = ruleName(rule);
    const holds = this.#run(rule.program, variables, at, type, (error) => {
      if (error instanceof CelLimitError) {
        const why = 'no further validation rules will be run due to call cost exceeds limit for rule';
        this.errors.push(at.invalid(type, `'${error.message}': ${why}: ${name}`));
        throw new Exhausted();
      }
      const mismatch =
        'call arguments did not match a supported operator, function or macro signature for rule';
      const detail = error.message.startsWith('no such overload')
        ? `'${error.message}': ${mismatch}: ${name}`
        : `${error.message} evaluating rule: ${name}`;
      this.errors.push(at.invalid(type, detail));
    });
    if (holds === undefined || holds === true) return;
    const where = rule.fieldPath ? pathOf(path, rule.fieldPath, schema) : at;
    const error = this.#failure(rule, where, place, this.#message(rule, variables, at, type));
    (usesOld || !unchanged() ? this.errors : this.tolerated).push(error);
  }

  /** Undefined after a failure. */
  #run(
    program: CelProgram,
    variables: Record<string, Value>,
    at: FieldPath,
    type: string,
    failed: (error: CelError) => void,
  ): Value | undefined {
    const budget: Budget = { left: PER_CALL_LIMIT };
    let value: Value | undefined;
    let failure: CelError | undefined;
    try {
      value = program.evaluate(variables, budget);
    } catch (error) {
      if (!(error instanceof CelError)) throw error;
      failure = error;
    }
    this.#left -= PER_CALL_LIMIT - budget.left;
    if (this.#left < 0) this.#exhausted(at, type);
    if (failure) failed(failure);
    return value;
  }
  #exhausted(at: FieldPath, type: string): never {
    this.errors.push(
      at.invalid(
        type,
        'validation failed due to running out of cost budget, no further validation rules will be run',
      ),
    );
    throw new Exhausted();
  }

  #message(rule: CompiledRule, variables: Record<string, Value>, at: FieldPath, type: string): string {
    if (rule.text) {
      const value = this.#run(rule.text, variables, at, type, (error) => {
        if (!(error instanceof CelLimitError)) return; // the plain message serves instead
        const why =
          'no further validation rules will be run due to call cost exceeds limit for messageExpression';
        this.errors.push(at.invalid(type, `${why}: ${JSON.stringify(rule.messageExpression)}`));
        throw new Exhausted();
      });
      const text = typeof value === 'string' ? value.trim() : '';
      if (text && !text.includes('\n') && text.length <= LONGEST_MESSAGE) return text;
    }
    return rule.message ? rule.message.trim() : `failed rule: ${ruleName(rule)}`;
  }

  #failure({ reason }: Rule, at: FieldPath, { value, schema }: Place, message: string): FieldError {
    const whole = schema.type === 'object' || schema.type === 'array';
    switch (reason) {
      case 'FieldValueForbidden':
        return at.forbidden(message);
      case 'FieldValueRequired':
        return at.required(message);
      case 'FieldValueDuplicate':
        return at.duplicate(whole ? schema.type : value);
      default:
        return whole ? at.wrong(message) : at.invalid(value, message);
    }
  }
}

const isResource = (schema: JSONSchema): boolean => schema['x-kubernetes-embedded-resource'] === true;
const ownProperty = ({ properties }: JSONSchema, key: string): JSONSchema | undefined =>
  properties && Object.hasOwn(properties, key) ? properties[key] : undefined;
const ruleName = ({ message, rule }: Rule): string => (message || rule).trim();

/** `.spec.list[0]`, `['a-b']` below a path. */
function pathOf(path: FieldPath | undefined, text: string, schema: JSONSchema): FieldPath {
  let result = path;
  for (const { name, isKey } of fieldPathOf(text, schema) ?? [])
    result = isKey ? (result?.key(name) ?? new FieldPath(`[${name}]`)) : (result?.child(name) ?? field(name));
  return result ?? new FieldPath('<nil>');
}

/** The element of the old list that an element takes the place of. */
function counterpart(item: any, old: any, schema: JSONSchema): any {
  if (!Array.isArray(old) || schema['x-kubernetes-list-type'] !== 'map') return undefined;
  const keys = schema['x-kubernetes-list-map-keys'] ?? [];
  return old.find((other) => keys.every((key) => equal(other?.[key], item?.[key])));
}
