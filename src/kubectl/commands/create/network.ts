import { type Context, command, entry } from '../../command.ts';
import { KubectlError } from '../../errors.ts';
import { flag } from '../../flags.ts';
import { ingresses, services } from '../../resources.ts';
import { createGenerated, generatorFlags, metadataOf, nameArgument, required } from './generate.ts';

const tcp = flag.strings("Port pairs can be specified as '<port>:<targetPort>'.");

interface Port {
  name: string;
  nodePort?: number;
  port: number;
  protocol: string;
  targetPort: number | string;
}

const checkedPort = (text: string): number => {
  if (!/^\d+$/.test(text))
    throw new KubectlError(`strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`);
  const port = Number(text);
  if (port > 65535)
    throw new KubectlError(`strconv.ParseUint: parsing ${JSON.stringify(text)}: value out of range`);
  return port;
};

function portOf(text: string): Port {
  const [first, target] = text.split(':', 2) as [string, string?];
  const port = checkedPort(first);
  const targetPort = target === undefined ? port : /^\d+$/.test(target) ? checkedPort(target) : target;
  return { name: text.replaceAll(':', '-'), port, protocol: 'TCP', targetPort };
}

async function createService(context: Context, spec: Record<string, unknown>, ports: Port[]): Promise<void> {
  const name = nameArgument(context);
  const labels = { app: name };
  await createGenerated(
    context,
    services,
    {
      metadata: metadataOf(name, { labels }),
      spec: { ...spec, ...(ports.length ? { ports } : {}), selector: labels },
      status: { loadBalancer: {} },
    },
    { failure: `failed to create ${spec.type} service` },
  );
}

const needPorts = (ports: string[]): Port[] => {
  if (!ports.length) throw new KubectlError('at least one tcp port specifier must be provided');
  return ports.map(portOf);
};

const clusterIP = command({
  name: 'clusterip',
  usage: 'create service clusterip NAME [--tcp=<port>:<targetPort>] [--dry-run=server|client|none]',
  summary: 'Create a ClusterIP service',
  examples: [['Create a service', 'kubectl create service clusterip web --tcp=80:8080']],
  flags: {
    ...generatorFlags,
    clusterip: flag.string(
      'Assign your own ClusterIP or set to "None" for a "headless" service (no loadbalancing).',
    ),
    tcp,
  },
  async run(context) {
    nameArgument(context);
    const { clusterip, tcp: ports } = context.flags;
    const none = clusterip === 'None' && !ports.length;
    await createService(
      context,
      { ...(clusterip ? { clusterIP: clusterip } : {}), type: 'ClusterIP' },
      none ? [] : needPorts(ports),
    );
  },
});

const nodePort = command({
  name: 'nodeport',
  usage: 'create service nodeport NAME [--tcp=port:targetPort] [--dry-run=server|client|none]',
  summary: 'Create a NodePort service',
  examples: [['Create a service on a port of every node', 'kubectl create service nodeport web --tcp=80']],
  flags: {
    ...generatorFlags,
    'node-port': flag.int('Port used to expose the service on each node in a cluster.'),
    tcp,
  },
  async run(context) {
    nameArgument(context);
    const given = context.flags['node-port'];
    const ports = needPorts(context.flags.tcp).map((port) => ({
      ...port,
      ...(given ? { nodePort: given } : {}),
    }));
    await createService(context, { type: 'NodePort' }, ports);
  },
});

const loadBalancer = command({
  name: 'loadbalancer',
  usage: 'create service loadbalancer NAME [--tcp=port:targetPort] [--dry-run=server|client|none]',
  summary: 'Create a LoadBalancer service',
  examples: [['Create a load balancer', 'kubectl create service loadbalancer web --tcp=80']],
  flags: { ...generatorFlags, tcp },
  async run(context) {
    nameArgument(context);
    await createService(context, { type: 'LoadBalancer' }, needPorts(context.flags.tcp));
  },
});

const externalName = command({
  name: 'externalname',
  usage: 'create service externalname NAME --external-name external.name [--dry-run=server|client|none]',
  summary: 'Create an ExternalName service',
  examples: [
    ['Give a host outside a name', 'kubectl create service externalname db --external-name=db.example.com'],
  ],
  flags: { ...generatorFlags, 'external-name': flag.string('External name of service.'), tcp },
  async run(context) {
    required(context, 'external-name');
    nameArgument(context);
    const name = context.flags['external-name'];
    if (!/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(name))
      throw new KubectlError(`invalid service external name ${name}`);
    await createService(context, { externalName: name, type: 'ExternalName' }, context.flags.tcp.map(portOf));
  },
});

