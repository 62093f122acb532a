import { clusterRoles } from '../../api/rbac/cluster-role.ts';
import { clusterRoleBindings } from '../../api/rbac/cluster-role-binding.ts';
import { roles } from '../../api/rbac/role.ts';
import { roleBindings } from '../../api/rbac/role-binding.ts';
import type { PolicyRule, RoleRef, Subject } from '../../api/rbac/v1.gen.ts';
import type { AnyObject } from '../../machinery/meta.ts';
import type { Caches } from '../cache/caches.ts';
import type { User } from '../context.ts';

/** What a request wants to do: to a resource, or to a path. */
export interface Attributes {
  user: User;
  verb: string;
  group?: string;
  version?: string;
  resource?: string;
  subresource?: string;
  namespace?: string;
  name?: string;
  path?: string;
}

const has = (list: string[] | undefined, value: string): boolean =>
  list !== undefined && (list.includes(value) || list.includes('*'));

/** Whether a rule allows it. Source: the documentation of RBAC ("Referring to resources"). */
export function allows(rule: PolicyRule, a: Attributes): boolean {
  if (!has(rule.verbs, a.verb)) return false;
  if (a.path !== undefined) {
    return (rule.nonResourceURLs ?? []).some(
      (url) => url === '*' || url === a.path || (url.endsWith('*') && a.path!.startsWith(url.slice(0, -1))),
    );
  }
  if (!has(rule.apiGroups, a.group ?? '')) return false;
  const resource = a.subresource ? `${a.resource}/${a.subresource}` : a.resource!;
  const named = (rule.resources ?? []).some(
    (r) => r === '*' || r === resource || (a.subresource && r === `*/${a.subresource}`),
  );
  if (!named) return false;
  return !rule.resourceNames?.length || (a.name !== undefined && rule.resourceNames.includes(a.name));
}

function isSubject(subject: Subject, user: User, namespace: string | undefined): boolean {
  if (subject.kind === 'User') return subject.name === user.name;
  if (subject.kind === 'Group') return user.groups.includes(subject.name);
  return user.name === `system:serviceaccount:${subject.namespace ?? namespace}:${subject.name}`;
}

/** Role-based access control over the caches of the four kinds; what a user may do is worked out once and kept until one changes. */
export class Rbac {
  readonly #caches: Caches;
  readonly #known = new Map<string, PolicyRule[]>();
  #version = -1;

  constructor(caches: Caches) {
    this.#caches = caches;
  }

  #objects(kind: any): AnyObject[] {
    return [...(this.#caches.of(kind)?.entries.values() ?? [])].map((entry) => entry.object);
  }

  /** Rules of roles bound in the whole cluster, and, where a namespace is given, in it. */
  rulesFor(user: User, namespace: string | undefined): PolicyRule[] {
    const version = [clusterRoles, clusterRoleBindings, roles, roleBindings].reduce(
      (sum, kind) => sum + (this.#caches.of(kind)?.changed ?? 0),
      0,
    );
    if (version !== this.#version) {
      this.#known.clear();
      this.#version = version;
    }
    const key = `${namespace ?? ''}\n${user.name}\n${user.groups.join('\n')}`;
    let rules = this.#known.get(key);
    if (!rules) {
      rules = this.#gather(user, namespace);
      if (this.#known.size > 10_000) this.#known.clear();
      this.#known.set(key, rules);
    }
    return rules;
  }

  /** Rules of the role that a binding names; none where there is no such role. */
  rulesOfRole(roleRef: Pick<RoleRef, 'kind' | 'name'>, namespace: string | undefined): PolicyRule[] {
    const found =
      roleRef.kind === 'ClusterRole'
        ? this.#caches.of(clusterRoles)?.get(`/registry/clusterroles/${roleRef.name}`)
        : this.#caches.of(roles)?.get(`/registry/roles/${namespace}/${roleRef.name}`);
    return (found?.object.rules as PolicyRule[]) ?? [];
  }

  #gather(user: User, namespace: string | undefined): PolicyRule[] {
    const found = this.#objects(clusterRoleBindings)
      .filter((b) => b.subjects?.some((s: Subject) => isSubject(s, user, undefined)))
      .flatMap((b) => this.rulesOfRole(b.roleRef, undefined));
    if (namespace) {
      for (const b of this.#objects(roleBindings)) {
        if (
          b.metadata.namespace !== namespace ||
          !b.subjects?.some((s: Subject) => isSubject(s, user, namespace))
        )
          continue;
        found.push(...this.rulesOfRole(b.roleRef, namespace));
      }
    }
    return found;
  }

  /** Which binding allows it, in upstream's words; '' where none does. */
  reason(a: Attributes): string {
    const why = (kind: string, binding: AnyObject, namespace: string | undefined): string | undefined => {
      const { roleRef, metadata } = binding;
      const subject = binding.subjects?.find((s: Subject) => isSubject(s, a.user, namespace));
      if (!subject || !this.rulesOfRole(roleRef, namespace).some((rule) => allows(rule, a))) return undefined;
      const place = namespace ? `${namespace}/${metadata.name}` : metadata.name!;
      const account = subject.kind === 'ServiceAccount' && subject.namespace;
      const who = account ? `${subject.name}/${account}` : subject.name;
      return `RBAC: allowed by ${kind} ${JSON.stringify(place)} of ${roleRef.kind} ${JSON.stringify(roleRef.name)} to ${subject.kind} ${JSON.stringify(who)}`;
    };
    for (const binding of this.#objects(clusterRoleBindings)) {
      const reason = why('ClusterRoleBinding', binding, undefined);
      if (reason) return reason;
    }
    for (const binding of a.namespace ? this.#objects(roleBindings) : []) {
      if (binding.metadata.namespace !== a.namespace) continue;
      const reason = why('RoleBinding', binding, a.namespace);
      if (reason) return reason;
    }
    return '';
  }

  authorize(a: Attributes): boolean {
    return this.rulesFor(a.user, a.namespace).some((rule) => allows(rule, a));
  }
}
