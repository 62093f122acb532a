// Rules in CEL that a schema carries: x-kubernetes-validations.
// https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-rules
import type { JSONSchema } from '../apply/openapi-schema.ts';
import { type CelProgram, compileCel } from '../cel/compile.ts';
import type { Budget } from '../cel/scope.ts';
import { CelSyntaxError } from '../cel/syntax.ts';
import { adapt, CelError, Optional, type Value } from '../cel/values.ts';
import { equal } from '../meta.ts';
import { childNode, type SchemaNode } from '../schema-node.ts';
import { type FieldError, FieldPath, field } from '../status.ts';

interface Rule {
  rule: string;
  message?: string;
  messageExpression?: string;
  reason?: string;
  fieldPath?: string;
  optionalOldSelf?: boolean;
}

interface CompiledRule extends Rule {
  program: CelProgram;
  text?: CelProgram;
}

type Json = Record<string, any>;

/** What all rules of one object together may cost. */
const OBJECT_BUDGET = 10_000_000;

const compiled = new WeakMap<JSONSchema, CompiledRule[]>();

function rulesOf(schema: JSONSchema): CompiledRule[] {
  let rules = compiled.get(schema);
  if (!rules) {
    rules = ((schema['x-kubernetes-validations'] as Rule[] | undefined) ?? []).map((rule) => ({
      ...rule,
      program: compileCel(rule.rule),
      ...(rule.messageExpression ? { text: compileCel(rule.messageExpression) } : {}),
    }));
    compiled.set(schema, rules);
  }
  return rules;
}

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const objectOf = (value: unknown): JSONSchema | undefined =>
  isObject(value) ? (value as JSONSchema) : undefined;

/** Whether a schema has rules anywhere: without one there is nothing to walk for. */
export function hasRules(schema: JSONSchema | undefined): boolean {
  if (!schema) return false;
  return (
    Boolean((schema['x-kubernetes-validations'] as Rule[] | undefined)?.length) ||
    Object.values(schema.properties ?? {}).some(hasRules) ||
    hasRules(objectOf(schema.items)) ||
    hasRules(objectOf(schema.additionalProperties))
  );
}

/** Why the rules of a schema cannot be compiled, by their places in it; [] when they can. */
export function ruleSyntaxErrors(schema: JSONSchema, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  const rules = (schema['x-kubernetes-validations'] as Rule[] | undefined) ?? [];
  rules.forEach(({ rule, messageExpression }, i) => {
    for (const [name, source] of Object.entries({ rule, messageExpression })) {
      if (!source) continue;
      try {
        compileCel(source);
      } catch (error) {
        if (!(error instanceof CelSyntaxError)) throw error;
        errors.push(
          path
            .child('x-kubernetes-validations', i, name)
            .invalid(source, `compilation failed: ${error.message}`),
        );
      }
    }
  });
  for (const [name, property] of Object.entries(schema.properties ?? {}))
    errors.push(...ruleSyntaxErrors(property, path.child('properties').key(name)));
  const items = objectOf(schema.items);
  if (items) errors.push(...ruleSyntaxErrors(items, path.child('items')));
  const more = objectOf(schema.additionalProperties);
  if (more) errors.push(...ruleSyntaxErrors(more, path.child('additionalProperties')));
  return errors;
}

/**
 * Errors of the rules that an object breaks. Rules about `oldSelf` hold for updates only, and only where the old value can be
 * told: not within atomic lists.
 */
export function validateRules(
  object: Json,
  old: Json | undefined,
  schema: JSONSchema,
  node: SchemaNode | undefined,
): FieldError[] {
  const walk = new RuleWalk();
  const visible = (o: Json): Json => {
    const { name, generateName } = o.metadata ?? {};
    return { ...o, metadata: { ...(name ? { name } : {}), ...(generateName ? { generateName } : {}) } };
  };
  walk.visit(visible(object), old && visible(old), schema, node, undefined);
  return walk.errors;
}

class RuleWalk {
  readonly errors: FieldError[] = [];
  readonly #budget: Budget = { left: OBJECT_BUDGET };

