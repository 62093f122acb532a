import type { Command, CommandEntry } from '../command.ts';
import { type Context, command } from '../command.ts';
import { KubectlError, throwAll, UsageError, withSource } from '../errors.ts';
import { flag } from '../flags.ts';
import { filenameFlags } from '../manifests.ts';
import { changePrinter, dryRunFlag, dryRunOf, dryRunOption, outputFlags } from '../output.ts';
import { recorded, recordFlag } from '../recording.ts';
import { resolveTargets, type Target } from '../targets.ts';
import {
  checkTypes,
  fieldManagerFlag,
  fieldValidation,
  saveConfigFlag,
  selectorFlag,
  validateFlag,
  withConfiguration,
} from '../writing.ts';
import { matchesSelector } from './selecting.ts';

/** Subcommands, by the file that has them. */
const lazy = <M extends Record<string, unknown>>(
  load: () => Promise<M>,
  list: { [K in keyof M]?: [name: string, summary: string, ...aliases: string[]] },
): CommandEntry[] =>
  Object.entries(list).map(([key, value]) => {
    const [name, summary, ...aliases] = value as [string, string, ...string[]];
    return { name, summary, aliases, load: async () => (await load())[key] as Command };
  });

const generators = [
  ...lazy(() => import('./create/rbac.ts'), {
    createClusterRole: ['clusterrole', 'Create a cluster role'],
    createClusterRoleBinding: [
      'clusterrolebinding',
      'Create a cluster role binding for a particular cluster role',
    ],
    createRole: ['role', 'Create a role with single rule'],
    createRoleBinding: ['rolebinding', 'Create a role binding for a particular role or cluster role'],
    createServiceAccount: ['serviceaccount', 'Create a service account with the specified name', 'sa'],
  }),
  ...lazy(() => import('./create/configuration.ts'), {
    createConfigMap: ['configmap', 'Create a config map from a local file, directory or literal value', 'cm'],
    createSecretGroup: ['secret', 'Create a secret using a specified subcommand'],
  }),
  ...lazy(() => import('./create/workloads.ts'), {
    createCronJob: ['cronjob', 'Create a cron job with the specified name', 'cj'],
    createDeployment: ['deployment', 'Create a deployment with the specified name', 'deploy', 'dep'],
    createJob: ['job', 'Create a job with the specified name'],
  }),
  ...lazy(() => import('./create/network.ts'), {
    createIngress: ['ingress', 'Create an ingress with the specified name', 'ing'],
    createServiceGroup: ['service', 'Create a service using a specified subcommand', 'svc'],
  }),
  ...lazy(() => import('./create/policies.ts'), {
    createNamespace: ['namespace', 'Create a namespace with the specified name', 'ns'],
    createPodDisruptionBudget: [
      'poddisruptionbudget',
      'Create a pod disruption budget with the specified name',
      'pdb',
    ],
    createPriorityClass: ['priorityclass', 'Create a priority class with the specified name', 'pc'],
    createQuota: ['quota', 'Create a quota with the specified name', 'resourcequota'],
  }),
  ...lazy(() => import('./create/token.ts'), {
    createToken: ['token', 'Request a service account token'],
  }),
];

export const create = command({
  name: 'create',
  usage: 'create -f FILENAME',
  summary: 'Create a resource from a file or from stdin',
  examples: [
    ['Create what a file describes', 'kubectl create -f pod.yaml'],
    ['Create what comes on standard input', 'cat pod.json | kubectl create -f -'],
  ],
  commands: generators.sort((a, b) => (a.name < b.name ? -1 : 1)),
  flags: {
    ...filenameFlags('to use to create the resource'),
    ...outputFlags,
    'dry-run': dryRunFlag,
    edit: flag.bool('Edit the API resource before creating.'),
    'field-manager': fieldManagerFlag('kubectl-create'),
    record: recordFlag,
    raw: flag.string('Raw URI to POST to the server.'),
    'save-config': saveConfigFlag,
    selector: selectorFlag,
    validate: validateFlag,
  },
  async run(context) {
    const { args, flags: f } = context;
    if (args.length) throw new UsageError(`Unexpected args: [${args.join(' ')}]`);
    if (!f.filename.length && !f.kustomize) throw new KubectlError('must specify one of -f and -k');
    if (f.raw && f.edit) throw new UsageError('--raw and --edit are mutually exclusive');
    if (f.raw) return createRaw(context);
    if (f.edit) return (await import('./edit.ts')).editAndCreate(context);
    await createFromFiles(context);
  },
});

async function createRaw(context: Context): Promise<void> {
  const { raw, filename } = context.flags;
  if (filename.length !== 1) throw new KubectlError('--raw can only use a single local file or stdin');
  if (/^https?:/.test(filename[0])) throw new KubectlError('--raw cannot read from a url');
  if (!raw.startsWith('/'))
    throw new KubectlError(
      `--raw must be a valid URL path: parse ${JSON.stringify(raw)}: invalid URI for request`,
    );
  const body =
    filename[0] === '-'
      ? await context.environment.stdin.text()
      : new TextDecoder().decode(await context.environment.files.read(filename[0]));
  const kube = await context.kube();
  const response = await kube.rest.send({
    method: 'POST',
    path: raw,
    body,
    headers: { 'content-type': 'application/json', accept: 'application/json' },
    signal: context.signal,
  });
  context.out.write(await response.text());
}

async function createFromFiles(context: Context): Promise<void> {
  const { flags: f } = context;
  const dryRun = dryRunOf(context);
  const validation = fieldValidation(context);
  const print = await changePrinter(context, dryRun);
  const kube = await context.kube();
  const { targets, errors: unread } = await resolveTargets(context, {
    filename: f.filename,
    recursive: f.recursive,
    kustomize: f.kustomize,
    check: (object, source) => checkTypes(context, object, source),
  });
  let count = 0;
  const errors: unknown[] = [];
  for (const target of targets) {
    if (target.type !== 'object' || !matchesSelector(f.selector, target.object)) continue;
    try {
      let object = recorded(context, f['save-config'] ? withConfiguration(target.object) : target.object);
      if (dryRun !== 'client')
        object = await kube.create(target.resource, target, object, {
          ...dryRunOption(dryRun),
          fieldManager: f['field-manager'],
          fieldValidation: validation,
        });
      count++;
      print(withType(target, object), 'created');
    } catch (error) {
      errors.push(withSource(error, 'creating', target.source));
    }
  }
  throwAll([...errors, ...unread]);
  if (!count) throw new KubectlError('no objects passed to create');
}

/** The server's answer, with the type that every printed object has. */
export const withType = <T extends { apiVersion?: string; kind?: string }>(target: Target, object: T): T =>
  target.type === 'object'
    ? { apiVersion: target.object.apiVersion, kind: target.object.kind, ...object }
    : object;
