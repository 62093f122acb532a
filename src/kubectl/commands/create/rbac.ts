import { type Context, command } from '../../command.ts';
import { KubectlError, PlainError } from '../../errors.ts';
import { flag } from '../../flags.ts';
import type { Kube } from '../../kube.ts';
import { NoMatchError } from '../../kube.ts';
import { clusterRoleBindings, clusterRoles, roleBindings, roles, serviceAccounts } from '../../resources.ts';
import { createGenerated, generatorFlags, metadataOf, nameArgument } from './generate.ts';

const resourceVerbs = [
  '*',
  'get',
  'delete',
  'list',
  'create',
  'update',
  'patch',
  'watch',
  'proxy',
  'deletecollection',
  'use',
  'bind',
  'escalate',
  'impersonate',
];
const nonResourceVerbs = ['*', 'get', 'post', 'put', 'delete', 'patch', 'head', 'options'];

/** Verbs that go with these resources only. */
const specialVerbs: Record<string, string[]> = {
  use: [
    'podsecuritypolicies.policy',
    'podsecuritypolicies.extensions',
    'securitycontextconstraints.security.openshift.io',
  ],
  bind: ['roles.rbac.authorization.k8s.io', 'clusterroles.rbac.authorization.k8s.io'],
  escalate: ['roles.rbac.authorization.k8s.io', 'clusterroles.rbac.authorization.k8s.io'],
  impersonate: ['users', 'serviceaccounts', 'groups', 'userextras.authentication.k8s.io'],
};

interface Rule {
  apiGroups?: string[];
  nonResourceURLs?: string[];
  resourceNames?: string[];
  resources?: string[];
  verbs: string[];
}

/** Flags of roles. Verbs and resources lose repetitions; a `*` verb stands for all. */
const unique = (list: string[]): string[] => [...new Set(list)];
const verbsOf = (verbs: string[]): string[] => (verbs.includes('*') ? ['*'] : unique(verbs));

/** Resources of a role by API group: `deployments.apps/scale` is `deployments/scale` of `apps`. */
async function rulesFor(kube: Kube, verbs: string[], names: string[], resources: string[]): Promise<Rule[]> {
  const groups = new Map<string, string[]>();
  for (const text of resources) {
    const [path, subresource] = text.split('/', 2) as [string, string?];
    const [name, ...rest] = path.split('.') as [string, ...string[]];
    let [group, resource] = [rest.join('.'), name];
    if (!name) throw new KubectlError('resource must be specified if apiGroup/subresource specified');
    if (name !== '*') {
      try {
        const found = await kube.resource(path);
        [group, resource] = [found.group, found.plural];
      } catch (error) {
        if (!(error instanceof NoMatchError) || !verbs.some((verb) => specialVerbs[verb]?.includes(path))) {
          if (!(error instanceof NoMatchError)) throw error;
          const where = group ? ` in group ${JSON.stringify(group)}` : '';
          throw new PlainError(`the server doesn't have a resource type ${JSON.stringify(name)}${where}`);
        }
      }
      for (const verb of verbs) {
        const allowed = specialVerbs[verb];
        const qualified = group ? `${resource}.${group}` : resource;
        if (allowed && !allowed.includes(qualified))
          throw new KubectlError(`can not perform '${verb}' on '${resource}' in group '${group}'`);
      }
    }
    const mine = groups.get(group) ?? [];
    mine.push(subresource ? `${resource}/${subresource}` : resource);
    groups.set(group, mine);
  }
  return [...groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([group, mine]) => ({
      apiGroups: [group],
      ...(names.length ? { resourceNames: names } : {}),
      resources: unique(mine),
      verbs,
    }));
}

const roleFlags = {
  ...generatorFlags,
  resource: flag.strings('Resource that the rule applies to.'),
  'resource-name': flag.stringArray(
    'Resource in the white list that the rule applies to; repeat this flag for several.',
  ),
  verb: flag.strings('Verb that applies to the resources contained in the rule.'),
};

const warnOfVerbs = (context: Context, verbs: string[]): void => {
  for (const verb of verbs)
    if (!resourceVerbs.includes(verb)) context.err.line(`Warning: '${verb}' is not a standard resource verb`);
};

export const createRole = command({
  name: 'role',
  usage:
    'create role NAME --verb=verb --resource=resource.group/subresource [--resource-name=resourcename] [--dry-run=server|client|none]',
  summary: 'Create a role with single rule',
  examples: [
    ['Create a role that may read pods', 'kubectl create role reader --verb=get,list,watch --resource=pods'],
  ],
  flags: roleFlags,
  async run(context) {
    const name = nameArgument(context);
    const { resource, 'resource-name': names } = context.flags;
    const verbs = verbsOf(context.flags.verb);
    if (!verbs.length) throw new KubectlError('at least one verb must be specified');
    warnOfVerbs(context, verbs);
    if (!resource.length) throw new KubectlError('at least one resource must be specified');
    const rules = await rulesFor(await context.kube(), verbs, names, resource);
    await createGenerated(context, roles, { metadata: metadataOf(name), rules });
  },
});

