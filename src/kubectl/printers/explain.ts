// What `explain` says of a schema: its description, and its fields with their types, required ones marked.

export interface Schema {
  type?: string;
  description?: string;
  $ref?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  additionalProperties?: Schema | boolean;
  allOf?: Schema[];
  enum?: unknown[];
  externalDocs?: { description?: string; url?: string };
  'x-kubernetes-group-version-kind'?: { group: string; version: string; kind: string }[];
}

export interface OpenApiDocument {
  paths?: Record<string, Record<string, Record<string, unknown>>>;
  components?: { schemas?: Record<string, Schema> };
}

/** The path names a field that the schema has not. */
export class FieldNotFound extends Error {}

const byName = <T>(entries: Record<string, T> | undefined): [string, T][] =>
  Object.entries(entries ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));

/** Text of the schema of a kind, or of the field at the path in it. Throws a FieldNotFound. */
export function printSchema(
  document: OpenApiDocument,
  gvk: { group: string; version: string; kind: string },
  fields: string[],
  recursive: boolean,
): string {
  for (const [, schema] of byName(document.components?.schemas)) {
    const kinds = schema['x-kubernetes-group-version-kind'] ?? [];
    if (!kinds.some((k) => k.group === gvk.group && k.version === gvk.version && k.kind === gvk.kind))
      continue;
    const text = new Explainer(document, recursive).at(schema, fields, new Set());
    if (!text) throw new FieldNotFound(`field ${JSON.stringify(fields.at(-1))} does not exist`);
    return text;
  }
  throw new FieldNotFound(
    `GVK map[group:${gvk.group} kind:${gvk.kind} version:${gvk.version}] not found in OpenAPI schema`,
  );
}

/** What the entries of a map are, where that is said. */
const entriesOf = ({ additionalProperties: entries }: Schema): Schema | undefined =>
  typeof entries === 'object' ? entries : undefined;

class Explainer {
  readonly #schemas: Record<string, Schema>;
  readonly #recursive: boolean;
  constructor({ components }: OpenApiDocument, recursive: boolean) {
    this.#schemas = components?.schemas ?? {};
    this.#recursive = recursive;
  }

  #resolved(schema: Schema): Schema {
    return (schema.$ref && this.#schemas[schema.$ref.replace('#/components/schemas/', '')]) || schema;
  }

  /** Follows the path through objects, lists and maps; '' where it leads nowhere. */
  at(schema: Schema, path: string[], seen: Set<string>): string {
    const resolved = this.#resolved(schema);
    if (!path.length) return this.#whole(resolved);
    if (schema.$ref && seen.has(schema.$ref)) return '';
    const [name, ...rest] = path as [string, ...string[]];
    const field = resolved.properties?.[name];
    if (field) {
      const head = rest.length ? '' : `FIELD: ${name} <${this.#type(field)}>\n${longEnum(field)}\n\n`;
      return head + this.at(field, rest, new Set());
    }
    const next = new Set(seen).add(schema.$ref ?? '');
    const inner = resolved.items ?? entriesOf(resolved);
    if (inner) return this.at(inner, path, next);
    for (const part of resolved.allOf ?? []) {
      const text = this.at(part, path, next);
      if (text) return text;
    }
    return '';
  }

  #whole(schema: Schema): string {
    const fields = this.#fields(schema, 1, new Set());
    return [
      `DESCRIPTION:\n${indent(wrap(this.#description(schema) || '<empty>', 76), 4)}\n`,
      schema.externalDocs ? `\n${externalDocs(schema.externalDocs, 76, 0)}` : '',
      fields ? `FIELDS:\n${fields}` : '',
    ].join('');
  }

  #description(schema: Schema): string {
    const { description, allOf, items, ...resolved } = this.#resolved(schema);
    const entries = entriesOf(resolved);
    return [
      description ? `${description}\n` : '',
      ...(allOf ?? []).map((part) => this.#description(part)),
      items ? this.#description(items) : '',
      entries ? this.#description(entries) : '',
    ].join('');
  }

  #fields(schema: Schema, level: number, seen: Set<string>): string {
    const { $ref } = schema;
    if ($ref && seen.has($ref)) return '';
    const next = new Set(seen).add($ref ?? '');
    const resolved = this.#resolved(schema);
    let text = '';
    for (const [name, field] of byName(resolved.properties)) {
      text += this.#field(name, field, resolved, level);
      if (this.#recursive) text += this.#fields(field, level + 1, next);
    }
    for (const part of resolved.allOf ?? []) text += this.#fields(part, level, next);
    if (resolved.items) text += this.#fields(resolved.items, level, next);
    const entries = entriesOf(resolved);
    return entries ? text + this.#fields(entries, level, next) : text;
  }

  #field(name: string, field: Schema, { required }: Schema, level: number): string {
    const by = level * 2;
    const head = `${' '.repeat(by)}${name}\t<${this.#type(field)}>${required?.includes(name) ? ' -required-' : ''}${shortEnum(field, by)}\n`;
    if (this.#recursive) return head;
    const text = indent(wrap(field.description || '<no description>', 78 - by), by + 2);
    const docs = field.externalDocs ? `\n${externalDocs(field.externalDocs, 76 - by, by + 2)}` : '';
    return `${head}${text}\n${docs}\n`;
  }

  /** `string`, `[]Container`, `map[string]string`, `ObjectMeta`. */
  #type(schema: Schema): string {
    if (schema.items) return `[]${this.#type(schema.items)}`;
    const entries = entriesOf(schema);
    if (entries) return `map[string]${this.#type(entries)}`;
    if (schema.allOf?.length && !schema.properties) return this.#type(schema.allOf[0]!);
    if (schema.$ref) {
      const { type } = this.#resolved(schema);
      return type && type !== 'object' ? type : schema.$ref.split('/').at(-1)!.split('.').at(-1) || 'Object';
    }
    return !schema.type || schema.type === 'object' ? 'Object' : schema.type;
  }
}

const enumText = (value: unknown): string => (value === '' ? '""' : String(value));

const longEnum = ({ enum: values }: Schema): string =>
  values?.length ? `ENUM:${values.map((value) => `\n    ${enumText(value)}`).join('')}` : '';

function shortEnum({ enum: values }: Schema, by: number): string {
  if (!values?.length) return '';
  const more = values.length > 4 ? ', ....' : '';
  return `\n${' '.repeat(by)}enum: ${values.slice(0, 4).map(enumText).join(', ')}${more}`;
}

function externalDocs(
  { description, url }: { description?: string; url?: string },
  width: number,
  by: number,
) {
  const lines = [`${' '.repeat(by)}EXTERNAL DOCS:\n`];
  if (description) lines.push(`${indent(wrap(description, width), by + (by ? 2 : 4))}\n`);
  if (url) lines.push(`${indent(`URL: ${url}`, by + (by ? 2 : 4))}\n`);
  return lines.join('');
}

const indent = (text: string, by: number): string =>
  ' '.repeat(by) + text.replaceAll('\n', `\n${' '.repeat(by)}`);

/** Breaks lines between words; a word that is longer than a line stays whole. */
export function wrap(text: string, width: number): string {
  return text
    .split('\n')
    .map((line) => {
      let out = '';
      let length = 0;
      for (const [, space, word] of line.matchAll(/(\s*)(\S+|$)/g) as Iterable<[string, string, string]>) {
        if (!word) {
          if (length + space.length <= width) out += space;
        } else if (length + space.length + word.length > width && length + space.length > 0) {
          out += `\n${word}`;
          length = word.length;
        } else {
          out += space + word;
          length += space.length + word.length;
        }
      }
      return out;
    })
    .join('\n');
}
