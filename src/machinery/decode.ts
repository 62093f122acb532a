// What a client sent, held against the type it claims to be: one walk that drops unknown fields, reports them, checks
// JSON types, and brings quantities and times into the form that is stored. On the way of every write.
import { canonicalQuantity, QuantityError } from './quantity.ts';
import type { SchemaTable } from './schema.ts';
import { type SchemaNode, type StructNode, schemaNode } from './schema-node.ts';
import { badRequest, type StatusError } from './status.ts';

type Json = Record<string, any>;

export interface FieldCheck {
  /** Paths of fields that the type does not have. */
  unknown: string[];
  /** Values that the type cannot hold, each as one sentence; only the first counts, as upstream stops there. */
  errors: string[];
}

export interface CheckOptions {
  /** Drop unknown fields (the default), or only report them. */
  prune?: boolean;
  /** Check and normalise scalars (the default); custom resources are checked against their own schema instead. */
  types?: boolean;
}

/**
 * Checks a draft and brings it into stored form, in place: unknown fields and nulls go, quantities become canonical, times
 * lose what is finer than they hold. Objects of a type that the table lacks stay as they are.
 */
export function checkFields(
  object: Json,
  typeId: string,
  schemas: SchemaTable,
  options: CheckOptions = {},
): FieldCheck {
  const node = schemaNode(schemas, typeId);
  const walk = new Walk(schemas, options.prune ?? true, options.types ?? true);
  if (node?.struct) walk.struct(object, node.struct, options.types ?? true, true);
  return { unknown: walk.unknown, errors: walk.errors };
}

/** 400: what came cannot be read as the kind it claims to be. */
export const cannotHandle = (kind: string, version: string, why: string): StatusError =>
  badRequest(`${kind} in version ${JSON.stringify(version)} cannot be handled as a ${kind}: ${why}`);

/** 400 for fieldValidation=Strict, from `unknown field "x"` and `duplicate field "y"` texts. */
export const strictDecodingError = (kind: string, version: string, problems: string[]): StatusError =>
  cannotHandle(kind, version, `strict decoding error: ${problems.join(', ')}`);

export const unknownFieldText = (path: string): string => `unknown field ${JSON.stringify(path)}`;
export const duplicateFieldText = (path: string): string => `duplicate field ${JSON.stringify(path)}`;

class Walk {
  readonly unknown: string[] = [];
  readonly errors: string[] = [];
  readonly #path: (string | number)[] = [];
  #struct = '';
  readonly #schemas: SchemaTable;
  readonly #prune: boolean;
  readonly #types: boolean;

  constructor(schemas: SchemaTable, prune: boolean, types: boolean) {
    this.#schemas = schemas;
    this.#prune = prune;
    this.#types = types;
  }

