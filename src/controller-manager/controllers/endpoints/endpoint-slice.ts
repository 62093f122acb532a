import { nodes } from '../../../api/core/node.ts';
import { pods } from '../../../api/core/pod.ts';
import { services } from '../../../api/core/service.ts';
import type { Node, Pod, Service } from '../../../api/core/v1.gen.ts';
import { endpointSlices } from '../../../api/discovery/endpoint-slice.ts';
import type { Endpoint, EndpointPort, EndpointSlice } from '../../../api/discovery/v1.gen.ts';
import { keyOf } from '../../../machinery/meta.ts';
import { type Action, traceStep } from '../../runtime/actions.ts';
import { controller, watch } from '../../runtime/controller.ts';
import { controllerReference } from '../ownership.ts';
import { isReady, isTerminal } from '../pod-state.ts';
import {
  type AddressType,
  addressOf,
  headlessLabel,
  hostnameOf,
  isHeadless,
  isSelecting,
  podReference,
  podsOf,
  targetPort,
  triggerAnnotation,
  triggerTime,
  watchServicePods,
} from './service-pods.ts';
import { arrange, type Group } from './slices.ts';

const serviceNameLabel = 'kubernetes.io/service-name';
const managedByLabel = 'endpointslice.kubernetes.io/managed-by';
const manager = 'endpointslice-controller.k8s.io';
const zoneLabel = 'topology.kubernetes.io/zone';
const byService = 'endpointSliceService';
const maxPerSlice = 100;

interface Observed {
  pods: Pod[];
  slices: EndpointSlice[];
  node: (name: string) => Node | undefined;
}

/** Says where a Service's pods are. https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/ */
export const endpointSliceController = controller<Service, Observed>({
  name: 'endpointslice',
  component: 'endpoint-slice-controller',
  for: services,
  watches: [
    watchServicePods,
    watch(endpointSlices, ({ metadata }) => {
      const name = metadata.labels?.[serviceNameLabel];
      return name && metadata.labels?.[managedByLabel] === manager ? [`${metadata.namespace}/${name}`] : [];
    }),
    watch(nodes, (node, cache, { old }) => {
      if (!old || old.metadata.labels?.[zoneLabel] === node.metadata.labels?.[zoneLabel]) return [];
      return cache.of(services).list().filter(isSelecting).map(keyOf);
    }),
  ],
  indexes: ({ informers }) =>
    informers(endpointSlices).index(byService, ({ metadata }) =>
      metadata.labels?.[managedByLabel] === manager
        ? [`${metadata.namespace}/${metadata.labels[serviceNameLabel]}`]
        : [],
    ),
  observe: (service, cache) => ({
    pods: podsOf(service, cache),
    slices: cache.of(endpointSlices).byIndex(byService, keyOf(service)),
    node: (name) => cache.of(nodes).get(name),
  }),
  reconcile: (service, observed) => reconcile(service, observed),
});

export function reconcile(service: Service, { pods: all, slices, node }: Observed): Action[] {
  // Slices of a service that is going go with it, as what it owns.
  if (!isSelecting(service) || service.metadata.deletionTimestamp) return [];
  const published = all.filter((pod) => !isTerminal(pod));
  const families = (service.spec.ipFamilies as AddressType[] | undefined) ?? ['IPv4'];
  const groups = families.flatMap((family) => groupsOf(service, published, family, node));
  const { labels: own = {}, annotations: notes = {}, namespace, name } = service.metadata;
  const { [headlessLabel]: _, ...labels } = own;
  const trigger = triggerTime(service, published);
  const actions = arrange(groups, slices, {
    namespace: namespace!,
    prefix: `${name}-`,
    labels: {
      ...labels,
      ...(isHeadless(service) ? { [headlessLabel]: '' } : {}),
      [serviceNameLabel]: name!,
      [managedByLabel]: manager,
    },
    annotations: {
      ...(notes['service.kubernetes.io/topology-mode']
        ? { 'service.kubernetes.io/topology-mode': notes['service.kubernetes.io/topology-mode'] }
        : {}),
      ...(trigger ? { [triggerAnnotation]: trigger } : {}),
    },
    ownerReferences: [controllerReference(services, service)],
    volatile: triggerAnnotation,
    maxPerSlice,
  });
  return actions.length > 0 ? [...actions, ...tellNew(service, published, slices)] : [];
}

/** Groups by ports: the same name may be another number on another pod. No pods at all still make one empty group. */
function groupsOf(service: Service, all: Pod[], family: AddressType, node: Observed['node']): Group[] {
  const groups = new Map<string, Group>();
  for (const pod of all) {
    const address = addressOf(pod, family);
    if (!address) continue;
    const ports: EndpointPort[] = [];
    for (const port of service.spec.ports ?? []) {
      const number = targetPort(pod, port);
      if (number === undefined) continue;
      const { name = '', protocol = 'TCP', appProtocol } = port;
      ports.push({ name, port: number, protocol, ...(appProtocol ? { appProtocol } : {}) });
    }
    const key = JSON.stringify(ports);
    const group = groups.get(key) ?? { addressType: family, ports, endpoints: [] };
    groups.set(key, group);
    group.endpoints.push(endpointOf(service, pod, address, node));
  }
  return groups.size > 0 ? [...groups.values()] : [{ addressType: family, ports: [], endpoints: [] }];
}

function endpointOf(service: Service, pod: Pod, address: string, node: Observed['node']): Endpoint {
  const serving = isReady(pod);
  const terminating = !!pod.metadata.deletionTimestamp;
  const ready = !!service.spec.publishNotReadyAddresses || (serving && !terminating);
  const hostname = hostnameOf(pod, service);
  const { nodeName } = pod.spec;
  const zone = nodeName ? node(nodeName)?.metadata.labels?.[zoneLabel] : undefined;
  const hints = ready ? hintsFor(service.spec.trafficDistribution, nodeName, zone) : undefined;
  return {
    addresses: [address],
    conditions: { ready, serving, terminating },
    ...(hints ? { hints } : {}),
    ...(hostname ? { hostname } : {}),
    ...(nodeName ? { nodeName } : {}),
    targetRef: podReference(pod),
    ...(zone ? { zone } : {}),
  };
}

function hintsFor(distribution: string | undefined, nodeName?: string, zone?: string): Endpoint['hints'] {
  const forZones = zone ? { forZones: [{ name: zone }] } : undefined;
  if (distribution === 'PreferClose' || distribution === 'PreferSameZone') return forZones;
  if (distribution === 'PreferSameNode' && nodeName) return { ...forZones, forNodes: [{ name: nodeName }] };
  return undefined;
}

/** Step 8 in the life of a pod: it can be reached. */
function tellNew(service: Service, all: Pod[], slices: EndpointSlice[]): Action[] {
  const before = new Set(
    slices.flatMap((s) =>
      (s.endpoints ?? []).flatMap((e) => (e.conditions?.ready ? (e.targetRef?.uid ?? []) : [])),
    ),
  );
  return all
    .filter((pod) => isReady(pod) && !pod.metadata.deletionTimestamp && !before.has(pod.metadata.uid!))
    .map((pod) =>
      traceStep(8, 'endpoint added', pods, pod, {
        service: service.metadata.name,
        address: pod.status?.podIP,
      }),
    );
}
