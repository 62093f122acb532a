// What is wrong with the OpenAPI schema of a custom resource, node by node.
// https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
import type { FieldError, FieldPath } from '../../machinery/status.ts';
import { additionalOf, itemsOf } from './structural.ts';
import type { JSONSchemaProps } from './v1.gen.ts';

type Schema = JSONSchemaProps;

/** Where the walk is. */
interface Place {
  root: boolean;
  /** Inside `metadata`, `kind` or `apiVersion` of a resource. */
  inMeta: boolean;
  /** Why no default may stand here. */
  noDefault: string;
}

const types = ['array', 'boolean', 'integer', 'number', 'object', 'string'];
const reasons = ['FieldValueDuplicate', 'FieldValueForbidden', 'FieldValueInvalid', 'FieldValueRequired'];
const metaFields = new Set(['metadata', 'kind', 'apiVersion']);
const START: Place = { root: true, inMeta: false, noDefault: '' };

export function schemaErrors(schema: Schema, path: FieldPath, place: Place = START): FieldError[] {
  return [
    ...formErrors(schema, path, place),
    ...nestedErrors(schema, path, place),
    ...mapTypeErrors(schema, path),
    ...listTypeErrors(schema, path),
    ...listMapErrors(schema, path),
    ...ruleErrors(schema, path),
  ];
}

const unsupported = [
  'id',
  'additionalItems',
  'patternProperties',
  'definitions',
  'dependencies',
  '$ref',
] as const;

function formErrors(schema: Schema, path: FieldPath, place: Place): FieldError[] {
  const errors: FieldError[] = [];
  if (schema.type && !types.includes(schema.type))
    errors.push(path.child('type').notSupported(schema.type, types));
  if (schema.default !== undefined && place.noDefault)
    errors.push(path.child('default').forbidden(`must not be set ${place.noDefault}`));
  for (const name of unsupported)
    if (schema[name] !== undefined && schema[name] !== '')
      errors.push(path.child(name).forbidden(`${name} is not supported`));
  if (schema.type === 'null')
    errors.push(path.child('type').forbidden('type cannot be set to null, use nullable as an alternative'));
  if (Array.isArray(schema.items))
    errors.push(path.child('items').forbidden('items must be a schema object and not an array'));
  if (place.inMeta && schema['x-kubernetes-embedded-resource'])
    errors.push(
      path.child('x-kubernetes-embedded-resource').forbidden('must not be used inside of resource meta'),
    );
  if (schema.uniqueItems)
    errors.push(
      path
        .child('uniqueItems')
        .forbidden('uniqueItems cannot be set to true since the runtime complexity becomes quadratic'),
    );
  const { additionalProperties: more, properties = {} } = schema;
  if (more !== undefined && more !== true && Object.keys(properties).length)
    errors.push(
      path
        .child('additionalProperties')
        .forbidden('additionalProperties and properties are mutual exclusive'),
    );
  if (schema['x-kubernetes-preserve-unknown-fields'] === false)
    errors.push(
      path.child('x-kubernetes-preserve-unknown-fields').invalid(false, 'must be true or undefined'),
    );
  return errors;
}

function nestedErrors(schema: Schema, path: FieldPath, place: Place): FieldError[] {
  const errors: FieldError[] = [];
  const inside: Place = { ...place, root: false };
  const visit = (inner: Schema | undefined, at: FieldPath, where = inside) => {
    if (inner) errors.push(...schemaErrors(inner, at, where));
  };
  const noDefault = place.inMeta
    ? 'inside additionalProperties applying to object metadata'
    : place.noDefault;
  visit(additionalOf(schema), path.child('additionalProperties'), { ...inside, noDefault });
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const meta = (place.root || schema['x-kubernetes-embedded-resource'] === true) && metaFields.has(name);
    visit(property, path.child('properties').key(name), {
      root: false,
      inMeta: place.inMeta || meta,
      noDefault: meta && place.root ? `in top-level ${name}` : place.noDefault,
    });
  }
  visit(schema.not, path.child('not'));
  for (const name of ['allOf', 'oneOf', 'anyOf'] as const)
    schema[name]?.forEach((inner, i) => {
      visit(inner, path.child(name, i));
    });
  visit(itemsOf(schema), path.child('items'));
  return errors;
}

/** A type that an extension needs. */
function needsType(schema: Schema, type: string, extension: string, path: FieldPath): FieldError[] {
  if (schema.type === type) return [];
  const why = `must be ${type} if ${extension} is specified`;
  const at = path.child('type');
  return [schema.type ? at.invalid(schema.type, why) : at.required(why)];
}

function mapTypeErrors(schema: Schema, path: FieldPath): FieldError[] {
  const name = 'x-kubernetes-map-type';
  const mapType = schema[name];
  if (mapType === undefined) return [];
  const errors = needsType(schema, 'object', name, path);
  if (mapType !== 'atomic' && mapType !== 'granular')
    errors.push(path.child(name).notSupported(mapType, ['atomic', 'granular']));
  return errors;
}