  /** At the root, what every object has is checked whatever `types` says. */
  struct(object: Json, struct: StructNode, types = this.#types, root = false): void {
    const { fields } = struct;
    for (const key in object) {
      const value = object[key];
      const child = fields.get(key);
      if (child === undefined) {
        if (struct.preserveUnknown) continue;
        this.unknown.push(this.#pathTo(key));
        if (this.#prune) delete object[key];
      } else if (value === null || value === undefined) {
        if (!child.nullable) delete object[key];
      } else {
        this.#struct = struct.id;
        const own = types || (root && (key === 'apiVersion' || key === 'kind' || key === 'metadata'));
        const result = this.#value(value, child, key, own);
        if (result !== value) object[key] = result;
      }
    }
  }

  #value(value: any, node: SchemaNode, key: string | number, types: boolean): any {
    switch (node.shape) {
      case 'scalar':
        return types ? this.#scalar(value, node, key) : value;
      case 'struct': {
        if (typeof value !== 'object' || Array.isArray(value))
          return types ? this.#mismatch(value, node, key) : value;
        this.#path.push(key);
        // Metadata is the same for all kinds, and is checked for all.
        this.struct(value, node.struct!, types || node.type.startsWith('meta.v1.'));
        this.#path.pop();
        return value;
      }
      case 'list':
        return this.#list(value, node, key, types);
      case 'map':
        return this.#map(value, node, key, types);
      default:
        return types && node.type.startsWith(schemaUnion) ? this.#schemaOr(value, node, key) : value;
    }
  }

  /** A schema, or what `JSONSchemaPropsOrBool` and its like say may stand in its place. */
  #schemaOr(value: any, node: SchemaNode, key: string | number): any {
    const schema = schemaNode(this.#schemas, schemaType)!;
    const other = node.type.slice(schemaUnion.length);
    if (!Array.isArray(value)) {
      if (typeof value === 'object') return this.#value(value, schema, key, true);
      return other === 'Bool' && typeof value === 'boolean' ? value : this.#mismatch(value, node, key);
    }
    if (other === 'Bool') return this.#mismatch(value, node, key);
    return this.#list(value, { ...node, element: other === 'Array' ? schema : textNode }, key, true);
  }

  #list(value: any, node: SchemaNode, key: string | number, types: boolean): any {
    if (!Array.isArray(value)) return types ? this.#mismatch(value, node, key) : value;
    const element = node.element!;
    this.#path.push(key);
    for (let i = 0; i < value.length; i++) {
      const item = value[i];
      if (item === null) {
        if (types) value[i] = zeroOf(element);
        continue;
      }
      const result = this.#value(item, element, i, types);
      if (result !== item) value[i] = result;
    }
    this.#path.pop();
    return value;
  }

  #map(value: any, node: SchemaNode, key: string | number, types: boolean): any {
    if (typeof value !== 'object' || Array.isArray(value))
      return types ? this.#mismatch(value, node, key) : value;
    const element = node.element!;
    this.#path.push(key);
    for (const name in value) {
      const item = value[name];
      if (item === null) {
        if (types) value[name] = zeroOf(element);
        continue;
      }
      const result = this.#value(item, element, name, types);
      if (result !== item) value[name] = result;
    }
    this.#path.pop();
    return value;
  }

  #scalar(value: any, node: SchemaNode, key: string | number): any {
    switch (node.scalar) {
      case 'string':
        return typeof value === 'string' ? value : this.#mismatch(value, node, key);
      case 'boolean':
        return typeof value === 'boolean' ? value : this.#mismatch(value, node, key);
      case 'int32':
        return Number.isInteger(value) && value >= -2147483648 && value <= 2147483647
          ? value
          : this.#mismatch(value, node, key);
      case 'int64':
        // The largest int64 is no double, and is read as 2^63.
        if (value === 2 ** 63) return 2 ** 63 - 1024;
        return Number.isInteger(value) && value >= -(2 ** 63) && value < 2 ** 63
          ? value
          : this.#mismatch(value, node, key);
      case 'double':
        return typeof value === 'number' ? value : this.#mismatch(value, node, key);
      case 'quantity':
        return this.#quantity(value, node, key);
      case 'time':
        return this.#time(value, node, key, timeForm, 0);
      case 'microtime':
        return this.#time(value, node, key, microTimeForm, 6);
      case 'int-or-string':
        return typeof value === 'string' ||
          (Number.isInteger(value) && value >= -(2 ** 31) && value < 2 ** 31)
          ? value
          : this.#mismatch(value, node, key);
      case 'bytes':
        return this.#bytes(value, node, key);
      default:
        return value;
    }
  }

  #quantity(value: any, node: SchemaNode, key: string | number): any {
    if (typeof value !== 'string' && typeof value !== 'number') return this.#mismatch(value, node, key);
    try {
      return canonicalQuantity(value);
    } catch (error) {
      if (!(error instanceof QuantityError)) throw error;
      this.errors.push(error.message);
      return value;
    }
  }

  #time(value: any, node: SchemaNode, key: string | number, form: RegExp, digits: number): any {
    if (typeof value !== 'string') return this.#mismatch(value, node, key);
    if (form.test(value)) return value;
    const match = rfc3339.exec(value);
    const ms = match ? Date.parse(value) : Number.NaN;
    if (Number.isNaN(ms)) {
      const layout = `2006-01-02T15:04:05${digits ? '.000000' : ''}Z07:00`;
      this.errors.push(
        `parsing time ${JSON.stringify(value)} as "${layout}": cannot parse ${JSON.stringify(value)} as "2006"`,
      );
      return value;
    }
    const seconds = new Date(ms).toISOString().slice(0, 19);
    return digits ? `${seconds}.${(match![1] ?? '').padEnd(digits, '0').slice(0, digits)}Z` : `${seconds}Z`;
  }

  #bytes(value: any, node: SchemaNode, key: string | number): any {
    if (typeof value !== 'string') return this.#mismatch(value, node, key);
    const text = value.includes('\n') ? value.replace(/[\r\n]/g, '') : value;
    if (text.length % 4 !== 0 || !base64.test(text)) {
      const at = text.search(/[^A-Za-z0-9+/]/);
      this.errors.push(`illegal base64 data at input byte ${at < 0 ? text.length - (text.length % 4) : at}`);
    }
    return text;
  }

  /** Upstream names the innermost struct, the path without indexes, and the type of Go. */
  #mismatch(value: unknown, node: SchemaNode, key: string | number): unknown {
    const path = [...this.#path, key].filter((part) => typeof part === 'string').join('.');
    const struct = this.#struct.split('.').at(-1);
    const type = goType(node);
    if (node.scalar === 'int-or-string' || node.scalar === 'quantity')
      this.errors.push(`json: cannot unmarshal ${jsonType(value)} into Go value of type ${type}`);
    else {
      const shown =
        typeof value === 'number' && node.scalar?.startsWith('int') ? `number ${value}` : jsonType(value);
      this.errors.push(
        `json: cannot unmarshal ${shown} into Go struct field ${struct}.${path} of type ${type}`,
      );
    }
    return value;
  }

  #pathTo(key: string): string {
    let path = '';
    for (const part of [...this.#path, key]) {
      if (typeof part === 'number') path += `[${part}]`;
      else path += path ? `.${part}` : part;
    }
    return path;
  }
}

