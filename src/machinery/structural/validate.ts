// Values of custom resources, held against their schemas.
// https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation
import { RE2JS } from 're2js';
import type { JSONSchema } from '../apply/openapi-schema.ts';
import { equal } from '../meta.ts';
import { type FieldError, FieldPath, field } from '../status.ts';
import { hasFormat } from './formats.ts';

type Json = Record<string, any>;

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function typeOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value;
}

const patterns = new Map<string, RE2JS>();
/** Go's regular expressions, not JavaScript's: linear in time whatever the user wrote. */
function patternOf(text: string): RE2JS {
  let pattern = patterns.get(text);
  if (!pattern) {
    if (patterns.size >= 1000) patterns.clear();
    pattern = RE2JS.compile(text);
    patterns.set(text, pattern);
  }
  return pattern;
}

/**
 * What is wrong with an object, or, with `path`, with a part of one; metadata is left to the rules that hold for every kind.
 * What an update leaves as it was is not looked at again: schemas may become stricter. Source: KEP-4008.
 */
export function validateSchema(
  object: unknown,
  schema: JSONSchema | undefined,
  old?: unknown,
  path?: FieldPath,
): FieldError[] {
  if (!schema) return [];
  const errors: FieldError[] = [];
  validate(object, schema, path, errors, old);
  return errors;
}

/** Below `path`; undefined at the root. `old` is undefined where it cannot be told which value this one takes the place of. */
function validate(
  value: unknown,
  schema: JSONSchema,
  path: FieldPath | undefined,
  errors: FieldError[],
  old?: unknown,
): void {
  if (value === undefined || (old !== undefined && equal(value, old))) return;
  const at = path ?? new FieldPath('<nil>');
  const name = path ? path.path : '';
  if (value === null) {
    if (!schema.nullable) errors.push(typeError(at, name, value, schema.type ?? 'object'));
    return;
  }
  if (!hasType(value, schema, at, name, errors)) return;
  if (schema.enum && !schema.enum.some((allowed) => equal(allowed, value)))
    errors.push(
      at.notSupported(
        value,
        schema.enum.map((v) => (typeof v === 'string' ? v : JSON.stringify(v))),
      ),
    );
  if (typeof value === 'string') validateString(value, schema, at, name, errors);
  else if (typeof value === 'number') validateNumber(value, schema, at, name, errors);
  else if (Array.isArray(value)) validateArray(value, schema, path, name, errors, old);
  else if (isObject(value)) validateObject(value, schema, path, name, errors, old);
  validateLogic(value, schema, at, name, errors);
}

const typeError = (at: FieldPath, name: string, value: unknown, type: string): FieldError =>
  at.typeInvalid(typeOf(value), `${name} in body must be of type ${type}: ${JSON.stringify(typeOf(value))}`);

function hasType(
  value: unknown,
  schema: JSONSchema,
  at: FieldPath,
  name: string,
  errors: FieldError[],
): boolean {
  const actual = typeOf(value);
  if (schema['x-kubernetes-int-or-string']) {
    if (actual === 'integer' || actual === 'string') return true;
    errors.push(typeError(at, name, value, 'integer,string'));
    return false;
  }
  const { type } = schema;
  if (!type || type === actual || (type === 'number' && actual === 'integer')) return true;
  errors.push(typeError(at, name, value, type));
  return false;
}

function validateString(
  value: string,
  schema: Json,
  at: FieldPath,
  name: string,
  errors: FieldError[],
): void {
  const length = schema.maxLength !== undefined || schema.minLength !== undefined ? [...value].length : 0;
  if (schema.maxLength !== undefined && length > schema.maxLength) errors.push(at.tooLong(schema.maxLength));
  if (schema.minLength !== undefined && length < schema.minLength)
    errors.push(at.invalid(value, `${name} in body should be at least ${schema.minLength} chars long`));
  if (schema.pattern && !patternOf(schema.pattern).matcher(value).find())
    errors.push(at.invalid(value, `${name} in body should match '${schema.pattern}'`));
  if (schema.format && !hasFormat(value, schema.format))
    errors.push(
      at.typeInvalid(value, `${name} in body must be of type ${schema.format}: ${JSON.stringify(value)}`),
    );
}

function validateNumber(
  value: number,
  schema: Json,
  at: FieldPath,
  name: string,
  errors: FieldError[],
): void {
  const { maximum, minimum, multipleOf, format } = schema;
  const say = (text: string) => errors.push(at.invalid(value, `${name} in body should be ${text}`));
  if (maximum !== undefined) {
    if (schema.exclusiveMaximum ? value >= maximum : value > maximum)
      say(`less than ${schema.exclusiveMaximum ? '' : 'or equal to '}${maximum}`);
  }
  if (minimum !== undefined) {
    if (schema.exclusiveMinimum ? value <= minimum : value < minimum)
      say(`greater than ${schema.exclusiveMinimum ? '' : 'or equal to '}${minimum}`);
  }
  if (multipleOf && Math.abs(value / multipleOf - Math.round(value / multipleOf)) > 1e-9)
    say(`a multiple of ${multipleOf}`);
  if (format === 'int32' && Math.abs(value) > 2147483648)
    errors.push(at.invalid(value, `Checked value must be of type integer with format int32 in ${name}`));
}