function listTypeErrors(schema: Schema, path: FieldPath): FieldError[] {
  const name = 'x-kubernetes-list-type';
  const listType = schema[name];
  const keys = schema['x-kubernetes-list-map-keys'];
  const errors: FieldError[] = [];
  const needsMap = 'must be map if x-kubernetes-list-map-keys is non-empty';
  if (keys?.length && listType !== 'map')
    errors.push(
      listType === undefined
        ? path.child(name).required(needsMap)
        : path.child(name).invalid(listType, needsMap),
    );
  if (listType === undefined) return errors;
  errors.push(...needsType(schema, 'array', name, path));
  if (!['atomic', 'set', 'map'].includes(listType))
    errors.push(path.child(name).notSupported(listType, ['atomic', 'set', 'map']));
  const items = itemsOf(schema);
  if (!items || (listType !== 'set' && listType !== 'map')) return errors;
  if (items.nullable)
    errors.push(
      path
        .child('items', 'nullable')
        .forbidden(`cannot be nullable when x-kubernetes-list-type is ${listType}`),
    );
  if (listType !== 'set' || schema.type !== 'array') return errors;
  const why = 'must be atomic as item of a list with x-kubernetes-list-type=set';
  const { [name]: inner, 'x-kubernetes-map-type': mapType, type } = items;
  if (type === 'array' && inner !== undefined && inner !== 'atomic')
    errors.push(path.child('items', name).invalid(inner, why));
  if (type === 'object' && mapType !== 'atomic')
    errors.push(path.child('items', 'x-kubernetes-map-type').invalid(mapType, why));
  return errors;
}

function listMapErrors(schema: Schema, path: FieldPath): FieldError[] {
  if (schema['x-kubernetes-list-type'] !== 'map') return [];
  const errors: FieldError[] = [];
  const keys = schema['x-kubernetes-list-map-keys'] ?? [];
  const at = path.child('x-kubernetes-list-map-keys');
  if (!keys.length) errors.push(at.required('must not be empty if x-kubernetes-list-type is map'));
  if (!schema.items)
    errors.push(path.child('items').required('must have a schema if x-kubernetes-list-type is map'));
  const items = itemsOf(schema);
  if (!items) return errors;
  if (items.type !== 'object')
    return [
      ...errors,
      path
        .child('items', 'type')
        .invalid(items.type ?? '', "must be object if parent array's x-kubernetes-list-type is map"),
    ];
  keys.forEach((key, i) => {
    const property = items.properties?.[key];
    if (keys.indexOf(key) < i) errors.push(at.invalid(keys, 'must not contain duplicate entries'));
    if (!property) {
      errors.push(at.invalid(keys, 'entries must all be names of item properties'));
      return;
    }
    const where = path.child('items', 'properties').key(key);
    if (property.type === 'array' || property.type === 'object')
      errors.push(
        where
          .child('type')
          .invalid(items.type, "must be a scalar type if parent array's x-kubernetes-list-type is map"),
      );
    if (!(Array.isArray(items.required) && items.required.includes(key)) && property.default === undefined)
      errors.push(
        where
          .child('default')
          .required(
            'this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property',
          ),
      );
    if (property.nullable)
      errors.push(
        where
          .child('nullable')
          .forbidden('this property is in x-kubernetes-list-map-keys, so it cannot be nullable'),
      );
  });
  return errors;
}

const hasNewlines = (text: string): boolean => /[\n\r]/.test(text);

/** The form of validation rules; whether their expressions compile is another matter. */
function ruleErrors(schema: Schema, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  schema['x-kubernetes-validations']?.forEach((rule, i) => {
    const at = path.child('x-kubernetes-validations', i);
    const { message = '', messageExpression = '', reason, fieldPath = '' } = rule;
    const text = (rule.rule ?? '').trim();
    if (!text) errors.push(at.child('rule').required('rule is not specified'));
    else if (message && !message.trim())
      errors.push(at.child('message').invalid(message, 'must be non-empty if specified'));
    else if (hasNewlines(message.trim()))
      errors.push(at.child('message').invalid(message, 'must not contain line breaks'));
    else if (hasNewlines(text) && !message.trim())
      errors.push(at.child('message').required('message must be specified if rule contains line breaks'));
    if (messageExpression && !messageExpression.trim())
      errors.push(at.child('messageExpression').required('messageExpression must be non-empty if specified'));
    if (reason && !reasons.includes(reason)) errors.push(at.child('reason').notSupported(reason, reasons));
    if (fieldPath && !fieldPath.trim())
      errors.push(at.child('fieldPath').invalid(fieldPath, 'must be non-empty if specified'));
    if (hasNewlines(fieldPath))
      errors.push(at.child('fieldPath').invalid(fieldPath, 'must not contain line breaks'));
  });
  return errors;
}

const rootFields = [
  'description type format title maximum exclusiveMaximum minimum exclusiveMinimum maxLength minLength pattern',
  'maxItems minItems uniqueItems multipleOf required items properties externalDocs example',
  'x-kubernetes-preserve-unknown-fields x-kubernetes-validations nullable',
]
  .join(' ')
  .split(' ');
const ROOT_FIELDS =
  '[Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength MinLength Pattern MaxItems MinItems UniqueItems MultipleOf Required Items Properties ExternalDocs Example XPreserveUnknownFields XValidations]';

/** Only what lets `status` be checked by itself may stand at the root, where there is such a subresource. */
export function rootErrors(schema: Schema, hasStatus: boolean, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  if (hasStatus) {
    if (schema.type && schema.type !== 'object')
      errors.push(
        path
          .child('type')
          .invalid(
            schema.type,
            'only "object" is allowed as the type at the root of the schema if the status subresource is enabled',
          ),
      );
    else if (Object.keys(schema).some((name) => !rootFields.includes(name)))
      errors.push(
        path.invalid(
          schema,
          `only ${ROOT_FIELDS} fields are allowed at the root of the schema if the status subresource is enabled`,
        ),
      );
  }
  if (schema.nullable) errors.push(path.child('nullable').forbidden('nullable cannot be true at the root'));
  return errors;
}
