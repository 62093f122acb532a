import type { Command, CommandEntry } from '../command.ts';

type Summary = string | [summary: string, ...aliases: string[]];

/** Entries of one group. Each command is a file's export; the file is loaded when the command is used. */
const group = (
  title: string,
  members: Record<string, [Summary, () => Promise<Command<any>>]>,
): CommandEntry[] =>
  Object.entries(members).map(([name, [summary, load]]) => {
    const [text, ...aliases] = Array.isArray(summary) ? summary : [summary];
    return { name, summary: text!, aliases, group: title, load };
  });

/** Every command, in the order of help. */
export const commands: CommandEntry[] = [
  ...group('Basic Commands (Beginner)', {
    create: ['Create a resource from a file or from stdin', async () => (await import('./create.ts')).create],
    expose: [
      'Take a replication controller, service, deployment or pod and expose it as a new Kubernetes service',
      async () => (await import('./expose.ts')).expose,
    ],
    run: ['Run a particular image on the cluster', async () => (await import('./run.ts')).run],
    set: ['Set specific features on objects', async () => (await import('./set.ts')).set],
  }),
  ...group('Basic Commands (Intermediate)', {
    explain: ['Get documentation for a resource', async () => (await import('./explain.ts')).explain],
    get: ['Display one or many resources', async () => (await import('./get.ts')).get],
    edit: ['Edit a resource on the server', async () => (await import('./edit.ts')).edit],
    delete: [
      'Delete resources by file names, stdin, resources and names, or by resources and label selector',
      async () => (await import('./delete.ts')).delete,
    ],
  }),
  ...group('Cluster Management Commands', {
    certificate: ['Modify certificate resources', async () => (await import('./certificate.ts')).certificate],
    'cluster-info': [
      'Display cluster information',
      async () => (await import('./cluster-info.ts')).clusterInfo,
    ],
    top: ['Display resource (CPU/memory) usage', async () => (await import('./top.ts')).top],
    cordon: ['Mark node as unschedulable', async () => (await import('./cordon.ts')).cordon],
    uncordon: ['Mark node as schedulable', async () => (await import('./cordon.ts')).uncordon],
    drain: ['Drain node in preparation for maintenance', async () => (await import('./drain.ts')).drain],
    taint: ['Update the taints on one or more nodes', async () => (await import('./taint.ts')).taint],
  }),
  ...group('Deploy Commands', {
    rollout: ['Manage the rollout of a resource', async () => (await import('./rollout.ts')).rollout],
    scale: [
      'Set a new size for a deployment, replica set, or replication controller',
      async () => (await import('./scale.ts')).scale,
    ],
    autoscale: [
      'Auto-scale a deployment, replica set, stateful set, or replication controller',
      async () => (await import('./autoscale.ts')).autoscale,
    ],
  }),
  ...group('Troubleshooting and Debugging Commands', {
    describe: [
      'Show details of a specific resource or group of resources',
      async () => (await import('./describe.ts')).describe,
    ],
    logs: ['Print the logs for a container in a pod', async () => (await import('./logs.ts')).logs],
    attach: ['Attach to a running container', async () => (await import('./attach.ts')).attach],
    exec: ['Execute a command in a container', async () => (await import('./exec.ts')).exec],
    'port-forward': [
      'Forward one or more local ports to a pod',
      async () => (await import('./port-forward.ts')).portForward,
    ],
    proxy: ['Run a proxy to the Kubernetes API server', async () => (await import('./proxy.ts')).proxy],
    cp: ['Copy files and directories to and from containers', async () => (await import('./cp.ts')).cp],
    debug: [
      'Create debugging sessions for troubleshooting workloads and nodes',
      async () => (await import('./debug.ts')).debug,
    ],
    auth: ['Inspect authorization', async () => (await import('./auth.ts')).auth],
    events: ['List events', async () => (await import('./events.ts')).events],
  }),
  ...group('Advanced Commands', {
    diff: [
      'Diff the live version against a would-be applied version',
      async () => (await import('./diff.ts')).diff,
    ],
    apply: [
      'Apply a configuration to a resource by file name or stdin',
      async () => (await import('./apply.ts')).apply,
    ],
    patch: ['Update fields of a resource', async () => (await import('./patch.ts')).patch],
    replace: ['Replace a resource by file name or stdin', async () => (await import('./replace.ts')).replace],
    kustomize: [
      'Build a kustomization target from a directory or URL',
      async () => (await import('./kustomize.ts')).kustomize,
    ],
    wait: [
      'Experimental: Wait for a specific condition on one or many resources',
      async () => (await import('./wait.ts')).wait,
    ],
  }),
  ...group('Settings Commands', {
    label: ['Update the labels on a resource', async () => (await import('./label.ts')).label],
    annotate: ['Update the annotations on a resource', async () => (await import('./label.ts')).annotate],
    completion: [
      'Output shell completion code for the specified shell (bash, zsh, fish)',
      async () => (await import('./completion.ts')).completion,
    ],
  }),
  ...group('Other Commands', {
    'api-resources': [
      'Print the supported API resources on the server',
      async () => (await import('./api-resources.ts')).apiResources,
    ],
    'api-versions': [
      'Print the supported API versions on the server, in the form of "group/version"',
      async () => (await import('./api-resources.ts')).apiVersions,
    ],
    config: ['Modify kubeconfig files', async () => (await import('./config.ts')).config],
    options: [
      'Print the list of flags inherited by all commands',
      async () => (await import('./options.ts')).options,
    ],
    plugin: [
      'Provides utilities for interacting with plugins',
      async () => (await import('./plugin.ts')).plugin,
    ],
    version: [
      'Print the client and server version information',
      async () => (await import('./version.ts')).version,
    ],
  }),
  {
    name: '__complete',
    summary: 'Candidates for completion',
    hidden: true,
    load: async () => (await import('./completion.ts')).complete,
  },
];
