import { endpoints } from '../../../api/core/endpoints.ts';
import { services } from '../../../api/core/service.ts';
import type {
  EndpointAddress,
  EndpointPort,
  EndpointSubset,
  Endpoints,
  Pod,
  Service,
} from '../../../api/core/v1.gen.ts';
import { equal, splitKey } from '../../../machinery/meta.ts';
import { type Action, create, remove, update } from '../../runtime/actions.ts';
import { controller, watch } from '../../runtime/controller.ts';
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

export const managedByLabel = 'endpoints.kubernetes.io/managed-by';
const overCapacity = 'endpoints.kubernetes.io/over-capacity';
const maxAddresses = 1000;

interface Observed {
  pods: Pod[];
  existing: Endpoints | undefined;
}

/** The older form of EndpointSlices: all of a Service's pods in one object. */
export const endpointsController = controller<Service, Observed>({
  name: 'endpoints',
  component: 'endpoint-controller',
  for: services,
  watches: [
    watchServicePods,
    // Made away with by somebody: made again.
    watch(endpoints, ({ metadata }, _cache, { type }) =>
      type === 'delete' ? [`${metadata.namespace}/${metadata.name}`] : [],
    ),
  ],
  observe: (service, cache) => ({
    pods: podsOf(service, cache),
    existing: cache.of(endpoints).get(service.metadata.name!, service.metadata.namespace),
  }),
  gone(key, cache) {
    const { name, namespace } = splitKey(key);
    const left = cache.of(endpoints).get(name, namespace);
    return left ? [remove(endpoints, left)] : [];
  },
  reconcile: (service, observed) => reconcile(service, observed),
});

export function reconcile(service: Service, { pods, existing }: Observed): Action[] {
  if (!isSelecting(service) || service.metadata.deletionTimestamp) return [];
  const publishAll = !!service.spec.publishNotReadyAddresses;
  const published = pods.filter((pod) => !isTerminal(pod) && (publishAll || !pod.metadata.deletionTimestamp));
  const { subsets, truncated } = subsetsOf(service, published, publishAll);
  const { [headlessLabel]: _, ...own } = service.metadata.labels ?? {};
  const labels = {
    ...own,
    ...(isHeadless(service) ? { [headlessLabel]: '' } : {}),
    [managedByLabel]: 'endpoint-controller',
  };
  const {
    [overCapacity]: _was,
    [triggerAnnotation]: lastTrigger,
    ...notes
  } = existing?.metadata.annotations ?? {};
  const trigger = triggerTime(service, published) ?? lastTrigger;
  const annotations: Record<string, string> = {
    ...notes,
    ...(truncated ? { [overCapacity]: 'truncated' } : {}),
    ...(trigger ? { [triggerAnnotation]: trigger } : {}),
  };
  const unchanged =
    existing &&
    equal(existing.subsets ?? [], subsets) &&
    equal(existing.metadata.labels, labels) &&
    (_was !== undefined) === truncated;
  if (unchanged) return [];
  const { name, namespace } = service.metadata;
  if (!existing) {
    const metadata = { name, namespace, labels, annotations };
    return [create(endpoints, { apiVersion: 'v1', kind: 'Endpoints', metadata, subsets })];
  }
  return [
    update(endpoints, { ...existing, metadata: { ...existing.metadata, labels, annotations }, subsets }),
  ];
}

/** One subset for each set of ports, sorted: equal endpoints give equal objects. */
function subsetsOf(
  service: Service,
  pods: Pod[],
  publishAll: boolean,
): { subsets: EndpointSubset[]; truncated: boolean } {
  const family = (service.spec.ipFamilies?.[0] as AddressType | undefined) ?? 'IPv4';
  const sorted = pods.toSorted((a, b) => Number(isReady(b)) - Number(isReady(a)) || byAddress(a, b));
  const subsets = new Map<string, EndpointSubset>();
  let count = 0;
  for (const pod of sorted) {
    const ip = addressOf(pod, family);
    if (!ip) continue;
    const ports: EndpointPort[] = [];
    for (const port of service.spec.ports ?? []) {
      const number = targetPort(pod, port);
      if (number === undefined) continue;
      const { name, protocol = 'TCP', appProtocol } = port;
      ports.push({
        ...(name ? { name } : {}),
        port: number,
        protocol,
        ...(appProtocol ? { appProtocol } : {}),
      });
    }
    const withoutPorts = isHeadless(service) && (service.spec.ports ?? []).length === 0;
    if (ports.length === 0 && !withoutPorts) continue;
    if (++count > maxAddresses) continue;
    const key = JSON.stringify(ports);
    const subset: EndpointSubset = subsets.get(key) ?? (ports.length > 0 ? { ports } : {});
    subsets.set(key, subset);
    const hostname = hostnameOf(pod, service);
    const address: EndpointAddress = {
      ip,
      ...(hostname ? { hostname } : {}),
      ...(pod.spec.nodeName ? { nodeName: pod.spec.nodeName } : {}),
      targetRef: podReference(pod),
    };
    if (publishAll || isReady(pod)) (subset.addresses ??= []).push(address);
    else (subset.notReadyAddresses ??= []).push(address);
  }
  const list = [...subsets.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, subset]) => subset);
  return { subsets: list, truncated: count > maxAddresses };
}

const byAddress = (a: Pod, b: Pod): number => ((a.status?.podIP ?? '') < (b.status?.podIP ?? '') ? -1 : 1);
