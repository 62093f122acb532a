// Structural schemas: each field's type stands outside of allOf, anyOf, oneOf and not, which only restrict values.
// https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
import { RE2JS } from 're2js';
import { equal } from '../../machinery/meta.ts';
import type { FieldError, FieldPath } from '../../machinery/status.ts';
import type { JSONSchemaProps } from './v1.gen.ts';

type Schema = JSONSchemaProps;
type Level = 'root' | 'item' | 'field';

export const itemsOf = ({ items }: Schema): Schema | undefined => (Array.isArray(items) ? undefined : items);
/** The schema of further properties; undefined also where anything goes. */
export const additionalOf = ({ additionalProperties: more }: Schema): Schema | undefined =>
  typeof more === 'object' && more ? more : undefined;

/** Why a schema is not structural; [] when it is. */
export const structuralErrors = (schema: Schema, path: FieldPath): FieldError[] =>
  [...invariantErrors(schema, 'root', path), ...completenessErrors(schema, schema, path, path)].sort(
    (a, b) => (a.field + a.message < b.field + b.message ? -1 : 1),
  );

const emptyType: Record<Level, string> = {
  root: 'must not be empty at the root',
  item: 'must not be empty for specified array items',
  field: 'must not be empty for specified object fields',
};

function invariantErrors(schema: Schema, level: Level, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  const { type, properties = {}, additionalProperties: more } = schema;
  const embedded = schema['x-kubernetes-embedded-resource'] === true;
  const intOrString = schema['x-kubernetes-int-or-string'] === true;
  const preserve = schema['x-kubernetes-preserve-unknown-fields'] === true;
  const items = itemsOf(schema);
  if (type === 'array' && !items) errors.push(path.child('items').required('must be specified'));
  if (items) errors.push(...invariantErrors(items, 'item', path.child('items')));
  for (const [name, property] of Object.entries(properties))
    errors.push(...invariantErrors(property, 'field', path.child('properties').key(name)));
  if (more !== undefined && level === 'root')
    errors.push(path.child('additionalProperties').forbidden('must not be used at the root'));
  const additional = additionalOf(schema);
  if (additional) errors.push(...invariantErrors(additional, 'field', path.child('additionalProperties')));

  if (intOrString && preserve)
    errors.push(
      path
        .child('x-kubernetes-preserve-unknown-fields')
        .invalid(true, 'must be false if x-kubernetes-int-or-string is true'),
    );
  if (intOrString && embedded)
    errors.push(
      path
        .child('x-kubernetes-embedded-resource')
        .invalid(true, 'must be false if x-kubernetes-int-or-string is true'),
    );
  errors.push(...valueErrors(schema, intOrStringException(schema), path));

  const at = path.child('type');
  if (embedded && type !== 'object') {
    const why = 'must be object if x-kubernetes-embedded-resource is true';
    errors.push(type ? at.invalid(type, why) : at.required(why));
  } else if (!type && !intOrString && !preserve) errors.push(at.required(emptyType[level]));
  if (embedded && more !== undefined)
    errors.push(
      path
        .child('additionalProperties')
        .forbidden('must not be used if x-kubernetes-embedded-resource is set'),
    );
  if (level === 'root' && type && type !== 'object')
    errors.push(at.invalid(type, 'must be object at the root'));
  if (level === 'root' || embedded) errors.push(...resourceErrors(properties, level, path));
  if (embedded && !preserve && !Object.keys(properties).length)
    errors.push(
      path
        .child('properties')
        .required(
          'must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields',
        ),
    );
  return errors;
}

/** `kind`, `apiVersion` and `metadata` of a resource are known: a schema may say little about them. */
function resourceErrors(properties: Record<string, Schema>, level: Level, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  const at = (name: string) => path.child('properties').key(name);
  for (const name of ['kind', 'apiVersion']) {
    const type = properties[name]?.type;
    if (properties[name] && type !== 'string')
      errors.push(
        at(name)
          .child('type')
          .invalid(type ?? '', 'must be string'),
      );
  }
  const { metadata } = properties;
  if (!metadata) return errors;
  if (metadata.type !== 'object')
    errors.push(
      at('metadata')
        .child('type')
        .invalid(metadata.type ?? '', 'must be object'),
    );
  if (level !== 'root') return errors;
  const { type: _t, default: _d, properties: named = {}, ...rest } = metadata;
  if (Object.keys(rest).length || Object.keys(named).some((n) => n !== 'name' && n !== 'generateName'))
    errors.push(
      at('metadata').forbidden(
        'must not specify anything other than name and generateName, but metadata is implicitly specified',
      ),
    );
  return errors;
}