  visit(
    value: any,
    old: any,
    schema: JSONSchema,
    node: SchemaNode | undefined,
    path: FieldPath | undefined,
  ): void {
    if (value === undefined || value === null) return;
    const rules = rulesOf(schema);
    if (rules.length) {
      const self = adapt(value, node);
      const oldSelf = old === undefined || old === null ? undefined : adapt(old, node);
      for (const rule of rules) this.#check(rule, self, oldSelf, schema, path);
    }
    const below = (key: string | number) => (path ? path.child(key) : field(key));
    if (Array.isArray(value)) {
      const items = objectOf(schema.items);
      if (items)
        value.forEach((item, i) => {
          this.visit(item, counterpart(item, old, schema), items, node?.element, below(i));
        });
      return;
    }
    if (!isObject(value)) return;
    const before = isObject(old) ? old : undefined;
    const more = objectOf(schema.additionalProperties);
    for (const key of Object.keys(value)) {
      const property =
        schema.properties && Object.hasOwn(schema.properties, key) ? schema.properties[key] : undefined;
      if (property) this.visit(value[key], before?.[key], property, childNode(node, key), below(key));
      else if (more)
        this.visit(value[key], before?.[key], more, node?.element, path ? path.key(key) : field(key));
    }
  }

  #check(
    rule: CompiledRule,
    self: Value,
    oldSelf: Value | undefined,
    schema: JSONSchema,
    path: FieldPath | undefined,
  ): void {
    const usesOld = rule.program.names.has('oldSelf');
    if (usesOld && oldSelf === undefined && !rule.optionalOldSelf) return;
    const variables: Record<string, Value> = { self };
    if (rule.optionalOldSelf) variables.oldSelf = new Optional(oldSelf);
    else if (oldSelf !== undefined) variables.oldSelf = oldSelf;
    const at = pathOf(path, rule.fieldPath);
    const type = schema.type ?? 'object';
    try {
      if (rule.program.evaluate(variables, this.#budget) === true) return;
    } catch (error) {
      if (!(error instanceof CelError)) throw error;
      this.errors.push(at.invalid(type, `${error.message} evaluating rule: ${rule.message ?? rule.rule}`));
      return;
    }
    this.errors.push(this.#failure(rule, at, type, this.#message(rule, variables)));
  }

  #message(rule: CompiledRule, variables: Record<string, Value>): string {
    if (rule.text) {
      try {
        const text = rule.text.evaluate(variables, this.#budget);
        if (typeof text === 'string' && text.trim() && !text.includes('\n') && text.length <= 5120)
          return text;
      } catch (error) {
        if (!(error instanceof CelError)) throw error; // the plain message serves instead
      }
    }
    return rule.message?.trim() || `failed rule: ${rule.rule.trim()}`;
  }

  #failure({ reason }: Rule, at: FieldPath, type: string, message: string): FieldError {
    switch (reason) {
      case 'FieldValueForbidden':
        return at.forbidden(message);
      case 'FieldValueRequired':
        return at.required(message);
      case 'FieldValueDuplicate':
        return at.duplicate(type);
      default:
        return at.invalid(type, message);
    }
  }
}

/** `.spec.list[0]`, `['a-b']` below a path. */
function pathOf(path: FieldPath | undefined, extra: string | undefined): FieldPath {
  let result = path;
  for (const [, name, quoted] of extra?.matchAll(/\.([\w-]+)|\['([^']+)'\]/g) ?? []) {
    const part = name ?? quoted!;
    result = result ? result.child(part) : field(part);
  }
  return result ?? new FieldPath('<nil>');
}

/** The element of the old list that an element takes the place of. */
function counterpart(item: any, old: any, schema: JSONSchema): any {
  if (!Array.isArray(old)) return undefined;
  const list = schema['x-kubernetes-list-type'];
  if (list === 'set') return old.find((other) => equal(other, item));
  if (list !== 'map') return undefined;
  const keys = schema['x-kubernetes-list-map-keys'] ?? [];
  return old.find((other) => keys.every((key) => equal(other?.[key], item?.[key])));
}
