// Admission policies in CEL: what mutating and validating ones, and their bindings, have in common.
// https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/
import { pathSegmentProblems } from '../../machinery/names.ts';
import { labelSelectorErrors } from '../../machinery/selectors.ts';
import { type FieldError, type FieldPath, field } from '../../machinery/status.ts';
import { duplicates, oneOf, present, problems } from '../checks.ts';
import type { MatchResources, ParamKind, ParamRef, Variable } from './v1.gen.ts';
import { ruleErrors } from './webhooks.ts';

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
    ...oneOf(match.matchPolicy, ['Equivalent', 'Exact'], path.child('matchPolicy')),
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

export const paramKindErrors = (kind: ParamKind | undefined): FieldError[] =>
  kind
    ? [
        ...present(kind.apiVersion, field('spec', 'paramKind', 'apiVersion')),
        ...present(kind.kind, field('spec', 'paramKind', 'kind')),
      ]
    : [];

export const variablesErrors = (variables: Variable[] | undefined): FieldError[] =>
  (variables ?? []).flatMap(({ name, expression }, i) => {
    const at = field('spec', 'variables', i);
    const named = !name
      ? [at.child('name').required('name is not specified')]
      : /^[A-Za-z_]\w*$/.test(name)
        ? []
        : [at.child('name').invalid(name, 'name is not a valid CEL identifier')];
    return [...named, ...present(expression?.trim(), at.child('expression'), 'expression is not specified')];
  });

export function paramRefErrors(ref: ParamRef | undefined): FieldError[] {
  if (!ref) return [];
  const at = field('spec', 'paramRef');
  const errors: FieldError[] = [];
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
