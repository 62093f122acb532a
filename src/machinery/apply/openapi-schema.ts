import type { FieldSchema, SchemaTable, TypeSchema } from '../schema.ts';

/** A schema as a CustomResourceDefinition writes it (the parts that give shape; values are validated elsewhere). */
export interface JSONSchema {
  type?: string;
  format?: string;
  nullable?: boolean;
  default?: unknown;
  enum?: unknown[];
  required?: string[];
  properties?: Record<string, JSONSchema>;
  additionalProperties?: JSONSchema | boolean;
  items?: JSONSchema | JSONSchema[];
  'x-kubernetes-preserve-unknown-fields'?: boolean;
  'x-kubernetes-embedded-resource'?: boolean;
  'x-kubernetes-int-or-string'?: boolean;
  'x-kubernetes-list-type'?: string;
  'x-kubernetes-list-map-keys'?: string[];
  'x-kubernetes-map-type'?: string;
  [keyword: string]: unknown;
}

const scalars: Record<string, string> = {
  string: 'string',
  boolean: 'boolean',
  integer: 'integer:int64',
  number: 'number:double',
};

/**
 * Makes a table of types from a structural schema; the resource's own type gets the id `id`.
 * `base` gives the types of metadata (`meta.v1.*`).
 */
export function schemaFromOpenAPI(
  schema: JSONSchema | undefined,
  id: string,
  base: SchemaTable,
): SchemaTable {
  const table: SchemaTable = {};
  for (const key of Object.keys(base)) if (key.startsWith('meta.v1.')) table[key] = base[key]!;
  const root: JSONSchema = schema ?? { 'x-kubernetes-preserve-unknown-fields': true };
  addStruct(table, id, { type: 'object', ...root, 'x-kubernetes-embedded-resource': true });
  return table;
}

const resourceFields: Record<string, FieldSchema> = {
  apiVersion: { t: 'string' },
  kind: { t: 'string' },
  metadata: { t: 'meta.v1.ObjectMeta' },
};

function addStruct(table: SchemaTable, id: string, schema: JSONSchema): void {
  const type: TypeSchema = { fields: {} };
  table[id] = type;
  if (schema['x-kubernetes-preserve-unknown-fields'] || schema.additionalProperties === true)
    type.preserveUnknown = true;
  if (schema['x-kubernetes-map-type'] === 'atomic') type.mapType = 'atomic';
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const field = fieldOf(table, `${id}.${name}`, property);
    if (schema.required?.includes(name)) field.req = 1;
    Object.defineProperty(type.fields, name, { value: field, enumerable: true, writable: true });
  }
  if (schema['x-kubernetes-embedded-resource']) Object.assign(type.fields!, resourceFields);
}

function fieldOf(table: SchemaTable, id: string, schema: JSONSchema): FieldSchema {
  const extra: Partial<FieldSchema> = {};
  if (schema.nullable) extra.nullable = true;
  if (schema.default !== undefined) extra.default = schema.default;
  if (schema['x-kubernetes-int-or-string']) return { t: 'int-or-string', ...extra };
  // Expressions see a string of a format as what the format says: a time, a duration, bytes.
  if (schema.type === 'string' && schema.format) return { t: `string:${schema.format}`, ...extra };
  if (schema.type && Object.hasOwn(scalars, schema.type)) return { t: scalars[schema.type]!, ...extra };
  if (schema.type === 'array') {
    const items = Array.isArray(schema.items) ? schema.items[0] : schema.items;
    const of: FieldSchema = items ? fieldOf(table, `${id}[]`, items) : { t: 'any' };
    const list = schema['x-kubernetes-list-type'] as FieldSchema['list'];
    return {
      t: ['array', of.t],
      of,
      ...(list ? { list, keys: schema['x-kubernetes-list-map-keys'] } : {}),
      ...extra,
    };
  }
  const isResource = schema['x-kubernetes-embedded-resource'] === true;
  if (schema.type !== 'object' && !schema.properties && !isResource) return { t: 'any', ...extra };
  const { additionalProperties: values } = schema;
  const mapType = schema['x-kubernetes-map-type'] === 'atomic' ? ({ mapType: 'atomic' } as const) : {};
  if (typeof values === 'object') {
    const of = fieldOf(table, `${id}{}`, values);
    return { t: ['map', of.t], of, ...mapType, ...extra };
  }
  const free = schema['x-kubernetes-preserve-unknown-fields'] || values === true;
  if (free && !schema.properties && !isResource) {
    if (!('mapType' in mapType)) return { t: 'any', ...extra };
    return { t: ['map', 'any'], of: { t: 'any' }, ...mapType, ...extra };
  }
  addStruct(table, id, schema);
  return { t: id, ...mapType, ...extra };
}
