// Resources within resources: x-kubernetes-embedded-resource.
import { validateObjectMeta } from '../../api/meta.ts';
import type { JSONSchema } from '../../machinery/apply/openapi-schema.ts';
import type { ObjectMeta } from '../../machinery/meta.gen.ts';
import { dns1035LabelProblems } from '../../machinery/names.ts';
import { type FieldError, type FieldPath, field } from '../../machinery/status.ts';

type Json = Record<string, any>;
const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const schemaOf = (value: unknown): JSONSchema | undefined =>
  isObject(value) ? (value as JSONSchema) : undefined;
const EMBEDDED = 'x-kubernetes-embedded-resource';

/** Whether a schema has such a place: without one there is nothing to walk for. */
export function hasEmbedded(schema: JSONSchema | undefined): boolean {
  if (!schema) return false;
  return (
    schema[EMBEDDED] === true ||
    Object.values(schema.properties ?? {}).some(hasEmbedded) ||
    hasEmbedded(schemaOf(schema.items)) ||
    hasEmbedded(schemaOf(schema.additionalProperties))
  );
}

/** What is wrong with embedded resources: each says what it is, and has metadata as any other. */
export function embeddedErrors(
  value: unknown,
  schema: JSONSchema | undefined,
  path?: FieldPath,
): FieldError[] {
  if (!schema) return [];
  if (Array.isArray(value)) {
    const items = schemaOf(schema.items);
    return items && path ? value.flatMap((item, i) => embeddedErrors(item, items, path.child(i))) : [];
  }
  if (!isObject(value)) return [];
  const { properties = {} } = schema;
  const more = schemaOf(schema.additionalProperties);
  const below = Object.keys(value).flatMap((key) => {
    const at = path ? path.child(key) : field(key);
    if (Object.hasOwn(properties, key)) return embeddedErrors(value[key], properties[key], at);
    return more ? embeddedErrors(value[key], more, path ? path.key(key) : at) : [];
  });
  return path && schema[EMBEDDED] ? [...resourceErrors(value, path), ...below] : below;
}

function resourceErrors({ apiVersion, kind, metadata }: Json, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  for (const [name, value] of Object.entries({ apiVersion, kind })) {
    const at = path.child(name);
    if (value === undefined) errors.push(at.required('must not be empty'));
    else if (typeof value !== 'string') errors.push(at.invalid(value, 'must be a string'));
    else if (!value) errors.push(at.invalid(value, 'must not be empty'));
    else if (name === 'apiVersion' && value.split('/').length > 2)
      errors.push(at.invalid(value, `unexpected GroupVersion string: ${value}`));
    else if (name === 'kind') {
      const wrong = dns1035LabelProblems(value.toLowerCase()).join(',');
      if (wrong) errors.push(at.invalid(value, `may have mixed case, but should otherwise match: ${wrong}`));
    }
  }
  if (!isObject(metadata)) return errors;
  const meta = { ...metadata, name: metadata.name || 'fakename' } as ObjectMeta;
  return [...errors, ...validateObjectMeta(meta, Boolean(meta.namespace), 'path', path.child('metadata'))];
}
