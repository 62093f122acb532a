import type { PolicyRule } from '../../api/rbac/v1.gen.ts';
import type { AnyObject } from '../../machinery/meta.ts';
import { equal } from '../../machinery/meta.ts';
import { forbidden } from '../../machinery/status.ts';
import type { Admission, User } from '../context.ts';
import type { AdmissionPlugin } from '../registry/registry.ts';
import type { Authorizer } from './authorizer.ts';
import { ruleCovers } from './covers.ts';

const group = 'rbac.authorization.k8s.io';

/**
 * Nobody grants more than they have: a role may hold only rules that its writer has (or may `escalate`), a binding may name
 * only a role whose rules its writer has (or may `bind`). Source: "Privilege escalation prevention" in the documentation of RBAC.
 */
export const privilegeEscalation = (authorizer: Authorizer): AdmissionPlugin => ({
  name: 'PrivilegeEscalationPrevention',
  on: ({ context, operation, subresource }) =>
    context.served.kind.group === group &&
    !subresource &&
    (operation === 'CREATE' || operation === 'UPDATE') &&
    !context.user.groups.includes('system:masters'),
  validate(admission) {
    if (admission.object!.roleRef) checkBinding(authorizer, admission);
    else checkRole(authorizer, admission);
  },
});

function checkRole(authorizer: Authorizer, { context, object: role, old }: Admission): void {
  const { user, served } = context;
  const { name = '', namespace } = role!.metadata;
  if (old && equal(role!.rules, old.rules) && equal(role!.aggregationRule, old.aggregationRule)) return;
  const may = authorizer.authorize({
    user,
    verb: 'escalate',
    group,
    resource: served.kind.plural,
    name,
    namespace,
  });
  if (may) return;
  const refuse = (why: string) => forbidden(served.kind, name, why);
  const own = authorizer.rbac.rulesFor(user, namespace);
  if (role!.aggregationRule && lacking(everything, own).length)
    throw refuse('must have cluster-admin privileges to use the aggregationRule');
  const missing = lacking(role!.rules ?? [], own);
  if (missing.length) throw refuse(sentence(user, missing));
}

function checkBinding(authorizer: Authorizer, { context, object: binding, old }: Admission): void {
  const { user, served } = context;
  const { roleRef, metadata } = binding as AnyObject;
  const { name = '', namespace } = metadata;
  if (old && equal(roleRef, old.roleRef) && equal(binding!.subjects, old.subjects)) return;
  const resource = roleRef.kind === 'ClusterRole' ? 'clusterroles' : 'roles';
  if (authorizer.authorize({ user, verb: 'bind', group, resource, name: roleRef.name, namespace })) return;
  const missing = lacking(
    authorizer.rbac.rulesOfRole(roleRef, namespace),
    authorizer.rbac.rulesFor(user, namespace),
  );
  if (missing.length) throw forbidden(served.kind, name, sentence(user, missing));
}

const everything: PolicyRule[] = [
  { apiGroups: ['*'], resources: ['*'], verbs: ['*'] },
  { nonResourceURLs: ['*'], verbs: ['*'] },
];

/** The rules of `wanted` that `own` does not cover. */
const lacking = (wanted: readonly PolicyRule[], own: readonly PolicyRule[]): PolicyRule[] =>
  wanted.filter((rule) => !ruleCovers(own, rule));

function sentence(user: User, missing: PolicyRule[]): string {
  const list = (name: string, values: string[] | undefined) =>
    values?.length ? [`${name}:${JSON.stringify(values)}`] : [];
  const rules = missing.map(
    (r) =>
      `{${[
        ...list('APIGroups', r.apiGroups),
        ...list('Resources', r.resources),
        ...list('ResourceNames', r.resourceNames),
        ...list('NonResourceURLs', r.nonResourceURLs),
        ...list('Verbs', r.verbs),
      ].join(', ')}}`,
  );
  return `user ${JSON.stringify(user.name)} (groups=${JSON.stringify(user.groups)}) is attempting to grant RBAC permissions not currently held:\n${rules.join('\n')}`;
}