function validateArray(
  value: unknown[],
  schema: Json,
  path: FieldPath | undefined,
  name: string,
  errors: FieldError[],
  old: unknown,
): void {
  const at = path ?? field('<nil>');
  if (schema.maxItems !== undefined && value.length > schema.maxItems)
    errors.push(at.tooMany(value.length, schema.maxItems));
  if (schema.minItems !== undefined && value.length < schema.minItems)
    errors.push(at.invalid(value.length, `${name} in body should have at least ${schema.minItems} items`));
  if (schema.uniqueItems && value.some((item, i) => value.findIndex((other) => equal(other, item)) < i))
    errors.push(at.invalid('', `${name} in body shouldn't contain duplicates`));
  if (isObject(schema.items))
    value.forEach((item, i) => {
      validate(item, schema.items, at.child(i), errors, counterpart(item, old, schema));
    });
}

/** The element of the old list that has the same keys; lists of other types have no such thing. */
function counterpart(item: any, old: unknown, schema: Json): unknown {
  if (!Array.isArray(old) || schema['x-kubernetes-list-type'] !== 'map') return undefined;
  const keys: string[] = schema['x-kubernetes-list-map-keys'] ?? [];
  return old.find((other) => keys.every((key) => equal(other?.[key], item?.[key])));
}

/** Elements that stand twice in a list that is a set, or a map. */
export function validateLists(
  value: unknown,
  schema: JSONSchema | undefined,
  path?: FieldPath,
): FieldError[] {
  if (!schema) return [];
  const at = path ?? new FieldPath('<nil>');
  const items = isObject(schema.items) ? (schema.items as JSONSchema) : undefined;
  if (Array.isArray(value)) {
    const own = duplicatesIn(value, schema, at);
    return items ? [...own, ...value.flatMap((item, i) => validateLists(item, items, at.child(i)))] : own;
  }
  if (!isObject(value)) return [];
  const { properties = {}, additionalProperties: more } = schema;
  return Object.keys(value).flatMap((key) => {
    if (Object.hasOwn(properties, key))
      return validateLists(value[key], properties[key], path ? path.child(key) : field(key));
    if (!isObject(more)) return [];
    return validateLists(value[key], more as JSONSchema, path ? path.key(key) : field(key));
  });
}

function duplicatesIn(value: any[], schema: JSONSchema, at: FieldPath): FieldError[] {
  const list = schema['x-kubernetes-list-type'];
  if (list !== 'set' && list !== 'map') return [];
  const keys = schema['x-kubernetes-list-map-keys'] ?? [];
  const wrong = value.findIndex((item) => list === 'map' && item !== null && !isObject(item));
  if (wrong >= 0)
    return [at.child(wrong).invalid(value[wrong], 'must be an object for an array of list-type map')];
  const seen = new Map<string, number>();
  return value.flatMap((item, i) => {
    const named = keys.filter((key) => item?.[key] !== undefined).map((key) => [key, item[key]]);
    const key = list === 'set' ? item : Object.fromEntries(named);
    const text = JSON.stringify(key);
    const times = seen.get(text) ?? 0;
    seen.set(text, times + 1);
    // One that stands there three times is named once.
    return times === 1 ? [at.child(i).duplicate(key)] : [];
  });
}

function validateObject(
  value: Json,
  schema: Json,
  path: FieldPath | undefined,
  name: string,
  errors: FieldError[],
  old: unknown,
): void {
  const at = path ?? field('<nil>');
  const before = isObject(old) ? old : undefined;
  const below = (key: string) => (path ? path.child(key) : field(key));
  const properties: Record<string, JSONSchema> = schema.properties ?? {};
  for (const key of schema.required ?? []) if (value[key] === undefined) errors.push(below(key).required());
  const count = Object.keys(value).length;
  if (schema.maxProperties !== undefined && count > schema.maxProperties)
    errors.push(at.tooMany(count, schema.maxProperties));
  if (schema.minProperties !== undefined && count < schema.minProperties)
    errors.push(at.invalid(count, `${name} in body should have at least ${schema.minProperties} properties`));
  const more = isObject(schema.additionalProperties)
    ? (schema.additionalProperties as JSONSchema)
    : undefined;
  for (const key of Object.keys(value)) {
    if (!path && (key === 'metadata' || key === 'apiVersion' || key === 'kind')) {
      const meta = properties[key];
      if (meta) validate(value[key], meta, below(key), errors);
    } else if (Object.hasOwn(properties, key))
      validate(value[key], properties[key]!, below(key), errors, before?.[key]);
    else if (more) validate(value[key], more, below(key), errors, before?.[key]);
  }
}

function passes(value: unknown, schema: JSONSchema): boolean {
  const errors: FieldError[] = [];
  validate(value, schema, new FieldPath('x'), errors);
  return errors.length === 0;
}

function validateLogic(
  value: unknown,
  schema: Json,
  at: FieldPath,
  name: string,
  errors: FieldError[],
): void {
  const say = (text: string) => errors.push(at.invalid('', `${JSON.stringify(name)} must ${text}`));
  if (schema.allOf) {
    const before = errors.length;
    for (const part of schema.allOf) validate(value, part, at, errors);
    if (errors.length > before) say('validate all the schemas (allOf)');
  }
  if (schema.anyOf && !schema.anyOf.some((part: JSONSchema) => passes(value, part)))
    say('validate at least one schema (anyOf)');
  if (schema.oneOf) {
    const valid = schema.oneOf.filter((part: JSONSchema) => passes(value, part)).length;
    if (valid !== 1)
      say(
        `validate one and only one schema (oneOf). Found ${valid ? `${valid} valid alternatives` : 'none valid'}`,
      );
  }
  if (schema.not && passes(value, schema.not)) say('not validate the schema (not)');
}
