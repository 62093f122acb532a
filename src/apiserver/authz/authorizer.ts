import type { Caches } from '../cache/caches.ts';
import { NodeAuthorizer, nodeOf } from './node.ts';
import { type Attributes, Rbac } from './rbac.ts';

export interface Authorizer {
  authorize(attributes: Attributes): boolean;
  rbac: Rbac;
}

/** `system:masters` may do all; a node what the role system:node says; everybody else what RBAC says. */
export function createAuthorizer(caches: Caches): Authorizer {
  const rbac = new Rbac(caches);
  const nodes = new NodeAuthorizer(caches);
  return {
    rbac,
    authorize(a) {
      if (a.user.groups.includes('system:masters')) return true;
      if (rbac.authorize(a)) return true;
      const node = nodeOf(a.user);
      return node !== undefined && nodes.authorize(a, node);
    },
  };
}

/** The sentence that a refusal carries. */
export function refusal(a: Attributes): string {
  const who = `User ${JSON.stringify(a.user.name)} cannot ${a.verb}`;
  if (a.path !== undefined) return `${who} path ${JSON.stringify(a.path)}`;
  const resource = a.subresource ? `${a.resource}/${a.subresource}` : a.resource;
  const where = a.namespace ? `in the namespace ${JSON.stringify(a.namespace)}` : 'at the cluster scope';
  return `${who} resource ${JSON.stringify(resource)} in API group ${JSON.stringify(a.group ?? '')} ${where}`;
}
