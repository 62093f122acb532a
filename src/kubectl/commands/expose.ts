import type { AnyObject } from '../../machinery/meta.ts';
import { labelSelectorRequirements } from '../../machinery/selectors.ts';
import { type Context, command } from '../command.ts';
import { KubectlError, throwAll } from '../errors.ts';
import { flag } from '../flags.ts';
import { filenameFlags } from '../manifests.ts';
import { changePrinter, dryRunFlag, dryRunOf, dryRunOption, outputFlags } from '../output.ts';
import { overridden, overrideFlags } from '../overrides.ts';
import { recorded, recordFlag } from '../recording.ts';
import { services, typeMeta } from '../resources.ts';
import { type Info, objectsOf } from '../targets.ts';
import { fieldManagerFlag, saveConfigFlag, withConfiguration } from '../writing.ts';
import { metadataOf } from './create/generate.ts';

export const expose = command({
  name: 'expose',
  usage:
    'expose (-f FILENAME | TYPE NAME) [--port=port] [--protocol=TCP|UDP|SCTP] [--target-port=number-or-name] [--name=name] [--external-ip=external-ip-of-service] [--type=type]',
  summary:
    'Take a replication controller, service, deployment or pod and expose it as a new Kubernetes service',
  examples: [
    ['Make a service for a deployment', 'kubectl expose deployment web --port=80 --target-port=8080'],
  ],
  flags: {
    ...filenameFlags('identifying the resource to expose a service'),
    ...outputFlags,
    'cluster-ip': flag.string("ClusterIP to be assigned to the service; 'None' for a headless one."),
    'dry-run': dryRunFlag,
    'external-ip': flag.string('Additional external IP address to accept for the service.'),
    'field-manager': fieldManagerFlag('kubectl-expose'),
    record: recordFlag,
    labels: flag.string('Labels to apply to the service created by this call.', { short: 'l' }),
    'load-balancer-ip': flag.string('IP to assign to the LoadBalancer.'),
    name: flag.string('The name for the newly created object.'),
    ...overrideFlags,
    port: flag.string('The port that the service should serve on; copied from the resource if unspecified.'),
    protocol: flag.string('The network protocol for the service to be created.'),
    'save-config': saveConfigFlag,
    selector: flag.string('A label selector to use for this service.'),
    'session-affinity': flag.string(
      "If non-empty, the session affinity for the service; legal values: 'None', 'ClientIP'.",
    ),
    'target-port': flag.string(
      'Name or number for the port on the container that the service should direct traffic to.',
    ),
    type: flag.string('Type for this service: ClusterIP, NodePort, LoadBalancer, or ExternalName.'),
  },
  async run(context) {
    const { flags: f } = context;
    const dryRun = dryRunOf(context);
    const print = await changePrinter(context, dryRun);
    const { infos, errors } = await objectsOf(context, {
      args: context.args,
      filename: f.filename,
      recursive: f.recursive,
      kustomize: f.kustomize,
    });
    const kube = await context.kube();
    for (const info of infos) {
      try {
        let service = await overridden(context, services, serviceFor(context, info));
        if (f['save-config']) service = withConfiguration(service);
        service = recorded(context, service);
        if (kube.explicitNamespace) service.metadata = { ...service.metadata, namespace: kube.namespace };
        if (dryRun === 'client') {
          print(service, 'exposed');
          continue;
        }
        const created = await kube.create(services, { namespace: info.namespace }, service, {
          ...dryRunOption(dryRun),
          fieldManager: f['field-manager'],
        });
        print({ ...typeMeta(services), ...created }, 'exposed');
      } catch (error) {
        errors.push(error);
      }
    }
    throwAll(errors);
  },
});

const exposable = new Set(['ReplicationController', 'Service', 'Pod', 'Deployment', 'ReplicaSet']);

