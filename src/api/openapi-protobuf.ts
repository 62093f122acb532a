// OpenAPI version 2 in protobuf (openapi.v2.Document of gnostic-models), for `Accept:
// application/com.github.proto-openapi.spec.v2@v1.0+protobuf`. Maps are lists of named values there; values of free form
// are YAML, of which JSON is a part.
import { messageCodec } from '../machinery/protobuf/message.ts';
import type { Doc } from './openapi-schemas.ts';

const codec = messageCodec({
  Document: {
    swagger: [1, 'string'],
    info: [2, 'Info'],
    paths: [8, 'Paths'],
    definitions: [9, 'NamedSchemas'],
    parameters: [10, 'ParameterDefinitions'],
    security: [12, 'repeated SecurityRequirement'],
    securityDefinitions: [13, 'SecurityDefinitions'],
  },
  Info: { title: [1, 'string'], version: [2, 'string'] },
  Paths: { path: [2, 'repeated NamedPathItem'] },
  NamedPathItem: { name: [1, 'string'], value: [2, 'PathItem'] },
  PathItem: {
    get: [2, 'Operation'],
    put: [3, 'Operation'],
    post: [4, 'Operation'],
    delete: [5, 'Operation'],
    patch: [8, 'Operation'],
    parameters: [9, 'repeated ParametersItem'],
  },
  Operation: {
    tags: [1, 'repeated string'],
    description: [3, 'string'],
    operationId: [5, 'string'],
    produces: [6, 'repeated string'],
    consumes: [7, 'repeated string'],
    parameters: [8, 'repeated ParametersItem'],
    responses: [9, 'Responses'],
    schemes: [10, 'repeated string'],
    vendorExtension: [13, 'repeated NamedAny'],
  },
  ParametersItem: { parameter: [1, 'Parameter'], jsonReference: [2, 'JsonReference'] },
  JsonReference: { ref: [1, 'string'] },
  Parameter: { bodyParameter: [1, 'BodyParameter'], nonBodyParameter: [2, 'NonBodyParameter'] },
  BodyParameter: { name: [2, 'string'], in: [3, 'string'], required: [4, 'bool'], schema: [5, 'Schema'] },
  NonBodyParameter: { query: [3, 'QueryParameter'], path: [4, 'PathParameter'] },
  QueryParameter: { in: [2, 'string'], name: [4, 'string'], type: [6, 'string'], uniqueItems: [20, 'bool'] },
  PathParameter: {
    required: [1, 'bool'],
    in: [2, 'string'],
    name: [4, 'string'],
    type: [5, 'string'],
    uniqueItems: [19, 'bool'],
  },
  ParameterDefinitions: { additionalProperties: [1, 'repeated NamedParameter'] },
  NamedParameter: { name: [1, 'string'], value: [2, 'Parameter'] },
  Responses: { responseCode: [1, 'repeated NamedResponseValue'] },
  NamedResponseValue: { name: [1, 'string'], value: [2, 'ResponseValue'] },
  ResponseValue: { response: [1, 'Response'] },
  Response: { description: [1, 'string'], schema: [2, 'SchemaItem'] },
  SchemaItem: { schema: [1, 'Schema'] },
  NamedSchemas: { additionalProperties: [1, 'repeated NamedSchema'] },
  NamedSchema: { name: [1, 'string'], value: [2, 'Schema'] },
  Schema: {
    ref: [1, 'string'],
    format: [2, 'string'],
    title: [3, 'string'],
    description: [4, 'string'],
    default: [5, 'Any'],
    multipleOf: [6, 'double'],
    maximum: [7, 'double'],
    exclusiveMaximum: [8, 'bool'],
    minimum: [9, 'double'],
    exclusiveMinimum: [10, 'bool'],
    maxLength: [11, 'int64'],
    minLength: [12, 'int64'],
    pattern: [13, 'string'],
    maxItems: [14, 'int64'],
    minItems: [15, 'int64'],
    uniqueItems: [16, 'bool'],
    maxProperties: [17, 'int64'],
    minProperties: [18, 'int64'],
    required: [19, 'repeated string'],
    enum: [20, 'repeated Any'],
    additionalProperties: [21, 'AdditionalPropertiesItem'],
    type: [22, 'TypeItem'],
    items: [23, 'ItemsItem'],
    properties: [25, 'NamedSchemas'],
    vendorExtension: [31, 'repeated NamedAny'],
  },
  AdditionalPropertiesItem: { schema: [1, 'Schema'], boolean: [2, 'bool'] },
  TypeItem: { value: [1, 'repeated string'] },
  ItemsItem: { schema: [1, 'repeated Schema'] },
  NamedAny: { name: [1, 'string'], value: [2, 'Any'] },
  Any: { yaml: [2, 'string'] },
  SecurityDefinitions: { additionalProperties: [1, 'repeated NamedSecurityDefinitionsItem'] },
  NamedSecurityDefinitionsItem: { name: [1, 'string'], value: [2, 'SecurityDefinitionsItem'] },
  SecurityDefinitionsItem: { apiKeySecurity: [2, 'ApiKeySecurity'] },
  ApiKeySecurity: { type: [1, 'string'], name: [2, 'string'], in: [3, 'string'], description: [4, 'string'] },
  SecurityRequirement: { additionalProperties: [1, 'repeated NamedStringArray'] },
  NamedStringArray: { name: [1, 'string'], value: [2, 'StringArray'] },
  StringArray: { value: [1, 'repeated string'] },
});

