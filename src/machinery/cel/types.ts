// The types of the Common Expression Language as the checker sees them.
// https://github.com/google/cel-spec/blob/master/doc/langdef.md#gradual-type-checking

export type TypeKind =
  | 'dyn'
  | 'error'
  | 'null'
  | 'bool'
  | 'int'
  | 'uint'
  | 'double'
  | 'string'
  | 'bytes'
  | 'duration'
  | 'timestamp'
  | 'list'
  | 'map'
  | 'type'
  | 'struct'
  | 'opaque'
  | 'param';

/**
 * A type. `list(int)` has one parameter, `map(string, dyn)` two, `optional_type(T)` is an opaque type of one.
 * A wrapper (`wrapper(int)`) is its kind, and may be null. The fields of a struct are asked for when they are needed: types
 * may contain themselves.
 */
export interface CelType {
  readonly kind: TypeKind;
  readonly name: string;
  readonly params: readonly CelType[];
  readonly nullable?: boolean;
  readonly fields?: (name: string) => CelType | undefined;
}

const simple = (kind: TypeKind, name: string): CelType => ({ kind, name, params: [] });

export const dynType = simple('dyn', 'dyn');
export const errorType = simple('error', '!error!');
export const nullType = simple('null', 'null_type');
export const boolType = simple('bool', 'bool');
export const intType = simple('int', 'int');
export const uintType = simple('uint', 'uint');
export const doubleType = simple('double', 'double');
export const stringType = simple('string', 'string');
export const bytesType = simple('bytes', 'bytes');
export const durationType = simple('duration', 'google.protobuf.Duration');
export const timestampType = simple('timestamp', 'google.protobuf.Timestamp');
export const listType = (element: CelType): CelType => ({ kind: 'list', name: 'list', params: [element] });
export const mapType = (key: CelType, value: CelType): CelType => ({
  kind: 'map',
  name: 'map',
  params: [key, value],
});
/** The type of types; `type(int)` is that of the name `int`. */
export const typeType = (of?: CelType): CelType => ({ kind: 'type', name: 'type', params: of ? [of] : [] });
export const opaqueType = (name: string, ...params: CelType[]): CelType => ({ kind: 'opaque', name, params });
export const optionalType = (of: CelType): CelType => opaqueType('optional_type', of);
export const paramType = (name: string): CelType => simple('param', name);
export const structType = (name: string, fields: (name: string) => CelType | undefined): CelType => ({
  kind: 'struct',
  name,
  params: [],
  fields,
});
export const wrapperType = (of: CelType): CelType => ({ ...of, nullable: true });

const words: Record<string, CelType> = {
  dyn: dynType,
  any: dynType,
  null: nullType,
  bool: boolType,
  int: intType,
  uint: uintType,
  double: doubleType,
  string: stringType,
  bytes: bytesType,
  duration: durationType,
  timestamp: timestampType,
};

/** Reads `list(map(string, A))`, `kubernetes.Quantity`, `optional(V)`: one capital letter is a type parameter. */
export function parseType(text: string): CelType {
  const open = text.indexOf('(');
  const name = open < 0 ? text : text.slice(0, open);
  const params = open < 0 ? [] : splitTypes(text.slice(open + 1, -1)).map(parseType);
  if (name === 'list') return listType(params[0]!);
  if (name === 'map') return mapType(params[0]!, params[1]!);
  if (name === 'type') return typeType(params[0]);
  if (name === 'optional') return optionalType(params[0]!);
  if (Object.hasOwn(words, name)) return words[name]!;
  return /^[A-Z]$/.test(name) ? paramType(name) : opaqueType(name, ...params);
}

/** `list(A), int` at its outer commas. */
export function splitTypes(text: string): string[] {
  const result: string[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i <= text.length; i++) {
    const c = text[i];
    if (c === '(') depth++;
    else if (c === ')') depth--;
    else if (c === undefined || (c === ',' && depth === 0)) {
      const part = text.slice(start, i).trim();
      if (part) result.push(part);
      start = i + 1;
    }
  }
  return result;
}

/** As messages write it: `list(int)`, `map(string, dyn)`, `timestamp`, `wrapper(int)`. */
export function typeText(type: CelType): string {
  switch (type.kind) {
    case 'null':
      return 'null';
    case 'duration':
      return 'duration';
    case 'timestamp':
      return 'timestamp';
    default:
  }
  if (type.nullable) return `wrapper(${type.name})`;
  if (!type.params.length) return type.name;
  return `${type.name}(${type.params.map(typeText).join(', ')})`;
}