function serviceFor({ flags: f }: Context, { object, resource, name }: Info): AnyObject {
  if (!exposable.has(resource.kind))
    throw new KubectlError(
      `cannot expose a ${resource.group ? `${resource.kind}.${resource.group}` : resource.kind}`,
    );
  const selector = f.selector ? pairs(f.selector) : selectorOf(object);
  const found = portsOf(object);
  const wanted: string[] = f.port ? f.port.split(',') : found.map(({ port }) => String(port));
  if (!wanted.length) throw new KubectlError("couldn't find port via --port flag or introspection");
  const protocolOf = (port: string): string =>
    f.protocol || found.find((p) => String(p.port) === port)?.protocol || 'TCP';
  const target = f['target-port'];
  const ports = wanted.map((text, i) => {
    const port = Number(text);
    if (!Number.isInteger(port))
      throw new KubectlError(`strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`);
    return {
      ...(wanted.length > 1 ? { name: `port-${i + 1}` } : {}),
      port,
      protocol: protocolOf(text),
      targetPort: target ? (/^\d+$/.test(target) ? Number(target) : target) : port,
    };
  });
  const labels = f.labels ? pairs(f.labels) : object.metadata.labels;
  if (f['session-affinity'] && !['None', 'ClientIP'].includes(f['session-affinity']))
    throw new KubectlError(`unknown session affinity: ${f['session-affinity']}`);
  return {
    ...typeMeta(services),
    metadata: metadataOf(f.name || name.slice(0, 63), labels ? { labels } : {}),
    spec: {
      ...(f['cluster-ip'] ? { clusterIP: f['cluster-ip'] } : {}),
      ...(f['external-ip'] ? { externalIPs: [f['external-ip']] } : {}),
      ...(f['load-balancer-ip'] && f.type === 'LoadBalancer'
        ? { loadBalancerIP: f['load-balancer-ip'] }
        : {}),
      ports,
      selector,
      ...(f['session-affinity'] ? { sessionAffinity: f['session-affinity'] } : {}),
      ...(f.type ? { type: f.type } : {}),
    },
    status: { loadBalancer: {} },
  };
}

const pairs = (text: string): Record<string, string> =>
  Object.fromEntries(
    text.split(',').map((pair) => {
      const [key, value, ...more] = pair.split('=');
      if (value === undefined || more.length) throw new KubectlError(`unexpected label spec: ${pair}`);
      if (!key) throw new KubectlError('unexpected empty label key');
      return [key, value];
    }),
  );

/** The labels that select the pods of an object. Throws where they cannot be a service's selector. */
function selectorOf({ kind, metadata, spec }: AnyObject): Record<string, string> {
  const fail = (why: string): never => {
    throw new KubectlError(`couldn't retrieve selectors via --selector flag or introspection: ${why}`);
  };
  if (kind === 'Pod')
    return metadata.labels && Object.keys(metadata.labels).length
      ? metadata.labels
      : fail('the pod has no labels and cannot be exposed');
  if (kind === 'Service') return spec.selector ?? fail('the service has no pod selector set');
  if (kind === 'ReplicationController') return spec.selector;
  const others = labelSelectorRequirements(spec.selector ?? {}).filter(
    (r) => r.operator !== 'In' || r.values.length !== 1,
  );
  if (!Object.keys(spec.selector?.matchLabels ?? {}).length && !spec.selector?.matchExpressions?.length)
    fail(`invalid ${kind!.toLowerCase()}: no selectors, therefore cannot be exposed`);
  if (others.length || spec.selector?.matchExpressions?.length)
    fail(
      `couldn't convert expressions - "[${spec.selector.matchExpressions.map(expressionText).join(' ')}]" to map-based selector format`,
    );
  return spec.selector.matchLabels;
}

/** A requirement as Go prints the structure. */
const expressionText = ({ key, operator, values = [] }: any): string =>
  `{Key:${key} Operator:${operator} Values:[${values.join(' ')}]}`;

function portsOf({ kind, spec }: AnyObject): { port: number; protocol?: string }[] {
  if (kind === 'Service') return spec.ports ?? [];
  const podSpec = kind === 'Pod' ? spec : spec.template.spec;
  return (podSpec.containers ?? []).flatMap((c: any) =>
    (c.ports ?? []).map((p: any) => ({ port: p.containerPort, protocol: p.protocol })),
  );
}
