import type { AnyObject } from '../../machinery/meta.ts';
import { field, invalid, isStatusError } from '../../machinery/status.ts';
import type { TokenAuthority } from '../authn/service-account.ts';
import type { Authorizer } from '../authz/authorizer.ts';
import type { Context, User } from '../context.ts';
import type { Result } from '../perform.ts';
import type { SubresourceHandler } from './index.ts';

function answer(context: Context, body: any, status: unknown): Result {
  context.code = 201;
  const { kind } = context.served;
  const object: AnyObject = {
    kind: kind.kind,
    apiVersion: `${kind.group}/${kind.version}`,
    metadata: { ...(body?.metadata ?? {}) },
    spec: body?.spec ?? {},
    status,
  };
  return { type: 'object', object };
}

const statusUser = (user: User) => ({
  username: user.name,
  ...(user.uid ? { uid: user.uid } : {}),
  groups: user.groups,
  ...(user.extra && Object.keys(user.extra).length ? { extra: user.extra } : {}),
});

/** May this user do this? Source: SubjectAccessReview v1. */
export const subjectAccessReview =
  (authorizer: Authorizer, self: boolean): SubresourceHandler =>
  async (_registry, context, body) => {
    const {
      resourceAttributes: r,
      nonResourceAttributes: path,
      user,
      groups = [],
      uid,
      extra,
    } = body?.spec ?? {};
    if (!r === !path)
      throw invalid(context.served.kind, '', [
        field('spec', 'resourceAttributes').invalid(
          r ?? null,
          'exactly one of nonResourceAttributes or resourceAttributes must be specified',
        ),
      ]);
    if (!self && !user && !groups.length)
      throw invalid(context.served.kind, '', [
        field('spec', 'user').invalid('', 'at least one of user or group must be specified'),
      ]);
    const who: User = self ? context.user : { name: user ?? '', groups, uid, extra };
    const allowed = authorizer.authorize(
      r
        ? {
            user: who,
            verb: r.verb,
            group: r.group,
            resource: r.resource,
            subresource: r.subresource,
            namespace: r.namespace || undefined,
            name: r.name || undefined,
          }
        : { user: who, verb: path.verb, path: path.path },
    );
    return answer(context, body, { allowed, ...(allowed ? { reason: '' } : {}) });
  };

/** Everything that the one who asks may do in a namespace. */
export const selfSubjectRulesReview =
  (authorizer: Authorizer): SubresourceHandler =>
  async (_registry, context, body) => {
    const all = context.user.groups.includes('system:masters');
    const rules = authorizer.rbac.rulesFor(context.user, body?.spec?.namespace);
    const resourceRules = rules
      .filter((r) => r.resources)
      .map(({ verbs, apiGroups, resources, resourceNames }) => ({
        verbs,
        apiGroups,
        resources,
        resourceNames,
      }));
    const nonResourceRules = rules
      .filter((r) => r.nonResourceURLs)
      .map(({ verbs, nonResourceURLs }) => ({ verbs, nonResourceURLs }));
    if (all) {
      resourceRules.push({ verbs: ['*'], apiGroups: ['*'], resources: ['*'], resourceNames: undefined });
      nonResourceRules.push({ verbs: ['*'], nonResourceURLs: ['*'] });
    }
    return answer(context, body, { resourceRules, nonResourceRules, incomplete: false });
  };

export const selfSubjectReview: SubresourceHandler = async (_registry, context, body) =>
  answer(context, body, { userInfo: statusUser(context.user) });

/** Whose token is this? Source: TokenReview v1. */
export const tokenReview =
  (tokens: TokenAuthority): SubresourceHandler =>
  async (_registry, context, body) => {
    try {
      const { user, audiences } = await tokens.authenticate(
        body?.spec?.token ?? '',
        body?.spec?.audiences,
        context.nowMs,
      );
      return answer(context, body, { authenticated: true, user: statusUser(user), audiences });
    } catch (error) {
      if (!isStatusError(error)) throw error;
      return answer(context, body, { error: 'invalid bearer token' });
    }
  };
