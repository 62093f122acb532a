// The Service `kubernetes` in the namespace default, with the API servers as its endpoints.
import { endpoints } from '../../api/core/endpoints.ts';
import { services } from '../../api/core/service.ts';
import type { EndpointSubset, Endpoints, Service } from '../../api/core/v1.gen.ts';
import { endpointSlices } from '../../api/discovery/endpoint-slice.ts';
import type { EndpointSlice } from '../../api/discovery/v1.gen.ts';
import type { Client } from '../../client/client.ts';
import type { Kind } from '../../machinery/kind.ts';
import { clone, equal, type KubeObject } from '../../machinery/meta.ts';
import { isAlreadyExists, isNotFound } from '../../machinery/status.ts';
import type { ServerAddress } from './master-leases.ts';

const namespace = 'default';
const name = 'kubernetes';
/** Its slices are made here, and not from its Endpoints. */
const skipMirror = { 'endpointslice.kubernetes.io/skip-mirror': 'true' };
const ofService = { 'kubernetes.io/service-name': name };

async function find<T extends KubeObject>(client: Client, kind: Kind<T>, of = name): Promise<T | undefined> {
  try {
    return await client(kind).get(of, { namespace });
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

async function create<T extends KubeObject>(client: Client, kind: Kind<T>, object: T): Promise<void> {
  await client(kind)
    .create(object)
    .catch((error) => {
      if (!isAlreadyExists(error)) throw error;
    });
}

/** Makes the service when it is not there; `clusterIP` is the first address of the range. */
export async function ensureService(client: Client, clusterIP: string, port: number): Promise<void> {
  if (await find(client, services)) return;
  await create(client, services, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace, labels: { component: 'apiserver', provider: 'kubernetes' } },
    spec: {
      type: 'ClusterIP',
      clusterIP,
      ipFamilyPolicy: 'SingleStack',
      sessionAffinity: 'None',
      ports: [{ name: 'https', protocol: 'TCP', port: 443, targetPort: port }],
    },
  } as Service);
}

/**
 * Servers by the port that they serve on, which is the same for all but in small clusters on one machine. Upstream's servers
 * believe that it is the same: where there is one of them, all are shown with one port, or it would not leave them so.
 */
function subsetsOf(servers: ServerAddress[], port: number, shown: number | undefined): EndpointSubset[] {
  const one = servers.some((server) => server.port === undefined) ? (shown ?? port) : undefined;
  return [...Map.groupBy(servers, (server) => one ?? server.port)]
    .sort(([a = 0], [b = 0]) => a - b)
    .map(([number, group]) => ({
      addresses: [...new Set(group.map(({ ip }) => ip))].sort().map((ip) => ({ ip })),
      ports: [{ name: 'https', port: number!, protocol: 'TCP' }],
    }));
}

/** Lets the endpoints of the service be these servers; `port` is that of those who do not say theirs. */
export async function publishServers(client: Client, servers: ServerAddress[], port: number): Promise<void> {
  const found = (await find(client, endpoints)) as Endpoints | undefined;
  const subsets = subsetsOf(servers, port, found?.subsets?.[0]?.ports?.[0]?.port);
  await Promise.all([publishEndpoints(client, found, subsets), publishSlices(client, subsets)]);
}

async function publishEndpoints(
  client: Client,
  found: Endpoints | undefined,
  subsets: EndpointSubset[],
): Promise<void> {
  const metadata = { name, namespace, labels: skipMirror };
  if (!found) {
    if (subsets.length) await create(client, endpoints, { metadata, subsets } as never);
    return;
  }
  const labels = { ...found.metadata.labels, ...skipMirror };
  if (equal(found.subsets ?? [], subsets) && equal(found.metadata.labels, labels)) return;
  const draft = clone(found);
  draft.metadata.labels = labels;
  draft.subsets = subsets;
  await client(endpoints).update(draft as never);
}

/** A slice has one port: `kubernetes` is that of the first, `kubernetes-PORT` of the others. */
async function publishSlices(client: Client, subsets: EndpointSubset[]): Promise<void> {
  const wanted = new Map(
    subsets.map(({ addresses, ports }, i) => {
      const slice: EndpointSlice = {
        metadata: { name: i ? `${name}-${ports![0]!.port}` : name, namespace, labels: ofService },
        addressType: addresses![0]!.ip.includes(':') ? 'IPv6' : 'IPv4',
        endpoints: addresses!.map(({ ip }) => ({ addresses: [ip], conditions: { ready: true } })),
        ports: ports!.map((one) => ({ name: one.name, protocol: one.protocol, port: one.port })),
      } as EndpointSlice;
      return [slice.metadata.name!, slice];
    }),
  );
  const labelSelector = `kubernetes.io/service-name=${name}`;
  const { items } = await client(endpointSlices).list({ namespace, labelSelector });
  for (const slice of items) {
    const should = wanted.get(slice.metadata.name!);
    wanted.delete(slice.metadata.name!);
    if (!should || should.addressType !== slice.addressType) {
      await client(endpointSlices)
        .delete(slice.metadata.name!, { namespace })
        .catch((error) => {
          if (!isNotFound(error)) throw error;
        });
      if (should) await create(client, endpointSlices, should);
    } else if (!equal(slice.endpoints, should.endpoints) || !equal(slice.ports, should.ports)) {
      const draft = clone(slice);
      draft.endpoints = should.endpoints;
      draft.ports = should.ports;
      await client(endpointSlices).update(draft);
    }
  }
  for (const slice of wanted.values()) await create(client, endpointSlices, slice);
}