export const createServiceGroup = command({
  name: 'service',
  aliases: ['svc'],
  usage: 'create service',
  summary: 'Create a service using a specified subcommand',
  commands: [clusterIP, externalName, loadBalancer, nodePort].map(entry),
});

const backendOf = (text: string) => {
  const [name, port] = text.split(':') as [string, string];
  return { service: { name, port: /^\d+$/.test(port) ? { number: Number(port) } : { name: port } } };
};

interface IngressRule {
  host?: string;
  http: { paths: object[] };
}

/** `host/path=service:port[,tls[=secret]]`; a path that ends with `*` is a prefix. */
function rulesOf(texts: string[]): {
  rules: IngressRule[];
  tls: { hosts?: string[]; secretName?: string }[];
} {
  const rules: IngressRule[] = [];
  const tls: { hosts?: string[]; secretName?: string }[] = [];
  const covered = new Set<string>();
  for (const text of texts) {
    const [rule, tlsPart] = text.split(',') as [string, string?];
    const slash = rule.indexOf('/');
    const [host, rest] = [rule.slice(0, slash), rule.slice(slash + 1)];
    const [bare, service] = rest.split('=') as [string, string];
    const prefix = bare.endsWith('*');
    const path = {
      backend: backendOf(service),
      path: `/${prefix ? bare.slice(0, -1) : bare}`,
      pathType: prefix ? 'Prefix' : 'Exact',
    };
    const known = rules.find((r) => (r.host ?? '') === host);
    if (known) known.http.paths.push(path);
    else rules.push({ ...(host ? { host } : {}), http: { paths: [path] } });
    if (tlsPart === undefined || covered.has(host)) continue;
    covered.add(host);
    const secretName = tlsPart.split('=')[1];
    const same = tls.find((t) => (t.secretName ?? '') === (secretName ?? ''));
    if (same) same.hosts = [...(same.hosts ?? []), host];
    else if (host || secretName)
      tls.push({ ...(host ? { hosts: [host] } : {}), ...(secretName ? { secretName } : {}) });
  }
  return { rules, tls };
}

export const createIngress = command({
  name: 'ingress',
  aliases: ['ing'],
  usage: 'create ingress NAME --rule=host/path=service:port[,tls[=secret]] ',
  summary: 'Create an ingress with the specified name',
  examples: [['Lead a host to a service', 'kubectl create ingress site --rule="example.com/*=web:80"']],
  flags: {
    ...generatorFlags,
    annotation: flag.stringArray(
      'Annotation to insert in the ingress object, in the format annotation=value.',
    ),
    class: flag.string('Ingress Class to be used.'),
    'default-backend': flag.string('Default service for backend, in format of svcname:port.'),
    rule: flag.stringArray('Rule in format host/path=service:port[,tls=secretname].'),
  },
  async run(context) {
    const name = nameArgument(context);
    const { annotation, class: className, 'default-backend': fallback, rule } = context.flags;
    if (!fallback && !rule.length)
      throw new KubectlError(
        'not enough information provided: every ingress has to either specify a default-backend (which catches all traffic) or a list of rules (which catch specific paths)',
      );
    for (const text of rule)
      if (!/^.*\/.*=.*:.*?(,tls(=[^\s,]*)?)?$/.test(text) || text.split(',').length > 2)
        throw new KubectlError(
          `rule ${text} is invalid and should be in format host/path=svcname:svcport[,tls[=secret]]`,
        );
    for (const text of annotation)
      if (!text.includes('='))
        throw new KubectlError(`annotation ${text} is invalid and should be in format key=[value]`);
    if (fallback && fallback.split(':').length !== 2)
      throw new KubectlError('default-backend should be in format servicename:serviceport');
    const annotations = Object.fromEntries(
      annotation.map((text) => [text.slice(0, text.indexOf('=')), text.slice(text.indexOf('=') + 1)]),
    );
    const { rules, tls } = rulesOf(rule);
    await createGenerated(
      context,
      ingresses,
      {
        metadata: metadataOf(name, annotation.length ? { annotations } : {}),
        spec: {
          ...(fallback ? { defaultBackend: backendOf(fallback) } : {}),
          ...(className ? { ingressClassName: className } : {}),
          ...(rules.length ? { rules } : {}),
          ...(tls.length ? { tls } : {}),
        },
        status: { loadBalancer: {} },
      },
      { failure: 'failed to create ingress' },
    );
  },
});
