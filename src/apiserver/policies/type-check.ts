// Holds the expressions of validating policies against the types of what they are for. What is wrong is told in the status,
// and changes nothing. https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/#type-checking
import { PolicyCompiler } from '../../api/admissionregistration/expressions.ts';
import type {
  ExpressionWarning,
  NamedRuleWithOperations,
  ValidatingAdmissionPolicySpec,
} from '../../api/admissionregistration/v1.gen.ts';
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
  stringType,
  structType,
  timestampType,
} from '../../machinery/cel/types.ts';
import { escapeName } from '../../machinery/cel/values.ts';
import type { Kind } from '../../machinery/kind.ts';
import type { SchemaTable } from '../../machinery/schema.ts';
import { type SchemaNode, type StructNode, schemaNode } from '../../machinery/schema-node.ts';
import { field } from '../../machinery/status.ts';
import type { Registry } from '../registry/registry.ts';
import type { Scheme } from '../scheme.ts';
import { variablesIn } from './compiled.ts';

/** Of one rule: where there are more, nobody reads all the warnings. */
const MOST_TYPES = 10;

/** What is wrong with the expressions of a policy, one entry for each expression that something is wrong with. */
export function expressionWarnings(
  { scheme, schemas }: Pick<Registry, 'scheme' | 'schemas'>,
  spec: ValidatingAdmissionPolicySpec,
): ExpressionWarning[] {
  const { paramKind, validations = [], matchConstraints } = spec;
  const params =
    paramKind && kindType(scheme.kind(paramKind.apiVersion ?? '', paramKind.kind ?? '')?.kind, schemas);
  const compilers = kindsOf(scheme, matchConstraints?.resourceRules).map((kind) => {
    const compiler = new PolicyCompiler({ object: kindType(kind, schemas), params });
    variablesIn(spec, compiler);
    return { kind, compiler };
  });
  const offer = { params: paramKind !== undefined, authorizer: true };
  const check = (source: string): string =>
    compilers
      .flatMap(({ kind: { group, version, kind }, compiler }) => {
        const { problem } = compiler.expression(source, 'any', offer);
        return problem
          ? [`${group}/${version}, Kind=${kind}: ${problem.replace('compilation failed: ', '')}\n`]
          : [];
      })
      .join('\n');
  return validations.flatMap(({ expression, messageExpression }, i) =>
    Object.entries({ expression, messageExpression }).flatMap(([name, source]) => {
      const warning = source ? check(source) : '';
      return warning ? [{ fieldRef: field('spec', 'validations', i, name).path, warning }] : [];
    }),
  );
}

/** The kinds that rules name; a rule that speaks of all groups or versions says nothing of any. */
function kindsOf(scheme: Scheme, rules: NamedRuleWithOperations[] = []): Kind<any>[] {
  const found = new Set<Kind<any>>();
  for (const rule of rules) {
    const [groups, versions, resources] = [rule.apiGroups, rule.apiVersions, rule.resources].map((list) =>
      [...(list ?? [])].sort(),
    ) as [string[], string[], string[]];
    if ([...groups, ...versions].some((name) => name.includes('*'))) continue;
    const kinds = groups.flatMap((group) =>
      versions.flatMap((version) =>
        resources
          .filter((name) => !/[*/]/.test(name))
          .flatMap((name) => scheme.resource(group, version, name)?.kind ?? []),
      ),
    );
    for (const kind of kinds.slice(0, MOST_TYPES)) found.add(kind);
    if (kinds.length >= MOST_TYPES) break;
  }
  const name = ({ group, version, kind }: Kind<any>) => [group, version, kind].join('\0');
  return [...found].sort((a, b) => (name(a) < name(b) ? -1 : 1));
}

function kindType(kind: Kind<any> | undefined, schemas: SchemaTable): CelType | undefined {
  const node = kind?.type ? schemaNode(schemas, kind.type) : undefined;
  return node && typeOf(node, kind!.kind);
}

const scalars: Record<string, CelType> = {
  boolean: boolType,
  int32: intType,
  int64: intType,
  double: doubleType,
  bytes: bytesType,
  time: timestampType,
  microtime: timestampType,
};
const formats: Record<string, CelType> = {
  'string:byte': bytesType,
  'string:date': timestampType,
  'string:date-time': timestampType,
  'string:duration': durationType,
};

function typeOf(node: SchemaNode | undefined, name: string): CelType {
  if (!node) return dynType;
  if (node.struct) return structOf(node.struct, name);
  if (node.shape === 'list') return listType(typeOf(node.element, `${name}.@idx`));
  if (node.shape === 'map') return mapType(stringType, typeOf(node.element, `${name}.@elem`));
  if (node.scalar === 'string') return formats[node.type] ?? stringType;
  return (node.scalar && scalars[node.scalar]) ?? dynType;
}

/** Types contain themselves: what is below is made when it is asked for. */
function structOf({ fields, preserveUnknown }: StructNode, name: string): CelType {
  const made = new Map<string, CelType>();
  let escaped: Map<string, SchemaNode> | undefined;
  return structType(name, (asked) => {
    escaped ??= new Map([...fields].map(([plain, node]) => [escapeName(plain) ?? '', node]));
    const node = escaped.get(asked);
    if (!node) return preserveUnknown ? dynType : undefined;
    const type = made.get(asked) ?? typeOf(node, `${name}.${asked}`);
    made.set(asked, type);
    return type;
  });
}
