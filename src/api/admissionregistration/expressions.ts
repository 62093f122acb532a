// The expressions of admission: what they may speak of, and what they must come to.
// https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/#validation-expression
import { compileOnce } from '../../machinery/cel/cache.ts';
import { type CelProgram, compileCel } from '../../machinery/cel/compile.ts';
import { baseLibraries, type Environment, environment } from '../../machinery/cel/environment.ts';
import { functionTable } from '../../machinery/cel/functions.ts';
import { AUTHORIZER, RESOURCE_CHECK } from '../../machinery/cel/library-authorizer.ts';
import { patching } from '../../machinery/cel/library-strings.ts';
import { CelSyntaxError } from '../../machinery/cel/syntax.ts';
import {
  boolType,
  type CelType,
  dynType,
  intType,
  listType,
  mapType,
  nullType,
  opaqueType,
  sameType,
  stringType,
  structType,
  timestampType,
} from '../../machinery/cel/types.ts';

/** Which variables, and which types, an expression has besides `object`, `oldObject`, `request` and `namespaceObject`. */
export interface Offer {
  params: boolean;
  authorizer: boolean;
  /** Of mutations: `Object{}`, `JSONPatch{}`, `jsonpatch.escapeKey`. */
  patches?: boolean;
}

/** Where more is known of objects than that they are some. */
export interface ObjectTypes {
  object?: CelType | undefined;
  params?: CelType | undefined;
}

const struct = (name: string, fields: Record<string, CelType>): CelType =>
  structType(name, (field) => (Object.hasOwn(fields, field) ? fields[field] : undefined));
const texts = listType(stringType);

const groupVersionKind = struct('kubernetes.GroupVersionKind', {
  group: stringType,
  version: stringType,
  kind: stringType,
});
const groupVersionResource = struct('kubernetes.GroupVersionResource', {
  group: stringType,
  version: stringType,
  resource: stringType,
});
const requestType = struct('kubernetes.AdmissionRequest', {
  kind: groupVersionKind,
  resource: groupVersionResource,
  subResource: stringType,
  requestKind: groupVersionKind,
  requestResource: groupVersionResource,
  requestSubResource: stringType,
  name: stringType,
  namespace: stringType,
  operation: stringType,
  userInfo: struct('kubernetes.UserInfo', {
    username: stringType,
    uid: stringType,
    groups: texts,
    extra: mapType(stringType, texts),
  }),
  dryRun: boolType,
  options: dynType,
});

const namespaceType = struct('kubernetes.Namespace', {
  metadata: struct('kubernetes.NamespaceMetadata', {
    name: stringType,
    generateName: stringType,
    namespace: stringType,
    labels: mapType(stringType, stringType),
    annotations: mapType(stringType, stringType),
    UID: stringType,
    creationTimestamp: timestampType,
    deletionGracePeriodSeconds: intType,
    deletionTimestamp: timestampType,
    generation: intType,
    resourceVersion: stringType,
    finalizers: texts,
  }),
  spec: struct('kubernetes.NamespaceSpec', { finalizers: texts }),
  status: struct('kubernetes.NamespaceStatus', {
    conditions: listType(
      struct('kubernetes.NamespaceCondition', {
        status: stringType,
        type: stringType,
        lastTransitionTime: timestampType,
        message: stringType,
        reason: stringType,
      }),
    ),
    phase: stringType,
  }),
});

/** `Object`, `Object.spec`: anything may be set in them; that names and places agree is seen when the patch is made. */
const patchFields: Record<string, CelType> = {
  op: stringType,
  path: stringType,
  from: stringType,
  value: dynType,
};
const patchType = struct('JSONPatch', patchFields);
const objectType = structType('Object', () => dynType);
const patchTypes = (name: string): CelType | undefined => {
  if (name === 'JSONPatch') return patchType;
  return name === 'Object' || name.startsWith('Object.') ? structType(name, () => dynType) : undefined;
};
let patchFunctions: Environment['functions'] | undefined;

