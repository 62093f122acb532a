// Defaults of custom resources, from their structural schemas.
// https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#defaulting
import type { JSONSchema } from '../apply/openapi-schema.ts';
import { clone } from '../meta.ts';

const isObject = (value: unknown): value is Record<string, any> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * Fills in what a value leaves out, in place. A null where the schema has a default and allows no null counts as left out.
 * Metadata at the root is not touched.
 */
export function applyDefaults(value: unknown, schema: JSONSchema | undefined): void {
  if (!schema) return;
  if (Array.isArray(value)) {
    const items = Array.isArray(schema.items) ? undefined : schema.items;
    if (items) for (const item of value) applyDefaults(item, items);
    return;
  }
  if (!isObject(value)) return;
  const { properties = {}, additionalProperties } = schema;
  for (const name of Object.keys(properties)) {
    const property = properties[name]!;
    const given = Object.hasOwn(value, name) ? value[name] : undefined;
    const missing = given === undefined || (given === null && !property.nullable);
    if (missing && property.default !== undefined)
      Object.defineProperty(value, name, {
        value: clone(property.default),
        enumerable: true,
        writable: true,
        configurable: true,
      });
    if (value[name] !== undefined) applyDefaults(value[name], property);
  }
  if (isObject(additionalProperties))
    for (const name of Object.keys(value)) {
      if (Object.hasOwn(properties, name)) continue;
      const more = additionalProperties as JSONSchema;
      if (value[name] === null && !more.nullable && more.default !== undefined)
        value[name] = clone(more.default);
      applyDefaults(value[name], more);
    }
}

/** Whether anything in the schema has a default: without one there is nothing to walk for. */
export function hasDefaults(schema: JSONSchema | undefined): boolean {
  if (!schema) return false;
  if (schema.default !== undefined) return true;
  const { properties = {}, items, additionalProperties } = schema;
  return (
    Object.values(properties).some(hasDefaults) ||
    (isObject(items) && hasDefaults(items as JSONSchema)) ||
    (isObject(additionalProperties) && hasDefaults(additionalProperties as JSONSchema))
  );
}