const intOrStringTypes = [{ type: 'integer' }, { type: 'string' }];

/** `anyOf: [integer, string]` may state types, alone or as the first of allOf. */
const intOrStringException = ({ anyOf, allOf }: Schema): Set<unknown> =>
  new Set([anyOf, allOf?.[0]?.anyOf].filter((types) => equal(types, intOrStringTypes)));

function valueErrors(schema: Schema, except: Set<unknown>, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  for (const name of ['anyOf', 'allOf', 'oneOf'] as const) {
    if (except.has(schema[name])) continue;
    schema[name]?.forEach((nested, i) => {
      errors.push(...nestedErrors(nested, except, path.child(name, i)));
    });
  }
  if (schema.not) errors.push(...nestedErrors(schema.not, except, path.child('not')));
  if (schema.pattern) {
    try {
      RE2JS.compile(schema.pattern);
    } catch (error) {
      errors.push(
        path
          .child('pattern')
          .invalid(
            schema.pattern,
            `must be a valid regular expression, but isn't: ${(error as Error).message}`,
          ),
      );
    }
  }
  return errors;
}

const forbiddenInside: [keyof Schema, string][] = [
  ['type', 'must be empty to be structural'],
  ['additionalProperties', 'must be undefined to be structural'],
  ['default', 'must be undefined to be structural'],
  ['title', 'must be empty to be structural'],
  ['description', 'must be empty to be structural'],
  ['nullable', 'must be false to be structural'],
  ['x-kubernetes-preserve-unknown-fields', 'must be false to be structural'],
  ['x-kubernetes-embedded-resource', 'must be false to be structural'],
  ['x-kubernetes-int-or-string', 'must be false to be structural'],
  ['x-kubernetes-list-map-keys', 'must be empty to be structural'],
  ['x-kubernetes-list-type', 'must be undefined to be structural'],
  ['x-kubernetes-map-type', 'must be undefined to be structural'],
  ['x-kubernetes-validations', 'must be empty to be structural'],
];

function nestedErrors(schema: Schema, except: Set<unknown>, path: FieldPath): FieldError[] {
  const errors = valueErrors(schema, except, path);
  const items = itemsOf(schema);
  if (items) errors.push(...nestedErrors(items, new Set(), path.child('items')));
  for (const [name, property] of Object.entries(schema.properties ?? {}))
    errors.push(...nestedErrors(property, new Set(), path.child('properties').key(name)));
  for (const [name, why] of forbiddenInside) {
    const value = schema[name];
    if (value !== undefined && value !== '' && value !== false && !(Array.isArray(value) && !value.length))
      errors.push(path.child(name).forbidden(why));
  }
  if (schema.properties?.metadata)
    errors.push(
      path.child('properties').key('metadata').forbidden('must not be specified in a nested context'),
    );
  return errors;
}

/** Whatever a junctor restricts has to be a field that the structure outside of it has. */
function completenessErrors(
  restriction: Schema,
  structure: Schema | undefined,
  at: FieldPath,
  from: FieldPath,
): FieldError[] {
  if (!structure) return [at.required(`because it is defined in ${from.path}`)];
  const errors: FieldError[] = [];
  const nested = (inner: Schema, path: FieldPath) => {
    errors.push(...completenessErrors(inner, structure, at, path));
    const items = itemsOf(inner);
    if (items)
      errors.push(...completenessOf(items, itemsOf(structure), at.child('items'), path.child('items')));
    for (const [name, property] of Object.entries(inner.properties ?? {})) {
      const where = path.child('properties').key(name);
      errors.push(
        ...completenessOf(property, structure.properties?.[name], at.child('properties').key(name), where),
      );
    }
  };
  if (restriction.not) nested(restriction.not, from.child('not'));
  for (const name of ['allOf', 'anyOf', 'oneOf'] as const)
    restriction[name]?.forEach((inner, i) => {
      nested(inner, from.child(name, i));
    });
  return errors;
}

/** The same for a property or item of a restriction, itself and what it holds. */
function completenessOf(
  restriction: Schema,
  structure: Schema | undefined,
  at: FieldPath,
  from: FieldPath,
): FieldError[] {
  const errors = completenessErrors(restriction, structure, at, from);
  if (!structure) return errors;
  const items = itemsOf(restriction);
  if (items)
    errors.push(...completenessOf(items, itemsOf(structure), at.child('items'), from.child('items')));
  for (const [name, property] of Object.entries(restriction.properties ?? {}))
    errors.push(
      ...completenessOf(
        property,
        structure.properties?.[name],
        at.child('properties').key(name),
        from.child('properties').key(name),
      ),
    );
  return errors;
}
