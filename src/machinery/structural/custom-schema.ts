import { type JSONSchema, schemaFromOpenAPI } from '../apply/openapi-schema.ts';
import { checkFields } from '../decode.ts';
import type { AnyObject } from '../meta.ts';
import type { SchemaTable } from '../schema.ts';
import { schemaNode } from '../schema-node.ts';
import type { FieldError } from '../status.ts';
import { applyDefaults, hasDefaults } from './defaults.ts';
import { hasRules, validateRules } from './rules.ts';
import { validateSchema } from './validate.ts';

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
  /** Errors of values and of rules; rules of change need the old object. */
  validate(object: AnyObject, old?: AnyObject): FieldError[];
}

/** `base` gives the types of metadata: the table of the built-in kinds. */
export function customSchema(schema: JSONSchema | undefined, type: string, base: SchemaTable): CustomSchema {
  const schemas = schemaFromOpenAPI(schema, type, base);
  const node = schemaNode(schemas, type);
  const defaults = hasDefaults(schema);
  const rules = hasRules(schema);
  return {
    schemas,
    type,
    hasDefaults: defaults,
    prune: (object) => checkFields(object, type, schemas, { types: false }).unknown,
    applyDefaults(object) {
      if (defaults) applyDefaults(object, schema);
    },
    validate(object, old) {
      const errors = validateSchema(object, schema);
      // Rules are written for values of the right form.
      return rules && !errors.length ? validateRules(object, old, schema!, node).errors : errors;
    },
  };
}