export const isDyn = (type: CelType): boolean => type.kind === 'dyn';
export const isOptional = (type: CelType): boolean => type.kind === 'opaque' && type.name === 'optional_type';

export function sameType(a: CelType, b: CelType): boolean {
  if (a === b) return true;
  return (
    a.kind === b.kind &&
    a.name === b.name &&
    a.params.length === b.params.length &&
    a.params.every((param, i) => sameType(param, b.params[i]!))
  );
}

/** What type parameters stand for, as far as the checker has found out. What an attempt noted that failed is forgotten. */
export class Substitutions {
  readonly #found = new Map<string, CelType>();
  readonly #trail: [name: string, before: CelType | undefined][] = [];

  get(type: CelType): CelType | undefined {
    return type.kind === 'param' ? this.#found.get(type.name) : undefined;
  }
  set(param: CelType, type: CelType): void {
    this.#trail.push([param.name, this.#found.get(param.name)]);
    this.#found.set(param.name, type);
  }

  attempt(test: () => boolean): boolean {
    const mark = this.#trail.length;
    if (test()) return true;
    while (this.#trail.length > mark) {
      const [name, before] = this.#trail.pop()!;
      if (before) this.#found.set(name, before);
      else this.#found.delete(name);
    }
    return false;
  }

  /** The type with its parameters replaced; `open` says what a parameter becomes of which nothing is known. */
  apply(type: CelType, open: 'keep' | 'dyn'): CelType {
    const found = this.get(type);
    if (found) return this.apply(found, open);
    if (type.kind === 'param') return open === 'dyn' ? dynType : type;
    if (!type.params.length) return type;
    return { ...type, params: type.params.map((param) => this.apply(param, open)) };
  }
}

/**
 * Whether a value of type `from` may stand where `to` is asked for; notes in `known` what parameters must be for that.
 * `dyn` goes both ways: then it is known only when the expression runs.
 */
export function assignable(known: Substitutions, from: CelType, to: CelType): boolean {
  if (to.kind === 'param') {
    const { fits, bound } = bind(known, from, to);
    if (fits) return true;
    if (bound) return false;
  }
  if (from.kind === 'param') return bind(known, to, from).fits;
  if (isDyn(from) || isDyn(to) || from.kind === 'error' || to.kind === 'error') return true;
  if (from.kind === 'null') return to.kind === 'null' || mayBeNull(to);
  if (to.kind === 'null') return mayBeNull(from);
  if (from.kind === 'type') return to.kind === 'type';
  return from.kind === to.kind && from.name === to.name && assignableAll(known, from.params, to.params);
}

export const assignableAll = (
  known: Substitutions,
  from: readonly CelType[],
  to: readonly CelType[],
): boolean => from.length === to.length && from.every((type, i) => assignable(known, type, to[i]!));

const mayBeNull = (type: CelType): boolean =>
  type.nullable === true || ['opaque', 'struct', 'duration', 'timestamp'].includes(type.kind);

/** Whether a parameter can be `type`, and whether it was something already. */
function bind(known: Substitutions, type: CelType, param: CelType): { fits: boolean; bound: boolean } {
  if (type.kind === 'param' && type.name === param.name) return { fits: true, bound: true };
  const found = known.get(param);
  if (found) {
    if (sameType(type, found)) return { fits: true, bound: true };
    if (!assignable(known, type, found)) return { fits: false, bound: true };
    const general = moreGeneral(type, found);
    if (!occurs(known, param, general)) known.set(param, general);
    return { fits: true, bound: true };
  }
  if (occurs(known, param, type)) return { fits: false, bound: false };
  known.set(param, type);
  return { fits: true, bound: false };
}

/** A parameter cannot stand for a type that contains it. */
function occurs(known: Substitutions, param: CelType, within: CelType): boolean {
  if (within.kind === 'param') {
    if (within.name === param.name) return true;
    const found = known.get(within);
    return found !== undefined && occurs(known, param, found);
  }
  return within.params.some((type) => occurs(known, param, type));
}

/** Of two types that go together, the one that says less. */
export function moreGeneral(a: CelType, b: CelType): CelType {
  return saysNoMore(a, b) ? a : b;
}

function saysNoMore(a: CelType, b: CelType): boolean {
  if (isDyn(a) || a.kind === 'param' || (b.kind === 'null' && a.kind !== 'null')) return true;
  if (isDyn(b) || b.kind === 'param' || a.kind !== b.kind) return false;
  if (a.kind === 'type') return true;
  return (
    a.name === b.name &&
    a.nullable === b.nullable &&
    a.params.length === b.params.length &&
    a.params.every((param, i) => saysNoMore(param, b.params[i]!))
  );
}
