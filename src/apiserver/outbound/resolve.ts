import { services } from '../../api/core/service.ts';
import type { Service } from '../../api/core/v1.gen.ts';
import { endpointSlices } from '../../api/discovery/endpoint-slice.ts';
import type { EndpointSlice } from '../../api/discovery/v1.gen.ts';
import type { Random } from '../../machinery/clock.ts';
import type { Caches } from '../cache/caches.ts';
import { authorityOf, type Endpoint, OutboundError, pathOf, type ServiceRef } from './outbound.ts';

/**
 * A ready endpoint of a service, at random, those of the service's first IP family before the others; an ExternalName
 * service is the host that it names. Throws OutboundError.
 */
export function resolveService(caches: Caches, random: Random, ref: ServiceRef): Endpoint {
  const { namespace, name, port = 443 } = ref;
  const cache = caches.of(services);
  const service = cache?.get(`${cache.prefix}${namespace}/${name}`)?.object as unknown as Service | undefined;
  if (!service) throw new OutboundError('service', `service ${JSON.stringify(name)} not found`);
  const expected = {
    serverName: `${name}.${namespace}.svc`,
    authority: authorityOf(ref),
    path: pathOf(ref),
  };
  const { type = 'ClusterIP', externalName, ports = [], ipFamilies = [] } = service.spec;
  if (type === 'ExternalName') return { host: externalName!, port, ...expected };
  const servicePort = ports.find((p) => p.port === port);
  if (!servicePort) {
    throw new OutboundError('service', `no service port ${port} found for service ${JSON.stringify(name)}`);
  }
  const shuffled = slicesOf(caches, namespace, name)
    .map((slice) => ({ slice, rank: (slice.addressType === ipFamilies[0] ? 0 : 1) + random() * 0.99 }))
    .sort((a, b) => a.rank - b.rank);
  for (const { slice } of shuffled) {
    const number = slice.ports?.find((p) => (p.name ?? '') === (servicePort.name ?? ''))?.port;
    if (number === undefined) continue;
    const ready = (slice.endpoints ?? []).filter((e) => e.conditions?.ready !== false);
    const chosen = ready[Math.floor(random() * ready.length)];
    if (chosen) return { host: chosen.addresses[0]!, port: number, ...expected };
  }
  throw new OutboundError('no-endpoints', `no endpoints available for service ${JSON.stringify(name)}`);
}

function slicesOf(caches: Caches, namespace: string, service: string): EndpointSlice[] {
  const cache = caches.of(endpointSlices);
  return [...(cache?.range(`${cache.prefix}${namespace}/`) ?? [])]
    .map((entry) => entry.object as unknown as EndpointSlice)
    .filter((slice) => slice.metadata.labels?.['kubernetes.io/service-name'] === service);
}