const schemaType = 'apiextensions.v1.JSONSchemaProps';
const schemaUnion = `${schemaType}Or`;
const textNode: SchemaNode = {
  ...{ shape: 'scalar', scalar: 'string', type: 'string', atomic: true, required: false, nullable: false },
  ...{ patchMerge: false, patchReplace: false, patchRetainKeys: false },
};

const timeForm = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;
const microTimeForm = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/;
const rfc3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.(\d+))?(?:[Zz]|[+-]\d\d:\d\d)$/;
const base64 = /^[A-Za-z0-9+/]*={0,2}$/;

function zeroOf(node: SchemaNode): unknown {
  if (node.shape === 'list') return [];
  if (node.shape !== 'scalar') return node.shape === 'any' ? null : {};
  if (node.scalar === 'boolean') return false;
  if (node.scalar === 'quantity') return '0';
  return node.scalar === 'int32' || node.scalar === 'int64' || node.scalar === 'double' ? 0 : '';
}

const jsonType = (value: unknown): string => {
  if (Array.isArray(value)) return 'array';
  return typeof value === 'boolean' ? 'bool' : typeof value;
};

const goScalars: Record<string, string> = {
  boolean: 'bool',
  int32: 'int32',
  int64: 'int64',
  double: 'float64',
  bytes: '[]uint8',
  time: 'v1.Time',
  microtime: 'v1.MicroTime',
  quantity: 'resource.Quantity',
  'int-or-string': 'int32',
};

function goType(node: SchemaNode): string {
  if (node.shape === 'scalar') return goScalars[node.scalar!] ?? 'string';
  if (node.shape === 'list') return `[]${goType(node.element!)}`;
  if (node.shape === 'map') return `map[string]${goType(node.element!)}`;
  return node.type.split('.').slice(-2).join('.');
}
