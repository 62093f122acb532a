import type { AnyObject } from '../../machinery/meta.ts';
import { isStatusError } from '../../machinery/status.ts';
import { type Context, command, entry } from '../command.ts';
import { flag } from '../flags.ts';
import { objectPrinter, outputFlags } from '../output.ts';
import { join } from '../paths.ts';
import * as resources from '../resources.ts';

const dump = command({
  name: 'dump',
  usage: 'cluster-info dump [flags]',
  summary: 'Dump relevant information for debugging and diagnosis',
  description:
    'Dump cluster information out suitable for debugging and diagnosing cluster problems: nodes, and of the chosen namespaces events, workloads, pods and their logs.',
  examples: [
    ['Dump current cluster state to stdout', 'kubectl cluster-info dump'],
    [
      'Dump current cluster state to /path/to/cluster-state',
      'kubectl cluster-info dump --output-directory=/path/to/cluster-state',
    ],
    ['Dump all namespaces', 'kubectl cluster-info dump --all-namespaces'],
  ],
  flags: {
    ...outputFlags,
    output: flag.string('Output format.', { short: 'o', default: 'json' }),
    'all-namespaces': flag.bool('If true, dump all namespaces.', { short: 'A' }),
    namespaces: flag.strings('A comma separated list of namespaces to dump.'),
    'output-directory': flag.string(
      'Where to output the files; else, and for "-", everything goes to stdout.',
    ),
    'pod-running-timeout': flag.duration('Accepted for compatibility.', { default: 20_000 }),
  },
  async run(context) {
    const { flags: f, out, environment } = context;
    const kube = await context.kube();
    const directory = f['output-directory'] === '-' ? '' : f['output-directory'];
    const print = await objectPrinter(environment, f);
    const give = async (name: string, text: string) => {
      if (directory) await environment.files.write(join(directory, name), text, 0o644);
      else out.write(text);
    };
    const extension = f.output === 'yaml' ? 'yaml' : 'json';
    const giveObject = async (name: string, object: AnyObject) => {
      let text = '';
      const into = {
        write: (more: string) => void (text += more),
        line: (more: string) => void (text += `${more}\n`),
      };
      print(object, into);
      await give(`${name}.${extension}`, text);
    };
    await giveObject('nodes', (await kube.listAll(resources.nodes, undefined)) as AnyObject);
    const namespaces: string[] = f['all-namespaces']
      ? (await kube.listAll(resources.namespaces, undefined)).items.map((n) => n.metadata.name!)
      : f.namespaces.length
        ? f.namespaces
        : [...new Set(['kube-system', kube.namespace])];
    for (const namespace of namespaces) {
      for (const [name, resource] of dumped)
        await giveObject(join(namespace, name), (await kube.listAll(resource, namespace)) as AnyObject);
      for (const pod of (await kube.listAll(resources.pods, namespace)).items as AnyObject[])
        await dumpLogs(context, namespace, pod, give);
    }
    if (directory) out.line(`Cluster info dumped to ${directory}`);
  },
});

const dumped = [
  ['events', resources.events],
  ['replication-controllers', resources.replicationControllers],
  ['services', resources.services],
  ['daemonsets', resources.daemonSets],
  ['deployments', resources.deployments],
  ['replicasets', resources.replicaSets],
  ['pods', resources.pods],
] as const;

async function dumpLogs(
  context: Context,
  namespace: string,
  pod: AnyObject,
  give: (name: string, text: string) => Promise<void>,
): Promise<void> {
  const kube = await context.kube();
  const { name } = pod.metadata;
  const containers: string[] = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])].map(
    (c: { name: string }) => c.name,
  );
  let text = '';
  for (const container of containers) {
    text += `==== START logs for container ${container} of pod ${namespace}/${name} ====\n`;
    try {
      text += await kube.text(
        `/api/v1/namespaces/${namespace}/pods/${name}/log?container=${container}`,
        'application/json, */*',
      );
    } catch (error) {
      if (!isStatusError(error)) throw error;
      text += `Request log error: ${error.message}\n`; // a container that never ran has no log
    }
    text += `==== END logs for container ${container} of pod ${namespace}/${name} ====\n`;
  }
  await give(join(namespace, name!, 'logs.txt'), text);
}

export const clusterInfo = command({
  name: 'cluster-info',
  usage: 'cluster-info',
  summary: 'Display cluster information',
  description:
    "Display addresses of the control plane and services with label kubernetes.io/cluster-service=true. To further debug and diagnose cluster problems, use 'kubectl cluster-info dump'.",
  examples: [['Print the address of the control plane and cluster services', 'kubectl cluster-info']],
  commands: [entry(dump)],
  async run(context) {
    const { out, environment } = context;
    const kube = await context.kube();
    const color = (code: number, text: string) =>
      environment.stdout.isTerminal ? `\x1b[0;${code}m${text}\x1b[0m` : text;
    const say = (name: string, link: string) =>
      out.line(`${color(32, name)} is running at ${color(33, link)}`);
    const { server } = kube.rest.http;
    say('Kubernetes control plane', server);
    const services = await kube.listAll(resources.services, 'kube-system', {
      labelSelector: 'kubernetes.io/cluster-service=true',
    });
    for (const service of services.items as AnyObject[]) {
      const { name, namespace, labels } = service.metadata;
      say(labels?.['kubernetes.io/name'] ?? name!, serviceLink(server, namespace!, service));
    }
    out.line("\nTo further debug and diagnose cluster problems, use 'kubectl cluster-info dump'.");
  },
});

function serviceLink(server: string, namespace: string, { metadata, spec, status }: AnyObject): string {
  const ingress = status?.loadBalancer?.ingress?.[0];
  if (ingress) {
    const address = ingress.ip || ingress.hostname;
    return spec.ports.map(({ port }: { port: number }) => `http://${address}:${port}`).join(' ');
  }
  const [port] = spec?.ports ?? [];
  // A port's name, or its number where there are several to choose from.
  const scheme = port?.name === 'https' || port?.port === 443 ? 'https:' : '';
  const which = port?.name ? `:${port.name}` : scheme ? ':' : '';
  return `${server}/api/v1/namespaces/${namespace}/services/${scheme}${metadata.name}${which}/proxy`;
}
