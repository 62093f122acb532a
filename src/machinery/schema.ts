/** One field of an API type, as the facts give it. */
export interface FieldSchema {
  /** JSON type: `string`, `integer:int32`, `boolean`, a type id (`core.v1.PodSpec`), `['array', T]`, `['map', T]`. */
  t: string | ['array' | 'map', any];
  /** Protobuf field number and type. */
  n?: number;
  p?: string;
  req?: 1;
  /** x-kubernetes-list-type and list-map keys. */
  list?: 'atomic' | 'set' | 'map';
  keys?: string[];
  /** Strategic merge patch: strategy and merge key. */
  patch?: string;
  mergeKey?: string;
  mapType?: 'atomic' | 'granular';
  default?: unknown;
  enum?: string[];
  /** More about the elements of an array or map than their type (custom resources only). */
  of?: FieldSchema;
  nullable?: boolean;
}

export interface TypeSchema {
  gvk?: string[];
  /** Types with a form of their own: `string:int-or-string`, `string:date-time`, `object`, `string`. */
  is?: string;
  mapType?: 'atomic' | 'granular';
  /** Unknown fields are kept, not pruned (custom resources only). */
  preserveUnknown?: boolean;
  fields?: Record<string, FieldSchema>;
  /** Fields that only the protobuf form has: name -> [number, type]. */
  protoOnly?: Record<string, [number, string]>;
}

/** Type id (`core.v1.Pod`, `meta.v1.ObjectMeta`) -> type. */
export type SchemaTable = Record<string, TypeSchema>;
