// A schema as expressions see it: types, and how large values may become.
// https://kubernetes.io/docs/reference/using-api/cel/#types-in-openapi
import type { JSONSchema } from '../apply/openapi-schema.ts';
import {
  boolType,
  bytesType,
  type CelType,
  doubleType,
  durationType,
  dynType,
  intType,
  listType,
  mapType,
  stringType,
  structType,
  timestampType,
} from '../cel/types.ts';
import { escapeName } from '../cel/values.ts';

/** Bytes of the largest request that the API server takes: nothing in an object is larger. */
export const LARGEST_REQUEST = 3 * 1024 * 1024;

export interface Declaration {
  type: CelType;
  /** The most elements, or characters, that a value may have; 0 of what has none. */
  most: number;
  /** Bytes that a value takes in JSON at least. */
  least: number;
  /** Of an object, by the names that expressions use. */
  fields?: ReadonlyMap<string, Declaration>;
  /** Of lists and maps. */
  element?: Declaration;
  key?: Declaration;
}

const text = (most: number): Declaration => ({ type: stringType, most, least: 2 });
const scalars: Record<string, Declaration> = {
  boolean: { type: boolType, most: 0, least: 4 },
  number: { type: doubleType, most: 0, least: 1 },
  integer: { type: intType, most: 0, least: 1 },
};
const formats: Record<string, Declaration> = {
  duration: { type: durationType, most: 32, least: 3 },
  date: { type: timestampType, most: 12, least: 12 },
  'date-time': { type: timestampType, most: 32, least: 21 },
};

/** Undefined where expressions cannot see values of the schema. `name` is that of its type, for messages. */
export function declare(schema: JSONSchema, isResource: boolean, name = 'selfType'): Declaration | undefined {
  const { maxLength } = schema as { maxLength?: number };
  const length = maxLength === undefined ? LARGEST_REQUEST - 2 : Math.max(0, maxLength) * 4;
  if (schema['x-kubernetes-int-or-string']) return { type: dynType, most: length, least: 1 };
  const type = schema.type ?? (isResource ? 'object' : undefined);
  if (type === 'array') return declareList(schema, name);
  if (type === 'object') return declareObject(schema, isResource, name);
  if (type === 'string') {
    const { format } = schema;
    if (format === 'byte') return { type: bytesType, most: maxLength ?? LARGEST_REQUEST - 2, least: 2 };
    if (format && Object.hasOwn(formats, format)) return formats[format];
    if (maxLength === undefined && schema.enum?.length) return text(longest(schema.enum));
    return text(length);
  }
  return type !== undefined && Object.hasOwn(scalars, type) ? scalars[type] : undefined;
}

const longest = (values: readonly unknown[]): number =>
  Math.max(0, ...values.map((value) => (typeof value === 'string' ? value.length : 0)));
const isEmbedded = (schema: JSONSchema): boolean => schema['x-kubernetes-embedded-resource'] === true;

function declareList(schema: JSONSchema, name: string): Declaration | undefined {
  const { items, maxItems } = schema as { items?: JSONSchema; maxItems?: number };
  const element =
    items && !Array.isArray(items) ? declare(items, isEmbedded(items), `${name}.@idx`) : undefined;
  if (!element) return undefined;
  const most = Math.max(0, maxItems ?? Math.floor((LARGEST_REQUEST - 2) / (element.least + 1)));
  return { type: listType(element.type), most, least: 2, element };
}

function declareObject(schema: JSONSchema, isResource: boolean, name: string): Declaration | undefined {
  const { additionalProperties: values, maxProperties } = schema as {
    additionalProperties?: JSONSchema | boolean;
    maxProperties?: number;
  };
  if (typeof values === 'object') {
    const element = declare(values, isEmbedded(values), `${name}.@elem`);
    if (!element) return undefined;
    const most = Math.max(0, maxProperties ?? Math.floor((LARGEST_REQUEST - 2) / (element.least + 6)));
    return { type: mapType(stringType, element.type), most, least: 2, element, key: text(0) };
  }
  const fields = new Map<string, Declaration>();
  let least = 2;
  for (const [property, of] of Object.entries(
    isResource ? withMetadata(schema) : (schema.properties ?? {}),
  )) {
    const declared = declare(of, isEmbedded(of), `${name}.${property}`);
    if (!declared) continue;
    const escaped = escapeName(property);
    if (escaped !== undefined) fields.set(escaped, declared);
    if (schema.required?.includes(property) && of.default === undefined)
      least += property.length + declared.least + 4;
  }
  const type = structType(name, (field) => fields.get(field)?.type);
  return { type, most: 0, least, fields };
}

/** Of the metadata of a resource, expressions see its names. */
function withMetadata({ properties = {} }: JSONSchema): Record<string, JSONSchema> {
  const string: JSONSchema = { type: 'string' };
  const names = { name: string, generateName: string };
  const { kind, apiVersion, metadata } = properties;
  const { name, generateName } = metadata?.properties ?? {};
  const texts = [kind, apiVersion, name, generateName];
  if (metadata?.type === 'object' && texts.every((of) => of?.type === 'string')) return properties;
  return {
    ...properties,
    apiVersion: string,
    kind: string,
    metadata: { type: 'object', properties: names },
  };
}

/** The declaration that a path of an estimate leads to, from a variable that has this one. */
export function declarationAt(root: Declaration, path: readonly string[]): Declaration | undefined {
  let at: Declaration | undefined = root;
  for (const part of path.slice(1)) {
    if (!at) return undefined;
    if (part === '@items' || part === '@values') at = at.element;
    else if (part === '@keys') at = at.key;
    else at = at.fields?.get(part);
  }
  return at;
}
