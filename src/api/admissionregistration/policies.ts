// Admission policies in CEL: what mutating and validating ones, and their bindings, have in common.
// https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/
import { dns1035LabelProblems, dnsSubdomainProblems, pathSegmentProblems } from '../../machinery/names.ts';
import { labelSelectorErrors } from '../../machinery/selectors.ts';
import { type FieldError, type FieldPath, field } from '../../machinery/status.ts';
import { duplicates, oneOf, problems, requiredOneOf } from '../checks.ts';
import type { PolicyCompiler } from './expressions.ts';
import { conditionProblems } from './match-conditions.ts';
import type { MatchCondition, MatchResources, ParamKind, ParamRef, Variable } from './v1.gen.ts';
import { conditionsErrors, ruleErrors } from './webhooks.ts';

export function defaultMatch(match: MatchResources | undefined): void {
  if (!match) return;
  match.matchPolicy ??= 'Equivalent';
  match.namespaceSelector ??= {};
  match.objectSelector ??= {};
  for (const rule of [...(match.resourceRules ?? []), ...(match.excludeResourceRules ?? [])])
    rule.scope ??= '*';
}

export function matchErrors(match: MatchResources | undefined, path: FieldPath): FieldError[] {
  if (!match) return [];
  const errors = [
    ...requiredOneOf(match.matchPolicy, ['Equivalent', 'Exact'], path.child('matchPolicy')),
    ...labelSelectorErrors(match.namespaceSelector, path.child('namespaceSelector')),
    ...labelSelectorErrors(match.objectSelector, path.child('objectSelector')),
  ];
  for (const list of ['resourceRules', 'excludeResourceRules'] as const)
    errors.push(
      ...(match[list] ?? []).flatMap((rule, i) => {
        const at = path.child(list, i);
        const { resourceNames = [] } = rule;
        return [
          ...resourceNames.flatMap((name, j) =>
            problems(pathSegmentProblems(name), name, at.child('resourceNames', j)),
          ),
          ...duplicates(
            resourceNames,
            (name) => name,
            (j) => at.child('resourceNames', j),
          ),
          ...ruleErrors(rule, at),
        ];
      }),
    );
  return errors;
}

export function paramKindErrors(kind: ParamKind | undefined): FieldError[] {
  if (!kind) return [];
  const at = field('spec', 'paramKind');
  return [
    ...apiVersionErrors(kind.apiVersion, at.child('apiVersion')),
    ...kindErrors(kind.kind, at.child('kind')),
  ];
}

function apiVersionErrors(apiVersion: string | undefined, at: FieldPath): FieldError[] {
  if (!apiVersion) return [at.required()];
  const parts = apiVersion.split('/');
  if (parts.length > 2) return [at.invalid(apiVersion, `unexpected GroupVersion string: ${apiVersion}`)];
  const [version = '', group = ''] = parts.reverse();
  return [
    ...(group ? problemsTogether(dnsSubdomainProblems(group), group, at) : []),
    ...(version
      ? problemsTogether(dns1035LabelProblems(version), version, at)
      : [at.invalid(apiVersion, 'version must be specified')]),
  ];
}

function kindErrors(kind: string | undefined, at: FieldPath): FieldError[] {
  if (!kind) return [at.required()];
  const wrong = dns1035LabelProblems(kind.toLowerCase());
  return wrong.length
    ? [at.invalid(kind, `may have mixed case, but should otherwise match: ${wrong.join(',')}`)]
    : [];
}

const problemsTogether = (found: string[], value: string, at: FieldPath): FieldError[] =>
  found.length ? [at.invalid(value, found.join(','))] : [];

const words = new Set(
  'true false null in as break const continue else for function if import let loop package namespace return var void while'.split(
    ' ',
  ),
);
const isIdentifier = (name: string): boolean => /^[A-Za-z_]\w*$/.test(name) && !words.has(name);

/** The errors of the variables of a policy; the compiler then knows them. */
export const variablesErrors = (
  variables: Variable[] | undefined,
  compiler: PolicyCompiler,
  params: boolean,
): FieldError[] =>
  (variables ?? []).flatMap(({ name, expression }, i) => {
    const at = field('spec', 'variables', i);
    const errors: FieldError[] = [];
    if (!name?.trim()) errors.push(at.child('name').required('name is not specified'));
    else if (!isIdentifier(name))
      errors.push(at.child('name').invalid(name, 'must be a valid CEL identifier'));
    if (!expression?.trim())
      return [...errors, at.child('expression').required('expression is not specified')];
    const { problem } = compiler.variable(name ?? '', expression, { params, authorizer: true });
    if (problem) errors.push(at.child('expression').invalid(expression, problem));
    return errors;
  });

/** Conditions of a policy: their form, and that they compile. */
export const policyConditionsErrors = (
  conditions: MatchCondition[] | undefined,
  params: boolean,
): FieldError[] => {
  const at = field('spec', 'matchConditions');
  return [...conditionsErrors(conditions, at), ...conditionProblems(conditions, at, params)];
};

/** Nothing is left to mutate in a deletion. */
export const mutatedOperationsErrors = (match: MatchResources | undefined, path: FieldPath): FieldError[] =>
  (match?.resourceRules ?? []).flatMap(({ operations = [] }) =>
    operations.flatMap((operation) =>
      oneOf(operation, ['*', 'CONNECT', 'CREATE', 'UPDATE'], path.child('resourceRules', 'operations')),
    ),
  );

export function policyNameErrors(name: string | undefined): FieldError[] {
  const at = field('spec', 'policyName');
  return name ? problems(dnsSubdomainProblems(name), name, at) : [at.required()];
}

export function paramRefErrors(ref: ParamRef | undefined): FieldError[] {
  if (!ref) return [];
  const at = field('spec', 'paramRef');
  const errors: FieldError[] = [
    ...(ref.name ? problems(pathSegmentProblems(ref.name), ref.name, at.child('name')) : []),
    ...labelSelectorErrors(ref.selector, at.child('selector')),
  ];
  if (ref.name && ref.selector) {
    const why = 'name and selector are mutually exclusive';
    errors.push(at.child('name').forbidden(why), at.child('selector').forbidden(why));
  } else if (!ref.name && !ref.selector)
    errors.push(at.required('one of name or selector must be specified'));
  if (!ref.parameterNotFoundAction) errors.push(at.child('parameterNotFoundAction').required());
  else
    errors.push(
      ...oneOf(ref.parameterNotFoundAction, ['Allow', 'Deny'], at.child('parameterNotFoundAction')),
    );
  return errors;
}

// `namespace/name`, `*/name`, or the selector.
export function paramText(ref: ParamRef | undefined): string {
  if (!ref) return '<unset>';
  if (ref.name) return `${ref.namespace || '*'}/${ref.name}`;
  return ref.selector ? JSON.stringify(ref.selector) : '<unset>';
}

export const paramKindText = (kind: ParamKind | undefined): string =>
  kind ? `${kind.apiVersion}/${kind.kind}` : '<unset>';
