import type { ObjectReference, Service } from '../api/core/v1.gen.ts';
import type { EndpointSlice } from '../api/discovery/v1.gen.ts';
import { keyOf } from '../machinery/meta.ts';
import { contains, isAddress } from './addresses.ts';
import { isExternallyReachable, type ServicePort, servicePorts } from './service-port.ts';

/** What the rules depend on of the node that they are for. */
export interface ProxyNode {
  readonly name: string;
  /** `topology.kubernetes.io/zone`. */
  readonly zone?: string;
  /** The node's part of the pod addresses. */
  readonly podCIDR?: string;
}

/** A place to which traffic of a service port can go. */
export interface Endpoint {
  readonly ip: string;
  readonly port: number;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  /** On this node. */
  readonly local: boolean;
  /** The node's pod range, where the endpoint is a pod of it. */
  readonly podCIDR?: string;
  readonly nodeHints: readonly string[];
  readonly zoneHints: readonly string[];
  readonly pod?: ObjectReference;
}

/** A service port with the endpoints that this node sends its traffic to, each list by address. */
export interface RoutedPort {
  readonly port: ServicePort;
  /** For traffic policy Cluster; empty when no traffic of the port has that policy. */
  readonly cluster: readonly Endpoint[];
  /** For traffic policy Local; likewise. */
  readonly local: readonly Endpoint[];
  /** Both, each endpoint once. */
  readonly reachable: readonly Endpoint[];
  /** Whether any node has an endpoint: then a node without one drops traffic instead of rejecting it. */
  readonly anywhere: boolean;
  /** Ready endpoints of this node: what load balancers are told at the health check port. */
  readonly localReady: number;
}

/** Routed ports by the service's `namespace/name`. */
export type ServiceMap = ReadonlyMap<string, readonly RoutedPort[]>;

export const serviceNameLabel = 'kubernetes.io/service-name';

/** `namespace/name` of the service that a slice belongs to; undefined: none that is proxied. */
export function serviceKeyOf({ metadata, addressType }: EndpointSlice): string | undefined {
  const name = metadata.labels?.[serviceNameLabel];
  return name && addressType === 'IPv4' ? `${metadata.namespace}/${name}` : undefined;
}

/** All services with their endpoints, as one node sees them. */
export function serviceMap(
  services: readonly Service[],
  slices: readonly EndpointSlice[],
  node: ProxyNode,
): ServiceMap {
  const slicesOf = Map.groupBy(slices, serviceKeyOf);
  const map = new Map<string, RoutedPort[]>();
  for (const service of services) {
    const routed = routeService(service, slicesOf.get(keyOf(service)) ?? [], node);
    if (routed.length > 0) map.set(keyOf(service), routed);
  }
  return map;
}

/** The ports of one service with the endpoints of its slices. */
export const routeService = (
  service: Service,
  slices: readonly EndpointSlice[],
  node: ProxyNode,
): RoutedPort[] =>
  servicePorts(service).map((port) => routePort(port, endpointsOf(port, slices, node), node));

/** The endpoints that serve a port, by name and protocol of the port, each address once. */
function endpointsOf(port: ServicePort, slices: readonly EndpointSlice[], node: ProxyNode): Endpoint[] {
  const found = new Map<string, Endpoint>();
  for (const slice of slices) {
    for (const { name = '', port: number, protocol = 'TCP' } of slice.ports ?? []) {
      if (name !== port.portName || !number || protocol.toLowerCase() !== port.protocol) continue;
      for (const { addresses, conditions, nodeName, hints, targetRef } of slice.endpoints ?? []) {
        const ip = addresses[0];
        if (!isAddress(ip)) continue;
        const local = nodeName === node.name;
        const onNode = local && node.podCIDR !== undefined && contains(node.podCIDR, ip);
        found.set(`${ip}:${number}`, {
          ip,
          port: number,
          ready: conditions?.ready ?? true,
          serving: conditions?.serving ?? conditions?.ready ?? true,
          terminating: conditions?.terminating ?? false,
          local,
          ...(onNode ? { podCIDR: node.podCIDR } : {}),
          nodeHints: (hints?.forNodes ?? []).map((hint) => hint.name),
          zoneHints: (hints?.forZones ?? []).map((hint) => hint.name),
          ...(targetRef?.kind === 'Pod' ? { pod: targetRef } : {}),
        });
      }
    }
  }
  // In one order whatever the slices': rules that say the same are then the same text.
  return [...found.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, endpoint]) => endpoint);
}

const isLeaving = (endpoint: Endpoint): boolean => endpoint.serving && endpoint.terminating;

/** Ready endpoints, or when there is none, those that still serve while they terminate. */
function usable(endpoints: readonly Endpoint[], preferred: (endpoint: Endpoint) => boolean = () => true) {
  const ready = endpoints.filter((endpoint) => endpoint.ready && preferred(endpoint));
  return ready.length > 0 ? ready : endpoints.filter(isLeaving);
}

/**
 * Which ready endpoints the hints tell this node to use. A kind of hint counts when each ready endpoint has one and one of
 * them is for us; nearer goes before farther. https://kubernetes.io/docs/reference/networking/virtual-ips/#traffic-distribution
 */
function preference(endpoints: readonly Endpoint[], { name, zone }: ProxyNode) {
  const ready = endpoints.filter((endpoint) => endpoint.ready);
  for (const [hints, mine] of [
    [(endpoint: Endpoint) => endpoint.nodeHints, name],
    [(endpoint: Endpoint) => endpoint.zoneHints, zone ?? ''],
  ] as const) {
    const forUs = (endpoint: Endpoint) => hints(endpoint).includes(mine);
    if (ready.every((endpoint) => hints(endpoint).length > 0) && ready.some(forUs)) return forUs;
  }
  return undefined;
}

function routePort(port: ServicePort, endpoints: readonly Endpoint[], node: ProxyNode): RoutedPort {
  // Traffic from outside needs the cluster's endpoints even under policy Local: pods and the node itself may use them.
  const usesCluster = !port.internalLocal || isExternallyReachable(port);
  const usesLocal = port.internalLocal || (port.externalLocal && isExternallyReachable(port));
  const cluster = usesCluster ? usable(endpoints, preference(endpoints, node)) : [];
  const local = usesLocal ? usable(endpoints.filter((endpoint) => endpoint.local)) : [];
  return {
    port,
    cluster,
    local,
    reachable: [...cluster, ...local.filter((endpoint) => !cluster.includes(endpoint))],
    anywhere: endpoints.some((endpoint) => endpoint.ready || isLeaving(endpoint)),
    localReady: endpoints.filter((endpoint) => endpoint.local && endpoint.ready).length,
  };
}
