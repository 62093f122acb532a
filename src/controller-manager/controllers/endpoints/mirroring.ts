import { endpoints } from '../../../api/core/endpoints.ts';
import { services } from '../../../api/core/service.ts';
import type { Endpoints, Service } from '../../../api/core/v1.gen.ts';
import { endpointSlices } from '../../../api/discovery/endpoint-slice.ts';
import type { Endpoint, EndpointSlice } from '../../../api/discovery/v1.gen.ts';
import { keyOf, splitKey } from '../../../machinery/meta.ts';
import { type Action, remove } from '../../runtime/actions.ts';
import { controller, watch } from '../../runtime/controller.ts';
import type { Cache } from '../../runtime/environment.ts';
import { controllerReference } from '../ownership.ts';
import { familyOf, triggerAnnotation } from './service-pods.ts';
import { arrange, type Group } from './slices.ts';

const serviceNameLabel = 'kubernetes.io/service-name';
const managedByLabel = 'endpointslice.kubernetes.io/managed-by';
const manager = 'endpointslicemirroring-controller.k8s.io';
const byService = 'mirroredEndpointSliceService';
const maxPerSubset = 1000;
const maxPerSlice = 1000;

interface Observed {
  service: Service | undefined;
  slices: EndpointSlice[];
}

const slicesOf = (key: string, cache: Cache): EndpointSlice[] =>
  cache.of(endpointSlices).byIndex(byService, key);

/**
 * Endpoints that somebody writes by hand for a Service without a selector, as EndpointSlices.
 * https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/#endpointslice-mirroring
 */
export const endpointSliceMirroringController = controller<Endpoints, Observed>({
  name: 'endpointslicemirroring',
  component: 'endpoint-slice-mirroring-controller',
  for: endpoints,
  watches: [
    watch(services, (service) => [keyOf(service)]),
    watch(endpointSlices, ({ metadata }) => {
      const name = metadata.labels?.[serviceNameLabel];
      return name && metadata.labels?.[managedByLabel] === manager ? [`${metadata.namespace}/${name}`] : [];
    }),
  ],
  indexes: ({ informers }) =>
    informers(endpointSlices).index(byService, ({ metadata }) =>
      metadata.labels?.[managedByLabel] === manager
        ? [`${metadata.namespace}/${metadata.labels[serviceNameLabel]}`]
        : [],
    ),
  observe: (object, cache) => ({
    service: cache.of(services).get(object.metadata.name!, object.metadata.namespace),
    slices: slicesOf(keyOf(object), cache),
  }),
  gone: (key, cache) => slicesOf(key, cache).map((slice) => remove(endpointSlices, slice)),
  reconcile: (object, observed) => reconcile(object, observed),
});

const skips = ({ metadata }: Endpoints): boolean =>
  metadata.labels?.['endpointslice.kubernetes.io/skip-mirror'] === 'true' ||
  metadata.annotations?.['control-plane.alpha.kubernetes.io/leader'] !== undefined;

export function reconcile(object: Endpoints, { service, slices }: Observed): Action[] {
  const mirrors = service && Object.keys(service.spec.selector ?? {}).length === 0 && !skips(object);
  if (!mirrors) return slices.map((slice) => remove(endpointSlices, slice));
  const { name, namespace } = splitKey(keyOf(object));
  const groups = groupsOf(object);
  const { annotations: all = {}, labels = {} } = object.metadata;
  const { 'kubectl.kubernetes.io/last-applied-configuration': _, ...annotations } = all;
  return arrange(groups, slices, {
    namespace: namespace!,
    prefix: `${name}-`,
    labels: { ...labels, [serviceNameLabel]: name, [managedByLabel]: manager },
    annotations,
    ownerReferences: [controllerReference(endpoints, object)],
    volatile: triggerAnnotation,
    maxPerSlice,
  });
}

function groupsOf({ subsets = [] }: Endpoints): Group[] {
  const groups = new Map<string, Group>();
  for (const { addresses = [], notReadyAddresses = [], ports = [] } of subsets) {
    const all = [
      ...addresses.map((a) => ({ a, ready: true })),
      ...notReadyAddresses.map((a) => ({ a, ready: false })),
    ];
    for (const { a, ready } of all.slice(0, maxPerSubset)) {
      const addressType = familyOf(a.ip);
      const key = addressType + JSON.stringify(ports);
      const named = ports.map((p) => ({ ...p, name: p.name ?? '', protocol: p.protocol ?? 'TCP' }));
      const group = groups.get(key) ?? { addressType, ports: named, endpoints: [] as Endpoint[] };
      groups.set(key, group);
      group.endpoints.push({
        addresses: [a.ip],
        conditions: { ready },
        ...(a.hostname ? { hostname: a.hostname } : {}),
        ...(a.nodeName ? { nodeName: a.nodeName } : {}),
        ...(a.targetRef ? { targetRef: a.targetRef } : {}),
      });
    }
  }
  return [...groups.values()];
}
