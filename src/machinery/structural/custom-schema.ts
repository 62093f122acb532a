import { type JSONSchema, schemaFromOpenAPI } from '../apply/openapi-schema.ts';
import { checkFields } from '../decode.ts';
import type { AnyObject } from '../meta.ts';
import type { SchemaTable } from '../schema.ts';
import { schemaNode } from '../schema-node.ts';
import { type FieldError, FieldPath, field } from '../status.ts';
import { applyDefaults, hasDefaults } from './defaults.ts';
import { hasRules, type Timed, validateRules } from './rules.ts';
import { validateLists, validateSchema } from './validate.ts';

/** All that the schema of a custom resource is good for. */
export interface CustomSchema {
  /** The types, for patches and apply; the resource's own has the id `type`. */
  schemas: SchemaTable;
  type: string;
  /** Drops unknown fields, in place; gives their paths. */
  prune(object: AnyObject): string[];
  /** Whether anything in it has a default. */
  hasDefaults: boolean;
  /** Fills in defaults, in place. */
  applyDefaults(object: AnyObject): void;
  /**
   * Errors of values and of rules. With the object as it was, those of what did not change are left out, and rules of change
   * count, too. `more` are errors that were found already: rules are not asked about what is not in the right form. `warn` is
   * told of rules that are broken by what did not change.
   */
  validate(object: AnyObject, old?: AnyObject, more?: FieldError[], warn?: Warn): FieldError[];
  /** The same of an update of the status: values elsewhere are not looked at. */
  validateStatus(object: AnyObject, old: AnyObject, warn?: Warn): FieldError[];
}

type Warn = (text: string) => void;

/** Errors that leave rules nothing to work with. */
const blocking = new Set([
  'FieldValueNotSupported',
  'FieldValueRequired',
  'FieldValueTooLong',
  'FieldValueTooMany',
  'FieldValueTypeInvalid',
]);

/** `base` gives the types of metadata: the table of the built-in kinds. `timed` is only called where the schema has rules. */
export function customSchema(
  schema: JSONSchema | undefined,
  type: string,
  base: SchemaTable,
  timed?: Timed,
): CustomSchema {
  const schemas = schemaFromOpenAPI(schema, type, base);
  const node = schemaNode(schemas, type);
  const defaults = hasDefaults(schema);
  const rules = hasRules(schema);
  const lists = hasLists(schema);
  return {
    schemas,
    type,
    hasDefaults: defaults,
    prune: (object) => checkFields(object, type, schemas, { types: false }).unknown,
    applyDefaults(object) {
      if (defaults) applyDefaults(object, schema);
    },
    validate: (object, old, more = [], warn) =>
      finish(object, old, [...validateSchema(object, schema, old), ...more], warn),
    validateStatus: (object, old, warn) =>
      finish(
        object,
        old,
        validateSchema(object.status, schema?.properties?.status, old.status, field('status')),
        warn,
      ),
  };

  /** What comes after the values: lists, and, where all has the right form, rules. */
  function finish(
    object: AnyObject,
    old: AnyObject | undefined,
    errors: FieldError[],
    warn?: Warn,
  ): FieldError[] {
    // Lists that were wrong before may stay so.
    if (lists && !(old && validateLists(old, schema).length)) errors.push(...validateLists(object, schema));
    if (!rules) return errors;
    if (!errors.some(({ type: sort }) => blocking.has(sort))) {
      const found = validateRules(object, old, schema!, node, timed);
      for (const { field: at, message } of found.tolerated) warn?.(`${at}: ${message}`);
      return [...errors, ...found.errors];
    }
    const why =
      'some validation rules were not checked because the object was invalid; correct the existing errors to complete validation';
    return [...errors, new FieldPath('<nil>').invalid(null, why)];
  }
}

const hasLists = (schema: JSONSchema | undefined): boolean => {
  if (!schema) return false;
  const { items, additionalProperties: more, properties = {} } = schema;
  const list = schema['x-kubernetes-list-type'];
  return (
    list === 'set' ||
    list === 'map' ||
    Object.values(properties).some(hasLists) ||
    (typeof items === 'object' && !Array.isArray(items) && hasLists(items)) ||
    (typeof more === 'object' && hasLists(more))
  );
};