export const createClusterRole = command({
  name: 'clusterrole',
  usage:
    'create clusterrole NAME --verb=verb --resource=resource.group [--resource-name=resourcename] [--dry-run=server|client|none]',
  summary: 'Create a cluster role',
  examples: [
    [
      'Create a cluster role that may read pods',
      'kubectl create clusterrole pod-reader --verb=get,list,watch --resource=pods',
    ],
  ],
  flags: {
    ...roleFlags,
    'aggregation-rule': flag.strings('An aggregation label selector for combining cluster roles.'),
    'non-resource-url': flag.strings('A partial url that user should have access to.'),
  },
  async run(context) {
    const name = nameArgument(context);
    const {
      resource,
      'resource-name': names,
      'non-resource-url': urls,
      'aggregation-rule': aggregation,
    } = context.flags;
    const verbs = verbsOf(context.flags.verb);
    const metadata = metadataOf(name);
    if (aggregation.length) {
      if (urls.length || verbs.length || resource.length || names.length)
        throw new KubectlError(
          'aggregation rule must be specified without nonResourceURLs, verbs, resources or resourceNames',
        );
      const matchLabels = Object.fromEntries(
        aggregation.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]),
      );
      const aggregationRule = { clusterRoleSelectors: [{ matchLabels }] };
      await createGenerated(context, clusterRoles, { aggregationRule, metadata, rules: null });
      return;
    }
    if (!verbs.length) throw new KubectlError('at least one verb must be specified');
    if (!resource.length && !urls.length)
      throw new KubectlError('one of resource or nonResourceURL must be specified');
    if (resource.length) warnOfVerbs(context, verbs);
    checkUrls(urls, verbs);
    const rules = resource.length ? await rulesFor(await context.kube(), verbs, names, resource) : [];
    if (urls.length) rules.push({ nonResourceURLs: urls, verbs });
    await createGenerated(context, clusterRoles, { metadata, rules });
  },
});

function checkUrls(urls: string[], verbs: string[]): void {
  if (!urls.length) return;
  for (const verb of verbs)
    if (!nonResourceVerbs.includes(verb))
      throw new KubectlError(`invalid verb: '${verb}' for nonResourceURL`);
  for (const url of urls) {
    if (url === '*') continue;
    if (!url.startsWith('/')) throw new KubectlError('nonResourceURL should start with /');
    if (url.slice(0, -1).includes('*'))
      throw new KubectlError("nonResourceURL only supports wildcard matches when '*' is at the end");
  }
}

const bindingFlags = {
  ...generatorFlags,
  clusterrole: flag.string('ClusterRole that the binding should reference.'),
  group: flag.stringArray('Groups to bind to the role; may be repeated.'),
  serviceaccount: flag.stringArray(
    'Service accounts to bind to the role, in the format <namespace>:<name>; may be repeated.',
  ),
  user: flag.stringArray('Usernames to bind to the role; may be repeated.'),
};
const rbacGroup = 'rbac.authorization.k8s.io';

function subjectsOf(flags: { user: string[]; group: string[]; serviceaccount: string[] }): object[] {
  return [
    ...flags.user.map((name) => ({ apiGroup: rbacGroup, kind: 'User', name })),
    ...flags.group.map((name) => ({ apiGroup: rbacGroup, kind: 'Group', name })),
    ...flags.serviceaccount.map((pair) => {
      const [namespace, name, ...more] = pair.split(':');
      if (!name || !namespace || more.length)
        throw new KubectlError('serviceaccount must be <namespace>:<name>');
      return { kind: 'ServiceAccount', name, namespace };
    }),
  ];
}

const listed = (subjects: object[]) => (subjects.length ? { subjects } : {});

export const createRoleBinding = command({
  name: 'rolebinding',
  usage:
    'create rolebinding NAME --clusterrole=NAME|--role=NAME [--user=username] [--group=groupname] [--serviceaccount=namespace:serviceaccountname] [--dry-run=server|client|none]',
  summary: 'Create a role binding for a particular role or cluster role',
  examples: [['Let a user read pods', 'kubectl create rolebinding readers --role=reader --user=alice']],
  flags: { ...bindingFlags, role: flag.string('Role that the binding should reference.') },
  async run(context) {
    const name = nameArgument(context);
    const { clusterrole, role } = context.flags;
    if ((clusterrole === '') === (role === ''))
      throw new KubectlError('exactly one of clusterrole or role must be specified');
    const roleRef = role
      ? { apiGroup: rbacGroup, kind: 'Role', name: role }
      : { apiGroup: rbacGroup, kind: 'ClusterRole', name: clusterrole };
    await createGenerated(
      context,
      roleBindings,
      { metadata: metadataOf(name), roleRef, ...listed(subjectsOf(context.flags as never)) },
      { failure: 'failed to create rolebinding' },
    );
  },
});

export const createClusterRoleBinding = command({
  name: 'clusterrolebinding',
  usage:
    'create clusterrolebinding NAME --clusterrole=NAME [--user=username] [--group=groupname] [--serviceaccount=namespace:serviceaccountname] [--dry-run=server|client|none]',
  summary: 'Create a cluster role binding for a particular cluster role',
  examples: [
    [
      'Make a user an administrator',
      'kubectl create clusterrolebinding root --clusterrole=cluster-admin --user=alice',
    ],
  ],
  flags: bindingFlags,
  async run(context) {
    if (!context.given.has('clusterrole')) throw new KubectlError('required flag(s) "clusterrole" not set');
    const name = nameArgument(context);
    const roleRef = { apiGroup: rbacGroup, kind: 'ClusterRole', name: context.flags.clusterrole };
    await createGenerated(
      context,
      clusterRoleBindings,
      { metadata: metadataOf(name), roleRef, ...listed(subjectsOf(context.flags as never)) },
      { failure: 'failed to create clusterrolebinding' },
    );
  },
});

export const createServiceAccount = command({
  name: 'serviceaccount',
  aliases: ['sa'],
  usage: 'create serviceaccount NAME [--dry-run=server|client|none]',
  summary: 'Create a service account with the specified name',
  examples: [['Create a service account', 'kubectl create serviceaccount builder']],
  flags: generatorFlags,
  async run(context) {
    const metadata = metadataOf(nameArgument(context));
    await createGenerated(
      context,
      serviceAccounts,
      { metadata },
      { failure: 'failed to create serviceaccount' },
    );
  },
});
