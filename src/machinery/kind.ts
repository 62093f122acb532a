import type { AnyObject, KubeObject } from './meta.ts';
import type { FieldError } from './status.ts';

export type Verb = 'create' | 'get' | 'list' | 'watch' | 'update' | 'patch' | 'delete' | 'deletecollection';

/** Where a subresource's body is of another kind than its parent: `autoscaling/v1/Scale`; `//Pod` is the parent's own. */
export interface Subresource {
  kind: string;
  verbs: string[];
}

export interface Column<T extends KubeObject = AnyObject> {
  name: string;
  type: string;
  format?: string;
  /** 0 is always shown, 1 only with `-o wide`. */
  priority: number;
  value: (object: T, nowMs: number) => string | number | boolean | null | undefined;
}

/** What the server knows of a write besides the objects. */
export interface WriteContext {
  nowMs: number;
  user: string;
  /** What is known of the user besides the name. */
  requester?: { uid?: string; groups: string[]; extra?: Record<string, string[]> };
  random: () => number;
  subresource?: string;
  /** What is there already, where it is an update. */
  old?: AnyObject;
  /** Tells the client of what is no reason to refuse. */
  warn?: (text: string) => void;
}

/**
 * The rules of a kind: what the facts cannot say. Every hook gets drafts that it may change in place, except `old`,
 * which is frozen. They run in this order: defaults, prepare, validate.
 */
export interface KindRules<T extends KubeObject = AnyObject> {
  /** Fills in what the user left out. Runs at every write, and on stored objects that lack newer defaults. */
  defaults?: (object: T) => void;
  /** Sets what only the server may set, clears what it may not be given, on create. Status is already gone. */
  prepareCreate?: (object: T, context: WriteContext) => void;
  /** The same on update of the main resource. Status is already the old one's. */
  prepareUpdate?: (object: T, old: T, context: WriteContext) => void;
  /** The same on update of `status`. Everything but status is already the old one's (and metadata, mostly). */
  prepareStatus?: (object: T, old: T, context: WriteContext) => void;
  /** The same on update of any other subresource (`approval`, `resize`), named by the context. */
  prepareSubresource?: (object: T, old: T, context: WriteContext) => void;
  /** Errors of the object itself. */
  validate?: (object: T, context: WriteContext) => FieldError[];
  /** Errors of the change, beside those of `validate` and `immutable`. */
  validateUpdate?: (object: T, old: T, context: WriteContext) => FieldError[];
  validateStatus?: (object: T, old: T, context: WriteContext) => FieldError[];
  /** What is allowed but unwise; not asked of updates of the status. */
  warnings?: (object: T, old: T | undefined) => string[];
  /** Dotted paths that an update may not change. */
  immutable?: string[];
  /** `spec` (default where the kind has a spec): metadata.generation counts changes of the spec; false: it has none. */
  generation?: 'spec' | false | ((object: T, old: T) => boolean);
  /** Field selectors beyond metadata.name and metadata.namespace: selector path -> value. */
  fieldSelectors?: Record<string, (object: T) => string>;
  /** How an object's name is checked; a DNS subdomain unless told. */
  nameFormat?: 'subdomain' | 'label' | 'label-1035' | 'path' | 'any';
  /** PUT to a name that is not there creates it (upstream: leases, endpoints, events and some others). */
  createOnUpdate?: boolean;
  /** The status of the body is taken when an object is created; else it is dropped. */
  statusOnCreate?: boolean;
  /** Whether an update without resourceVersion is taken as "whatever is there"; true unless told. */
  unconditionalUpdate?: boolean;
  /** Seconds of grace of a deletion; undefined: deleted at once. */
  gracePeriod?: (object: T, requested: number | undefined) => number | undefined;
  /** Values of the printer columns, by the column's name; the facts give order, type and priority. */
  columns?: Record<string, Column<T>['value']>;
  /** Where `scale` finds its numbers. */
  scale?: { specReplicas: string; statusReplicas: string; selector: (object: T) => string };
  /** Seconds after which an object goes by itself (events). */
  ttlSeconds?: number;
}

/** A resource of the API with its rules: built in, or made from a CustomResourceDefinition at run time. */
export interface Kind<T extends KubeObject = AnyObject> {
  group: string;
  version: string;
  kind: string;
  /** The kind of its lists, where it is not `KIND` + `List`. */
  listKind?: string;
  plural: string;
  singular: string;
  shortNames: string[];
  categories: string[];
  namespaced: boolean;
  verbs: string[];
  subresources: Record<string, Subresource>;
  /** Type id in the schema table, `core.v1.Pod`. Empty for kinds without a built-in schema. */
  type: string;
  rules: KindRules<T>;
  columns: Column<T>[];
  /** Never set: carries the object's type. */
  readonly of?: T;
}

export const apiVersionOf = (kind: { group: string; version: string }): string =>
  kind.group ? `${kind.group}/${kind.version}` : kind.version;

/** `pods`, `deployments.apps`: how messages and keys name a resource. */
export const resourceName = (kind: { group: string; plural: string }): string =>
  kind.group ? `${kind.plural}.${kind.group}` : kind.plural;
