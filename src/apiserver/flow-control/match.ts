import type {
  FlowSchema,
  PolicyRulesWithSubjects,
  ResourcePolicyRule,
  Subject,
} from '../../api/flowcontrol/v1.gen.ts';
import type { Attributes } from '../authz/rbac.ts';
import type { User } from '../context.ts';

const has = (list: readonly string[], value: string): boolean =>
  (list.length === 1 && list[0] === '*') || list.includes(value);

/** Whether a flow schema is meant for a request. Source: the API reference of FlowSchema, `rules`. */
export const matches = ({ spec }: FlowSchema, attributes: Attributes): boolean =>
  spec.rules?.some((rule) => matchesRule(rule, attributes)) ?? false;

function matchesRule(rule: PolicyRulesWithSubjects, attributes: Attributes): boolean {
  const { user, path } = attributes;
  if (!rule.subjects.some((subject) => isSubject(subject, user))) return false;
  if (path === undefined) return rule.resourceRules?.some((one) => matchesResource(one, attributes)) ?? false;
  return (
    rule.nonResourceRules?.some(
      ({ verbs, nonResourceURLs }) =>
        has(verbs, attributes.verb) && nonResourceURLs.some((url) => matchesPath(url, path)),
    ) ?? false
  );
}

function isSubject({ kind, user: one, group, serviceAccount }: Subject, user: User): boolean {
  switch (kind) {
    case 'User':
      return one !== undefined && (one.name === '*' || one.name === user.name);
    case 'Group':
      return group !== undefined && (group.name === '*' || user.groups.includes(group.name));
    case 'ServiceAccount': {
      if (!serviceAccount) return false;
      const prefix = `system:serviceaccount:${serviceAccount.namespace}:`;
      return serviceAccount.name === '*'
        ? user.name.startsWith(prefix)
        : user.name === prefix + serviceAccount.name;
    }
    default:
      return false;
  }
}

function matchesResource(rule: ResourcePolicyRule, attributes: Attributes): boolean {
  const { verb, group = '', resource = '', subresource, namespace } = attributes;
  if (!has(rule.verbs, verb) || !has(rule.apiGroups, group)) return false;
  if (!has(rule.resources, subresource ? `${resource}/${subresource}` : resource)) return false;
  return namespace ? has(rule.namespaces ?? [], namespace) : rule.clusterScope === true;
}

/** `/healthz` is itself and all below it; `/apis/*` all below; `*` everything. */
function matchesPath(url: string, path: string): boolean {
  if (url === '*' || url === path) return true;
  const prefix = url.endsWith('*') ? url.slice(0, -1) : url;
  return path.startsWith(prefix.endsWith('/') ? prefix : `${prefix}/`);
}

/** What tells the flows of one schema apart. */
export function distinguisherOf({ spec }: FlowSchema, attributes: Attributes): string {
  switch (spec.distinguisherMethod?.type) {
    case 'ByUser':
      return attributes.user.name;
    case 'ByNamespace':
      return attributes.namespace ?? '';
    default:
      return '';
  }
}