function environmentOf(
  { params, authorizer, patches }: Offer,
  types: ObjectTypes,
  more: Record<string, CelType>,
) {
  const variables: Record<string, CelType> = {
    object: types.object ?? dynType,
    oldObject: types.object ?? dynType,
    request: requestType,
    namespaceObject: namespaceType,
    ...(params ? { params: types.params ?? dynType } : {}),
    ...(authorizer
      ? { authorizer: opaqueType(AUTHORIZER), 'authorizer.requestResource': opaqueType(RESOURCE_CHECK) }
      : {}),
    ...more,
  };
  if (!patches) return environment(variables);
  patchFunctions ??= functionTable(...baseLibraries, patching);
  return environment(variables, { functions: patchFunctions, structs: patchTypes });
}

const known = new Map<string, Environment>();
/** Environments without types and variables of their own: there are few, and their programs are shared. */
function sharedEnvironment(offer: Offer): Environment {
  const key = [offer.params, offer.authorizer, offer.patches === true].join();
  let found = known.get(key);
  if (!found) {
    found = environmentOf(offer, {}, {});
    known.set(key, found);
  }
  return found;
}

/** What an expression may come to; `any` may be anything. */
export const outputs = {
  bool: [boolType],
  string: [stringType],
  annotation: [stringType, nullType],
  object: [objectType],
  patch: [listType(patchType)],
  any: [] as CelType[],
} as const;
export type Output = keyof typeof outputs;

export interface Compiled {
  readonly source: string;
  readonly program?: CelProgram;
  /** Why there is no program. */
  readonly problem?: string;
}

/** `list(JSONPatch)`, `null_type`. */
const typeText = (type: CelType): string =>
  type.params.length ? `${type.name}(${type.params.map(typeText).join(', ')})` : type.name;

function compileTo(source: string, output: Output, compile: () => CelProgram): Compiled {
  try {
    const program = compile();
    const wanted: readonly CelType[] = outputs[output];
    const found = program.output!;
    if (!wanted.length || wanted.some((type) => sameType(type, found))) return { source, program };
    const names = wanted.map(typeText);
    const what = names.length === 1 ? names[0] : `one of [${names.join(' ')}]`;
    return { source, problem: `must evaluate to ${what} but got ${typeText(found)}` };
  } catch (error) {
    if (!(error instanceof CelSyntaxError)) throw error;
    return { source, problem: `compilation failed: ${error.message}` };
  }
}

/** Compiles an expression that has no variables of a policy. */
export const compileExpression = (source: string, output: Output, offer: Offer): Compiled =>
  compileTo(source, output, () => compileOnce(source, sharedEnvironment(offer)));

/** Compiles the expressions of one policy: those that come later know the `variables` that came before. */
export class PolicyCompiler {
  readonly #types: ObjectTypes;
  readonly #fields = new Map<string, CelType>();
  readonly #environments = new Map<string, Environment>();
  constructor(types: ObjectTypes = {}) {
    this.#types = types;
  }

  /** Compiles a variable, and makes it known. */
  variable(name: string, source: string, offer: Offer): Compiled {
    const compiled = this.expression(source, 'any', offer);
    this.#fields.set(name, compiled.program?.output ?? dynType);
    return compiled;
  }
  expression(source: string, output: Output, offer: Offer): Compiled {
    if (!this.#fields.size && !this.#types.object && !this.#types.params)
      return compileExpression(source, output, offer);
    return compileTo(source, output, () => compileCel(source, this.#environment(offer)));
  }
  #environment(offer: Offer): Environment {
    const key = [offer.params, offer.authorizer, offer.patches === true].join();
    let found = this.#environments.get(key);
    if (!found) {
      const variables = structType('kubernetes.variables', (name) => this.#fields.get(name));
      found = environmentOf(offer, this.#types, { variables });
      this.#environments.set(key, found);
    }
    return found;
  }
}
