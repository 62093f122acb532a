import { endpoints } from '../api/core/endpoints.ts';
import { namespaces } from '../api/core/namespace.ts';
import { services } from '../api/core/service.ts';
import type { Service } from '../api/core/v1.gen.ts';
import { endpointSlices } from '../api/discovery/endpoint-slice.ts';
import type { EndpointSlice } from '../api/discovery/v1.gen.ts';
import { ipAddresses } from '../api/networking/ip-address.ts';
import { serviceCIDRs } from '../api/networking/service-cidr.ts';
import type { Client } from '../client/client.ts';
import type { Kind } from '../machinery/kind.ts';
import { clone, equal, type KubeObject } from '../machinery/meta.ts';
import { isAlreadyExists, isNotFound } from '../machinery/status.ts';
import { addressIn, type ClusterConfig } from './config.ts';

interface Port {
  name: string;
  protocol: 'TCP' | 'UDP';
  port: number;
  targetPort: number;
}

/** A service whose endpoint is this very process. */
export interface SystemService {
  namespace: string;
  name: string;
  clusterIP: string;
  /** Where it listens; empty while it does not. */
  address: string;
  ports: Port[];
  labels: Record<string, string>;
}

export const dnsService = (config: ClusterConfig, address: string, port: number): SystemService => ({
  namespace: 'kube-system',
  name: 'kube-dns',
  clusterIP: addressIn(config.serviceCIDR, 10),
  address,
  ports: [
    { name: 'dns', protocol: 'UDP', port: 53, targetPort: port },
    { name: 'dns-tcp', protocol: 'TCP', port: 53, targetPort: port },
  ],
  labels: { 'k8s-app': 'kube-dns', 'kubernetes.io/cluster-service': 'true', 'kubernetes.io/name': 'CoreDNS' },
});

async function ensure<T extends KubeObject>(
  client: Client,
  kind: Kind<T>,
  wanted: T,
  differs: (found: T) => boolean,
): Promise<void> {
  const { name, namespace } = wanted.metadata;
  try {
    const found = await client(kind).get(name!, { namespace });
    if (!differs(found)) return;
    const draft = {
      ...clone(found),
      ...clone(wanted),
      metadata: { ...clone(found.metadata), labels: wanted.metadata.labels },
    } as T;
    await client(kind).update(draft);
  } catch (error) {
    if (!isNotFound(error)) throw error;
    await client(kind)
      .create(wanted)
      .catch((e) => {
        if (!isAlreadyExists(e)) throw e;
      });
  }
}

/** Makes the service, its endpoints and its slice, or brings them up to date. */
export async function publishService(client: Client, system: SystemService): Promise<void> {
  const { namespace, name, clusterIP, address, labels } = system;
  const service: Service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace, labels },
    spec: {
      type: 'ClusterIP',
      clusterIP,
      clusterIPs: [clusterIP],
      ipFamilies: ['IPv4'],
      ipFamilyPolicy: 'SingleStack',
      sessionAffinity: 'None',
      internalTrafficPolicy: 'Cluster',
      ports: system.ports.map((p) => ({ ...p })),
    },
  };
  await ensure(
    client,
    services,
    service,
    (found) => !equal(found.spec.ports, service.spec.ports) || found.spec.clusterIP !== clusterIP,
  );
  // Endpoints may not be on loopback: a server that listens nowhere else has none.
  if (!address || address.startsWith('127.')) return;
  const ports = system.ports.map(({ name: portName, protocol, targetPort }) => ({
    name: portName,
    protocol,
    port: targetPort,
  }));
  const slice: EndpointSlice = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name, namespace, labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    endpoints: [{ addresses: [address], conditions: { ready: true } }],
    ports,
  };
  await ensure(
    client,
    endpointSlices,
    slice,
    (found) => !equal(found.endpoints?.[0]?.addresses, [address]) || !equal(found.ports, ports),
  );
  const subsets = [{ addresses: [{ ip: address }], ports }];
  const labelled = { 'endpointslice.kubernetes.io/skip-mirror': 'true' };
  await ensure(
    client,
    endpoints,
    {
      apiVersion: 'v1',
      kind: 'Endpoints',
      metadata: { name, namespace, labels: labelled },
      subsets,
    } as never,
    (found) => !equal((found as { subsets?: unknown }).subsets, subsets),
  );
}

/** The service range as an object, and the address of the API server in it. */
export async function publishRanges(client: Client, config: ClusterConfig): Promise<void> {
  await client(namespaces).get('kube-system');
  await ensure(
    client,
    serviceCIDRs,
    { metadata: { name: 'kubernetes' }, spec: { cidrs: [config.serviceCIDR] } } as never,
    () => false,
  );
  await ensure(
    client,
    ipAddresses,
    {
      metadata: {
        name: addressIn(config.serviceCIDR, 1),
        labels: {
          'ipaddress.kubernetes.io/managed-by': 'ipallocator.k8s.io',
          'ipaddress.kubernetes.io/ip-family': 'IPv4',
        },
      },
      spec: { parentRef: { resource: 'services', namespace: 'default', name: 'kubernetes' } },
    } as never,
    () => false,
  );
}
