// Rules and subjects: what roles and bindings share.
// https://kubernetes.io/docs/reference/access-authn-authz/rbac/

import { equal } from '../../machinery/meta.ts';
import { dnsSubdomainProblems, pathSegmentProblems } from '../../machinery/names.ts';
import { type FieldError, type FieldPath, field } from '../../machinery/status.ts';
import { problems } from '../checks.ts';
import type { PolicyRule, RoleRef, Subject } from './v1.gen.ts';

export const RBAC = 'rbac.authorization.k8s.io';

export function ruleErrors(rule: PolicyRule, namespaced: boolean, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  const { verbs = [], nonResourceURLs = [], apiGroups = [], resources = [] } = rule;
  if (!verbs.length) errors.push(path.child('verbs').required('verbs must contain at least one value'));
  if (nonResourceURLs.length) {
    const at = path.child('nonResourceURLs');
    if (namespaced)
      errors.push(at.invalid(nonResourceURLs, 'namespaced rules cannot apply to non-resource URLs'));
    if (apiGroups.length || resources.length || rule.resourceNames?.length)
      errors.push(
        at.invalid(nonResourceURLs, 'rules cannot apply to both regular resources and non-resource URLs'),
      );
    return errors;
  }
  if (!apiGroups.length)
    errors.push(path.child('apiGroups').required('resource rules must supply at least one api group'));
  if (!resources.length)
    errors.push(path.child('resources').required('resource rules must supply at least one resource'));
  return errors;
}

export const rulesErrors = (rules: PolicyRule[] | undefined, namespaced: boolean): FieldError[] =>
  (rules ?? []).flatMap((rule, i) => ruleErrors(rule, namespaced, field('rules', i)));

function subjectErrors(
  { kind, name, namespace, apiGroup = '' }: Subject,
  namespaced: boolean,
  path: FieldPath,
): FieldError[] {
  const errors: FieldError[] = [];
  if (!name) errors.push(path.child('name').required());
  switch (kind) {
    case 'ServiceAccount':
      if (name) errors.push(...problems(dnsSubdomainProblems(name), name, path.child('name')));
      if (apiGroup) errors.push(path.child('apiGroup').notSupported(apiGroup, ['']));
      if (!namespace && !namespaced) errors.push(path.child('namespace').required());
      break;
    case 'User':
    case 'Group':
      if (apiGroup !== RBAC) errors.push(path.child('apiGroup').notSupported(apiGroup, [RBAC]));
      break;
    default:
      errors.push(path.child('kind').notSupported(kind ?? '', ['ServiceAccount', 'User', 'Group']));
  }
  return errors;
}

interface Binding {
  roleRef: RoleRef;
  subjects?: Subject[];
}

/** Users and groups are named within this API's group, unless one says otherwise. */
export function defaultBinding({ roleRef, subjects }: Binding): void {
  if (roleRef) roleRef.apiGroup ||= RBAC;
  for (const subject of subjects ?? [])
    if (subject.kind === 'User' || subject.kind === 'Group') subject.apiGroup ||= RBAC;
}

export function bindingErrors({ roleRef, subjects }: Binding, kinds: string[]): FieldError[] {
  const at = field('roleRef');
  const { apiGroup, kind, name } = roleRef ?? {};
  return [
    ...(apiGroup === RBAC ? [] : [at.child('apiGroup').notSupported(apiGroup ?? '', [RBAC])]),
    ...(kinds.includes(kind) ? [] : [at.child('kind').notSupported(kind ?? '', kinds)]),
    ...(name ? problems(pathSegmentProblems(name), name, at.child('name')) : [at.child('name').required()]),
    ...(subjects ?? []).flatMap((s, i) => subjectErrors(s, kinds.includes('Role'), field('subjects', i))),
  ];
}

export const roleRefChange = (now: Binding, old: Binding): FieldError[] =>
  equal(now.roleRef, old.roleRef) ? [] : [field('roleRef').invalid(now.roleRef, 'cannot change roleRef')];

const named = (subjects: Subject[] | undefined, kind: string, text: (s: Subject) => string): string =>
  (subjects ?? [])
    .filter((s) => s.kind === kind)
    .map(text)
    .join(', ');

export const bindingColumns = {
  Role: ({ roleRef }: Binding) => `${roleRef.kind}/${roleRef.name}`,
  Users: ({ subjects }: Binding) => named(subjects, 'User', (s) => s.name),
  Groups: ({ subjects }: Binding) => named(subjects, 'Group', (s) => s.name),
  ServiceAccounts: ({ subjects }: Binding) =>
    named(subjects, 'ServiceAccount', (s) => `${s.namespace}/${s.name}`),
};
