import type { FieldSchema, SchemaTable, TypeSchema } from './schema.ts';

export type ScalarType =
  | 'string'
  | 'int32'
  | 'int64'
  | 'double'
  | 'boolean'
  | 'bytes'
  | 'quantity'
  | 'time'
  | 'microtime'
  | 'int-or-string'
  | 'json';

/**
 * One place in a type, with everything resolved that walks over objects ask for: the walks of decoding, patching and
 * field ownership are on the way of every write, and do no look-ups by type name.
 *
 * `spec.ports` of a Service, for example: shape list, list 'map', keys [port, protocol], element: a struct.
 */
export interface SchemaNode {
  shape: 'struct' | 'map' | 'list' | 'scalar' | 'any';
  /** Type id of a struct; the scalar's name as the facts write it. */
  type: string;
  scalar?: ScalarType;
  /** Owned as a whole by server-side apply: scalars, and atomic lists, maps and structs. */
  atomic: boolean;
  /** Fields of a struct. */
  struct?: StructNode;
  /** Of lists and maps; undefined where anything goes. */
  element?: SchemaNode;
  list?: 'atomic' | 'set' | 'map';
  /** Keys of a list of list type `map`, with their defaults. */
  keys?: { name: string; default?: unknown }[];
  /** How a strategic merge patch treats it. */
  patchMerge: boolean;
  patchReplace: boolean;
  patchRetainKeys: boolean;
  mergeKey?: string;
  required: boolean;
  default?: unknown;
  enum?: readonly unknown[];
  nullable: boolean;
}

export interface StructNode {
  id: string;
  fields: Map<string, SchemaNode>;
  /** Unknown fields are kept (custom resources only). */
  preserveUnknown: boolean;
  schema: TypeSchema;
}

const scalars: Record<string, ScalarType> = {
  string: 'string',
  'string:byte': 'bytes',
  boolean: 'boolean',
  'integer:int32': 'int32',
  'integer:int64': 'int64',
  integer: 'int64',
  'number:double': 'double',
  number: 'double',
  'resource.Quantity': 'quantity',
  'meta.v1.Time': 'time',
  'meta.v1.MicroTime': 'microtime',
  'intstr.IntOrString': 'int-or-string',
  'int-or-string': 'int-or-string',
};

class Graph {
  readonly #schemas: SchemaTable;
  readonly #structs = new Map<string, StructNode>();
  readonly #roots = new Map<string, SchemaNode>();
  constructor(schemas: SchemaTable) {
    this.#schemas = schemas;
  }

  root(type: string): SchemaNode | undefined {
    let node = this.#roots.get(type);
    if (!node && Object.hasOwn(this.#schemas, type)) {
      node = this.#node({ t: type });
      this.#roots.set(type, node);
    }
    return node;
  }

  #struct(id: string, schema: TypeSchema): StructNode {
    let struct = this.#structs.get(id);
    if (struct) return struct;
    const fields = new Map<string, SchemaNode>();
    struct = { id, fields, preserveUnknown: schema.preserveUnknown === true, schema };
    this.#structs.set(id, struct); // before its fields: types refer to themselves
    for (const [name, field] of Object.entries(schema.fields ?? {})) fields.set(name, this.#node(field));
    return struct;
  }

  #node(field: FieldSchema): SchemaNode {
    const patch = field.patch ?? '';
    const base = {
      type: '',
      patchMerge: /(^|,)merge/.test(patch),
      patchReplace: /(^|,)replace/.test(patch),
      patchRetainKeys: patch.includes('retainKeys'),
      mergeKey: field.mergeKey,
      required: field.req === 1,
      default: field.default,
      enum: field.enum,
      nullable: field.nullable === true,
    };
    const { t } = field;
    if (Array.isArray(t)) {
      const of: FieldSchema = field.of ?? { t: t[1] };
      const element = this.#node(of);
      if (t[0] === 'map') return { ...base, shape: 'map', element, atomic: field.mapType === 'atomic' };
      const list = field.list ?? 'atomic';
      const keys = field.keys?.map((name) => ({
        name,
        default: element.struct?.schema.fields?.[name]?.default,
      }));
      return { ...base, shape: 'list', element, list, keys, atomic: list === 'atomic' };
    }
    const scalar = scalars[t] ?? (t.startsWith('string:') ? 'string' : undefined);
    if (scalar) return { ...base, shape: 'scalar', type: t, scalar, atomic: true };
    const schema = this.#schemas[t];
    if (!schema?.fields) {
      // A type of free form. RawExtension and JSON are owned whole; what a custom resource preserves is not.
      const atomic = schema?.is === 'object' || schema?.is === undefined;
      const free = t === 'any' || schema?.preserveUnknown === true;
      return { ...base, shape: 'any', type: t, atomic: atomic && !free };
    }
    const mapType = field.mapType ?? schema.mapType;
    return {
      ...base,
      shape: 'struct',
      type: t,
      struct: this.#struct(t, schema),
      atomic: mapType === 'atomic',
    };
  }
}

const graphs = new WeakMap<SchemaTable, Graph>();

/** The node of a type, or undefined where the table has none of that id. Resolved once for each table. */
export function schemaNode(schemas: SchemaTable, type: string): SchemaNode | undefined {
  let graph = graphs.get(schemas);
  if (!graph) {
    graph = new Graph(schemas);
    graphs.set(schemas, graph);
  }
  return graph.root(type);
}

/** The node below: a struct's field, or a map's element; undefined where nothing is known. */
export function childNode(node: SchemaNode | undefined, name: string): SchemaNode | undefined {
  if (!node) return undefined;
  return node.struct ? node.struct.fields.get(name) : node.shape === 'map' ? node.element : undefined;
}
