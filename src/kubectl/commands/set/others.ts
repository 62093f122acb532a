import { canonicalQuantity, quantityProblem } from '../../../machinery/quantity.ts';
import { command } from '../../command.ts';
import { KubectlError } from '../../errors.ts';
import { flag } from '../../flags.ts';
import { selectorOf } from '../create/policies.ts';
import { nameMatches, podTemplateOf } from '../pod-spec.ts';
import { updateFlags, updateObjects } from './update.ts';

const templateOf = (object: any) => {
  const spec = podTemplateOf(object)?.spec;
  if (!spec)
    throw new KubectlError(`the object is not a pod or does not have a pod template: ${object.kind}`);
  return spec;
};

/** `cpu=200m,memory=512Mi`; undefined for ''. Throws a KubectlError. */
export function amountsOf(text: string): Record<string, string> | undefined {
  if (!text) return undefined;
  return Object.fromEntries(
    text.split(',').map((statement) => {
      const parts = statement.split('=');
      if (parts.length !== 2)
        throw new KubectlError(`Invalid argument syntax ${statement}, expected <resource>=<value>`);
      const problem = quantityProblem(parts[1]!);
      if (problem) throw new KubectlError(problem);
      return [parts[0]!, canonicalQuantity(parts[1]!)];
    }),
  );
}

export const setResources = command({
  name: 'resources',
  usage: 'set resources (-f FILENAME | TYPE NAME)  ([--limits=LIMITS & --requests=REQUESTS]',
  summary: 'Update resource requests/limits on objects with pod templates',
  examples: [
    [
      'Set limits and requests',
      'kubectl set resources deployment web --limits=cpu=200m,memory=512Mi --requests=cpu=100m',
    ],
  ],
  flags: {
    ...updateFlags('set'),
    containers: flag.string(
      'The names of containers in the selected pod templates to change; may use wildcards.',
      {
        default: '*',
        short: 'c',
      },
    ),
    limits: flag.string(
      "The resource requirement limits for this container, such as 'cpu=100m,memory=256Mi'.",
    ),
    requests: flag.string(
      "The resource requirement requests for this container, such as 'cpu=100m,memory=256Mi'.",
    ),
  },
  async run(context) {
    const { flags: f } = context;
    if (f.all && f.selector) throw new KubectlError('cannot set --all and --selector at the same time');
    if (!f.limits && !f.requests)
      throw new KubectlError(
        'you must specify an update to requests or limits (in the form of --requests/--limits)',
      );
    const [limits, requests] = [amountsOf(f.limits), amountsOf(f.requests)];
    await updateObjects(
      context,
      {
        resources: context.args,
        said: 'resource requirements updated',
        failure: 'failed to patch resources update to pod template',
      },
      (object) => {
        const chosen = (templateOf(object).containers ?? []).filter((c: any) =>
          nameMatches(f.containers, c.name),
        );
        if (!chosen.length) throw new KubectlError(`error: unable to find container named ${f.containers}`);
        for (const container of chosen) {
          const resources = { ...container.resources };
          if (limits) resources.limits = { ...resources.limits, ...limits };
          if (requests) resources.requests = { ...resources.requests, ...requests };
          container.resources = resources;
        }
      },
    );
  },
});

export const setSelector = command({
  name: 'selector',
  usage: 'set selector (-f FILENAME | TYPE NAME) EXPRESSIONS [--resource-version=version]',
  summary: 'Set the selector on a resource',
  examples: [['Set the selector of a service', "kubectl set selector service web 'environment=qa'"]],
  flags: {
    ...updateFlags('set'),
    'resource-version': flag.string('If non-empty, the update only succeeds if this is the current version.'),
  },
  async run(context) {
    const args = [...context.args];
    const expression = args.pop();
    if (!expression?.includes('=')) throw new KubectlError('one selector is required');
    const selector = selectorOf(expression);
    await updateObjects(context, { resources: args, said: 'selector updated', always: true }, (object) => {
      if (object.kind !== 'Service')
        throw new KubectlError('setting a selector is only supported for Services');
      if (selector.matchExpressions?.length)
        throw new KubectlError(
          `match expression ${JSON.stringify(selector.matchExpressions)} not supported on this object`,
        );
      object.spec.selector = selector.matchLabels;
      const version = context.flags['resource-version'];
      if (version) object.metadata.resourceVersion = version;
    });
  },
});

export const setServiceAccount = command({
  name: 'serviceaccount',
  aliases: ['sa'],
  usage: 'set serviceaccount (-f FILENAME | TYPE NAME) SERVICE_ACCOUNT',
  summary: 'Update the service account of a resource',
  examples: [
    ['Run a deployment as another service account', 'kubectl set serviceaccount deployment web builder'],
  ],
  flags: updateFlags('set'),
  async run(context) {
    const args = [...context.args];
    const account = args.pop();
    if (!account) throw new KubectlError('serviceaccount is required');
    await updateObjects(
      context,
      { resources: args, said: 'serviceaccount updated', failure: 'failed to patch ServiceAccountName' },
      (object) => {
        templateOf(object).serviceAccountName = account;
      },
    );
  },
});

export const setSubject = command({
  name: 'subject',
  usage:
    'set subject (-f FILENAME | TYPE NAME) [--user=username] [--group=groupname] [--serviceaccount=namespace:serviceaccountname] [--dry-run=server|client|none]',
  summary: 'Update the user, group, or service account in a role binding or cluster role binding',
  examples: [['Add a user to a role binding', 'kubectl set subject rolebinding readers --user=bob']],
  flags: {
    ...updateFlags('set'),
    group: flag.stringArray('Groups to bind to the role.'),
    serviceaccount: flag.stringArray('Service accounts to bind to the role.'),
    user: flag.stringArray('Usernames to bind to the role.'),
  },
  async run(context) {
    const { flags: f } = context;
    const users = f.user as unknown as string[];
    if (f.all && f.selector) throw new KubectlError('cannot set --all and --selector at the same time');
    if (!users.length && !f.group.length && !f.serviceaccount.length)
      throw new KubectlError('you must specify at least one value of user, group or serviceaccount');
    const apiGroup = 'rbac.authorization.k8s.io';
    const subjects = [
      ...users.map((name) => ({ apiGroup, kind: 'User', name })),
      ...f.group.map((name) => ({ apiGroup, kind: 'Group', name })),
      ...f.serviceaccount.map((pair) => {
        const [namespace, name, ...more] = pair.split(':');
        if (!name || more.length) throw new KubectlError('serviceaccount must be <namespace>:<name>');
        return { kind: 'ServiceAccount', name, namespace };
      }),
    ];
    await updateObjects(
      context,
      {
        resources: context.args,
        said: 'subjects updated',
        failure: 'failed to patch subjects to rolebinding',
      },
      (object) => {
        if (!/^(Cluster)?RoleBinding$/.test(object.kind))
          throw new KubectlError('setting subjects is only supported for RoleBinding/ClusterRoleBinding');
        const present: any[] = object.subjects ?? [];
        const isThere = (subject: any) =>
          present.some(
            (s) =>
              s.kind === subject.kind &&
              s.name === subject.name &&
              (s.namespace ?? '') === (subject.namespace ?? ''),
          );
        object.subjects = [...present, ...subjects.filter((subject) => !isThere(subject))];
      },
    );
  },
});