const any = (value: unknown): Doc => ({ yaml: `${JSON.stringify(value)}\n` });
const named = <T>(map: Doc | undefined, convert: (value: any) => T): { name: string; value: T }[] =>
  Object.entries(map ?? {}).map(([name, value]) => ({ name, value: convert(value) }));
const extensions = (doc: Doc): Doc[] =>
  named(Object.fromEntries(Object.entries(doc).filter(([name]) => name.startsWith('x-'))), any);

const plain = ['format', 'title', 'description', 'pattern', 'required', 'uniqueItems'];
const numbers = [
  'multipleOf',
  'maximum',
  'exclusiveMaximum',
  'minimum',
  'exclusiveMinimum',
  'maxLength',
  'minLength',
  'maxItems',
  'minItems',
  'maxProperties',
  'minProperties',
];

function schemaOf(doc: Doc): Doc {
  const result: Doc = {};
  if (doc.$ref) result.ref = doc.$ref;
  for (const name of [...plain, ...numbers]) if (doc[name] !== undefined) result[name] = doc[name];
  if (doc.type) result.type = { value: [doc.type] };
  if (doc.default !== undefined) result.default = any(doc.default);
  if (doc.enum) result.enum = doc.enum.map(any);
  if (doc.items) result.items = { schema: [schemaOf(doc.items)] };
  if (doc.properties) result.properties = { additionalProperties: named(doc.properties, schemaOf) };
  const more = doc.additionalProperties;
  if (typeof more === 'boolean') result.additionalProperties = { boolean: more };
  else if (more) result.additionalProperties = { schema: schemaOf(more) };
  const vendor = extensions(doc);
  if (vendor.length) result.vendorExtension = vendor;
  return result;
}

function parameterOf({ schema, ...rest }: Doc): Doc {
  if (rest.in === 'body') return { bodyParameter: { ...rest, schema: schemaOf(schema) } };
  return { nonBodyParameter: rest.in === 'query' ? { query: rest } : { path: rest } };
}
const parameterItem = (doc: Doc): Doc =>
  doc.$ref ? { jsonReference: { ref: doc.$ref } } : { parameter: parameterOf(doc) };

const responseOf = ({ description, schema }: Doc): Doc => ({
  response: { description, ...(schema ? { schema: { schema: schemaOf(schema) } } : {}) },
});

const operationOf = (doc: Doc): Doc => ({
  ...doc,
  parameters: (doc.parameters ?? []).map(parameterItem),
  responses: { responseCode: named(doc.responses, responseOf) },
  vendorExtension: extensions(doc),
});

function pathItemOf({ parameters = [], ...operations }: Doc): Doc {
  const result: Doc = { parameters: parameters.map(parameterItem) };
  for (const [method, operation] of Object.entries(operations)) result[method] = operationOf(operation);
  return result;
}

/** The bytes of a version 2 document as `buildV2` makes it. */
export function encodeOpenAPIV2(doc: Doc): Uint8Array {
  const message: Doc = {
    swagger: doc.swagger,
    info: doc.info,
    paths: { path: named(doc.paths, pathItemOf) },
    definitions: { additionalProperties: named(doc.definitions, schemaOf) },
    parameters: { additionalProperties: named(doc.parameters, parameterOf) },
    security: doc.security.map((requirement: Doc) => ({
      additionalProperties: named(requirement, (value) => ({ value })),
    })),
    securityDefinitions: {
      additionalProperties: named(doc.securityDefinitions, (value) => ({ apiKeySecurity: value })),
    },
  };
  return codec.encode('Document', message as any);
}

/** Reads it again: for tests, and for those who want to see what is in it. */
export const decodeOpenAPIV2 = (bytes: Uint8Array): Doc => codec.decode('Document', bytes) as Doc;
