// How functions are declared: by name, each with its overloads.
import { type CostModel, nominal } from './cost.ts';
import { type CelType, isOptional, parseType, splitTypes } from './types.ts';
import {
  CelError,
  Duration,
  isMap,
  Opaque,
  Optional,
  Timestamp,
  TypeValue,
  typeNameOf,
  Uint,
  type Value,
} from './values.ts';

type Implementation = (...args: any[]) => Value;

/**
 * Overloads by id. `'string.(int) -> string'` is called as a method of a string, `'(list(A), A) -> bool'` as a function; without an
 * implementation the compiler knows what to do.
 */
export type Declarations = Record<
  string,
  Record<string, readonly [signature: string, call?: Implementation, cost?: CostModel]>
>;

export interface Overload {
  readonly id: string;
  /** Called as `target.name(...)`; the target is the first parameter. */
  readonly member: boolean;
  readonly params: readonly CelType[];
  readonly result: CelType;
  /** Names of the type parameters. */
  readonly free: readonly string[];
  readonly call: Implementation | undefined;
  readonly cost: CostModel;
  /** Whether an operand may be what the parameter asks for; undefined where anything may. */
  readonly guards: readonly (((value: Value) => boolean) | undefined)[];
}

export type FunctionTable = ReadonlyMap<string, readonly Overload[]>;

export function functionTable(...libraries: Declarations[]): FunctionTable {
  const table = new Map<string, Overload[]>();
  for (const library of libraries)
    for (const [name, overloads] of Object.entries(library)) {
      const known = table.get(name) ?? [];
      for (const [id, [signature, call, cost]] of Object.entries(overloads))
        known.push(overload(id, signature, call, cost ?? nominal()));
      table.set(name, known);
    }
  return table;
}

function overload(
  id: string,
  signature: string,
  call: Implementation | undefined,
  cost: CostModel,
): Overload {
  const arrow = signature.indexOf(' -> ');
  const left = signature.slice(0, arrow);
  const dot = left.indexOf('.(');
  const member = dot >= 0;
  const list = splitTypes(left.slice(member ? dot + 2 : 1, -1));
  const params = (member ? [left.slice(0, dot), ...list] : list).map(parseType);
  const free = new Set<string>();
  const note = (type: CelType): void => {
    if (type.kind === 'param') free.add(type.name);
    type.params.forEach(note);
  };
  params.forEach(note);
  const result = parseType(signature.slice(arrow + 4));
  note(result);
  return { id, member, params, result, free: [...free], call, cost, guards: params.map(guardOf) };
}

/** Of lists and maps the first element is looked at, as a sample. */
function guardOf(type: CelType): ((value: Value) => boolean) | undefined {
  switch (type.kind) {
    case 'bool':
      return (value) => typeof value === 'boolean';
    case 'int':
      return (value) => typeof value === 'bigint';
    case 'uint':
      return (value) => value instanceof Uint;
    case 'double':
      return (value) => typeof value === 'number';
    case 'string':
      return (value) => typeof value === 'string';
    case 'bytes':
      return (value) => value instanceof Uint8Array;
    case 'duration':
      return (value) => value instanceof Duration;
    case 'timestamp':
      return (value) => value instanceof Timestamp;
    case 'null':
      return (value) => value === null;
    case 'type':
      return (value) => value instanceof TypeValue;
    case 'list': {
      // What is flat already may be flattened.
      const element = type.params[0]!.kind === 'list' ? undefined : guardOf(type.params[0]!);
      return (value) => Array.isArray(value) && (!element || !value.length || element(value[0]!));
    }
    case 'map':
      return (value) => isMap(value);
    case 'opaque': {
      if (isOptional(type)) {
        const of = guardOf(type.params[0]!);
        return (value) => value instanceof Optional && (value.value === undefined || !of || of(value.value));
      }
      const { name } = type;
      return (value) => value instanceof Opaque && value.type === name;
    }
    default:
      return undefined;
  }
}

export const noOverload = (name: string, ...args: Value[]): CelError =>
  new CelError(`no such overload: ${name}(${args.map(typeNameOf).join(', ')})`);

/** The first overload that takes these values. Throws CelError where there is none. */
export function choose(name: string, overloads: readonly Overload[], args: readonly Value[]): Overload {
  for (const overload of overloads) if (takes(overload, args)) return overload;
  throw noOverload(name, ...args);
}

function takes({ guards }: Overload, args: readonly Value[]): boolean {
  if (guards.length !== args.length) return false;
  for (let i = 0; i < args.length; i++) {
    const guard = guards[i];
    if (guard && !guard(args[i]!)) return false;
  }
  return true;
}
