// Types as OpenAPI describes them, from the tables of the facts.
import type { Kind } from '../machinery/kind.ts';
import type { FieldSchema, SchemaTable } from '../machinery/schema.ts';
import { type Texts, textsOf } from './descriptions.ts';
import { resourceFacts, typeFacts } from './facts.gen.ts';

export type Doc = Record<string, any>;

/** The first parts of long names that are not `io.k8s.api`. */
const homes: Record<string, string> = {
  meta: 'io.k8s.apimachinery.pkg.apis.meta',
  resource: 'io.k8s.apimachinery.pkg.api.resource',
  intstr: 'io.k8s.apimachinery.pkg.util.intstr',
  runtime: 'io.k8s.apimachinery.pkg.runtime',
  version: 'io.k8s.apimachinery.pkg.version',
  apiextensions: 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions',
  apiregistration: 'io.k8s.kube-aggregator.pkg.apis.apiregistration',
};

/** `core.v1.Pod` -> `io.k8s.api.core.v1.Pod`, the name under which a type is published. */
export function publishedName(typeId: string): string {
  const dot = typeId.indexOf('.');
  const home = typeId.slice(0, dot);
  // The group `resource` has versions; the package of quantities has none.
  const isGroup = home === 'resource' && /^resource\.v\d/.test(typeId);
  return `${isGroup ? 'io.k8s.api.resource' : (homes[home] ?? `io.k8s.api.${home}`)}.${typeId.slice(dot + 1)}`;
}

/** `example.com/v1 CronTab` -> `com.example.v1.CronTab`. */
export const customName = ({ group, version, kind }: Kind): string =>
  [...group.split('.').reverse(), version, kind].join('.');

export interface Style {
  /** `#/definitions/` or `#/components/schemas/`. */
  prefix: string;
  version: 2 | 3;
}
export const v2Style: Style = { prefix: '#/definitions/', version: 2 };
export const v3Style: Style = { prefix: '#/components/schemas/', version: 3 };

const isTable = (schemas: SchemaTable, id: string): boolean => Object.hasOwn(schemas, id);

/** The schema of a JSON type of the facts; collects the types that it names in `used`. */
function typeSchema(t: FieldSchema['t'], style: Style, used: (id: string) => void): Doc {
  if (Array.isArray(t)) {
    const inner = typeSchema(t[1], style, used);
    return t[0] === 'array'
      ? { type: 'array', items: inner }
      : { type: 'object', additionalProperties: inner };
  }
  if (isTable(typeFacts, t)) {
    used(t);
    return { $ref: style.prefix + publishedName(t) };
  }
  const [type, format] = t.split(':');
  return format ? { type, format } : { type };
}

function fieldSchema(field: FieldSchema, style: Style, used: (id: string) => void): Doc {
  const schema = typeSchema(field.t, style, used);
  const extra: Doc = {};
  if (field.default !== undefined && style.version === 3) extra.default = field.default;
  if (field.enum && style.version === 3) extra.enum = field.enum;
  if (field.keys) extra['x-kubernetes-list-map-keys'] = field.keys;
  if (field.list) extra['x-kubernetes-list-type'] = field.list;
  if (field.mapType) extra['x-kubernetes-map-type'] = field.mapType;
  if (field.mergeKey) extra['x-kubernetes-patch-merge-key'] = field.mergeKey;
  if (field.patch) extra['x-kubernetes-patch-strategy'] = field.patch;
  if (!Object.keys(extra).length) return schema;
  // Beside a reference nothing else counts in version 3.
  return schema.$ref && style.version === 3 ? { allOf: [schema], ...extra } : { ...schema, ...extra };
}

const described = (schema: Doc, description: string, style: Style): Doc =>
  schema.$ref && style.version === 3 ? { allOf: [schema], description } : { description, ...schema };

const gvkOf = (text: string): Doc => {
  const parts = text.split('/');
  return { group: parts[0] ?? '', kind: parts[2], version: parts[1] };
};

/** What stands for a type in `kind`; types of the machinery (DeleteOptions, WatchEvent) are of every group version. */
function kindsOf(typeId: string, gvk: readonly string[] | string): Doc[] {
  if (typeof gvk !== 'string') return gvk.map(gvkOf);
  const kind = typeId.split('.').at(-1);
  const versions = new Map(
    resourceFacts.map(({ group, version }) => [`${group}/${version}`, { group, kind, version }]),
  );
  return [...versions.values()];
}

function definition(typeId: string, style: Style, used: (id: string) => void, given?: Texts): Doc {
  const type = typeFacts[typeId]!;
  if (!type.fields) {
    const [kind = 'object', format] = (type.is ?? '').split(':');
    if (!type.is) return {}; // any JSON
    if (format === 'int-or-string' && style.version === 3)
      return { oneOf: [{ type: 'integer' }, { type: 'string' }], format };
    return format ? { type: kind, format } : { type: kind };
  }
  const properties: Doc = {};
  const required: string[] = [];
  const texts = textsOf(typeId, given);
  for (const [name, field] of Object.entries(type.fields)) {
    const description = texts?.[name];
    const schema = fieldSchema(field, style, used);
    properties[name] = description ? described(schema, description, style) : schema;
    if (field.req) required.push(name);
  }
  return {
    ...(texts?.[''] ? { description: texts[''] } : {}),
    type: 'object',
    ...(required.length ? { required } : {}),
    ...(Object.keys(properties).length ? { properties } : {}),
    ...(type.gvk?.length ? { 'x-kubernetes-group-version-kind': kindsOf(typeId, type.gvk) } : {}),
    ...(type.mapType ? { 'x-kubernetes-map-type': type.mapType } : {}),
  };
}

/** The definitions of these types and of all that they refer to. */
export function definitions(typeIds: Iterable<string>, style: Style, texts?: Texts): Doc {
  const result: Doc = {};
  const open = [...typeIds];
  const seen = new Set<string>();
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    if (seen.has(id) || !isTable(typeFacts, id)) continue;
    seen.add(id);
    result[publishedName(id)] = definition(id, style, (other) => open.push(other), texts);
  }
  return Object.fromEntries(Object.entries(result).sort(([a], [b]) => (a < b ? -1 : 1)));
}
