// Custom resources as OpenAPI describes them. Version 2 cannot say all that a schema says, and kubectl reads much into what is
// there: what version 2 cannot describe, it leaves out.
import type { JSONSchema } from '../machinery/apply/openapi-schema.ts';
import type { Kind } from '../machinery/kind.ts';
import { isObject } from '../machinery/patch/merge.ts';
import { apiVersionText, kindText, listMetadataText, metadataText } from './descriptions.ts';
import { customName, type Doc, publishedName, type Style } from './openapi-schemas.ts';

const PRESERVE = 'x-kubernetes-preserve-unknown-fields';
const EMBEDDED = 'x-kubernetes-embedded-resource';
const junctors = ['oneOf', 'anyOf', 'not', 'allOf'];

/** A reference that says more: beside one nothing else counts in version 3. */
const referTo = (typeId: string, description: string, style: Style): Doc => {
  const ref = { $ref: style.prefix + publishedName(typeId) };
  return style.version === 3 ? { allOf: [ref], description } : { ...ref, description };
};
const resourceProperties = (style: Style): Doc => ({
  apiVersion: { description: apiVersionText, type: 'string' },
  kind: { description: kindText, type: 'string' },
  metadata: referTo('meta.v1.ObjectMeta', metadataText, style),
});

const selectable = ({ rules }: Kind): Doc => {
  const fields = Object.keys(rules.fieldSelectors ?? {});
  return fields.length
    ? { 'x-kubernetes-selectable-fields': fields.map((fieldPath) => ({ fieldPath })) }
    : {};
};

/** A custom resource's schema as it is published: with the fields that all resources have. */
export function customDefinition(kind: Kind, schema: JSONSchema | undefined, style: Style): Doc {
  const { group, version } = kind;
  const extensions = {
    'x-kubernetes-group-version-kind': [{ group, kind: kind.kind, version }],
    ...selectable(kind),
  };
  // With any property at all, kubectl would take those that are not named for mistakes.
  if (!schema || (style.version === 2 && schema[PRESERVE])) return { type: 'object', ...extensions };
  const base = published(schema, style);
  return {
    ...base,
    type: 'object',
    properties: { ...base.properties, ...resourceProperties(style) },
    ...extensions,
  };
}

export function customListDefinition(kind: Kind, style: Style): Doc {
  const { group, version, plural } = kind;
  const listKind = kind.listKind ?? `${kind.kind}List`;
  const { apiVersion, kind: kindProperty } = resourceProperties(style);
  return {
    description: `${listKind} is a list of ${kind.kind}`,
    type: 'object',
    required: ['items'],
    properties: {
      apiVersion,
      items: {
        description: `List of ${plural}. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md`,
        type: 'array',
        items: { $ref: style.prefix + customName(kind) },
      },
      kind: kindProperty,
      metadata: referTo('meta.v1.ListMeta', listMetadataText, style),
    },
    'x-kubernetes-group-version-kind': [{ group, kind: listKind, version }],
    ...selectable(kind),
  };
}

export const customListName = (kind: Kind): string =>
  [...kind.group.split('.').reverse(), kind.version, kind.listKind ?? `${kind.kind}List`].join('.');

function published(schema: JSONSchema, style: Style): Doc {
  const result: Doc = {};
  for (const [name, value] of Object.entries(schema)) {
    if (value === undefined || (style.version === 2 && leftOut(name, schema))) continue;
    if (name === 'properties' && isObject(value))
      result.properties = Object.fromEntries(
        Object.entries(value).map(([key, property]) => [key, published(property as JSONSchema, style)]),
      );
    else if ((name === 'items' || name === 'additionalProperties') && isObject(value))
      result[name] = published(value as JSONSchema, style);
    else if (name === 'required' && style.version === 2) {
      const needed = (value as string[]).filter((key) => !schema.properties?.[key]?.nullable);
      if (needed.length && !nullableValues(schema)) result.required = needed;
    } else result[name] = value;
  }
  if (schema['x-kubernetes-int-or-string'] && style.version === 3 && !schema.anyOf)
    result.anyOf = [{ type: 'integer' }, { type: 'string' }];
  if (schema[EMBEDDED] && !(style.version === 2 && schema[PRESERVE])) {
    result.properties = { ...result.properties, ...resourceProperties(style) };
    result.required = [...new Set([...(result.required ?? []), 'kind', 'apiVersion'])];
  }
  return result;
}

const nullableValues = ({ additionalProperties: more }: JSONSchema): boolean =>
  isObject(more) && (more as JSONSchema).nullable === true;

/** What version 2 has no words for, or what kubectl would understand in another way. */
function leftOut(name: string, schema: JSONSchema): boolean {
  if (name === 'nullable' || name === 'default' || junctors.includes(name)) return true;
  const anything = schema.nullable === true || schema[PRESERVE] === true;
  if (name === 'items' || name === 'properties') return anything;
  if (name !== 'type') return false;
  if (schema.nullable) return true;
  return schema.type === 'array' ? anything || !schema.items : schema.type === 'object' && anything;
}
