// What expressions may use: variables, functions, types.
import { type FunctionTable, functionTable } from './functions.ts';
import { authorization } from './library-authorizer.ts';
import { formatLibrary } from './library-formats.ts';
import { lists } from './library-lists.ts';
import { networks } from './library-networks.ts';
import { optionals } from './library-optionals.ts';
import { quantities } from './library-quantities.ts';
import { standard } from './library-standard.ts';
import { strings } from './library-strings.ts';
import { times } from './library-times.ts';
import {
  boolType,
  bytesType,
  type CelType,
  doubleType,
  durationType,
  dynType,
  intType,
  listType,
  mapType,
  nullType,
  opaqueType,
  stringType,
  timestampType,
  typeType,
  uintType,
} from './types.ts';
import { TypeValue } from './values.ts';

/** Everything that the API server offers to all its expressions. */
export const baseLibraries = [
  standard,
  optionals,
  times,
  strings,
  lists,
  networks,
  formatLibrary,
  quantities,
  authorization,
];

let base: FunctionTable | undefined;
/** Made when the first expression is compiled. */
export const baseFunctions = (): FunctionTable => {
  base ??= functionTable(...baseLibraries);
  return base;
};

export interface Environment {
  /** By name; a name may have dots. */
  readonly variables: ReadonlyMap<string, CelType>;
  readonly functions: FunctionTable;
  /** Structs that expressions may name, and make: `Object.spec`. */
  readonly structs?: (name: string) => CelType | undefined;
  /** The namespace in which names are looked up first. */
  readonly container?: string;
  /** Whether a list or a map may be written with elements of different types. */
  readonly mixedLiterals?: boolean;
  /** Names in backquotes. */
  readonly quotedNames?: boolean;
}

export const environment = (
  variables: Record<string, CelType>,
  more: Partial<Environment> = {},
): Environment => ({
  variables: new Map(Object.entries(variables)),
  functions: baseFunctions(),
  ...more,
});

const typeNames = new Map<string, CelType>(
  [
    boolType,
    bytesType,
    doubleType,
    durationType,
    intType,
    listType(dynType),
    mapType(dynType, dynType),
    nullType,
    stringType,
    timestampType,
    typeType(),
    uintType,
    opaqueType('optional_type', dynType),
    opaqueType('net.IP'),
    opaqueType('net.CIDR'),
  ].map((type) => [type.name, type]),
);

/** What a name stands for: a variable, or a type. */
export type Named = { name: string; type: CelType; value?: TypeValue };

/** The names that one name may mean, the innermost namespace first. One with a dot before it is meant as it is. */
export function* candidates(container: string | undefined, name: string): Generator<string> {
  if (name.startsWith('.')) yield name.slice(1);
  else {
    const parts = container ? container.split('.') : [];
    for (let i = parts.length; i > 0; i--) yield `${parts.slice(0, i).join('.')}.${name}`;
    yield name;
  }
}

export function resolveName(environment: Environment, name: string): Named | undefined {
  for (const candidate of candidates(environment.container, name)) {
    const variable = environment.variables.get(candidate);
    if (variable) return { name: candidate, type: variable };
    const type = typeNames.get(candidate) ?? environment.structs?.(candidate);
    if (type) return { name: candidate, type: typeType(type), value: new TypeValue(candidate) };
  }
  return undefined;
}

/** The name under which a function is known, or undefined. */
export function resolveFunction({ container, functions }: Environment, name: string): string | undefined {
  for (const candidate of candidates(container, name)) if (functions.has(candidate)) return candidate;
  return undefined;
}
