// Where a `proxy` subresource leads. Only to addresses that an object of the cluster has, never to a name that somebody
// could let point elsewhere, and never to this host itself or its link.
import { nodes } from '../../api/core/node.ts';
import { pods } from '../../api/core/pod.ts';
import { services } from '../../api/core/service.ts';
import type { Pod } from '../../api/core/v1.gen.ts';
import { endpointSlices } from '../../api/discovery/endpoint-slice.ts';
import type { EndpointSlice } from '../../api/discovery/v1.gen.ts';
import { badRequest, notFound, serviceUnavailable } from '../../machinery/status.ts';
import type { Context } from '../context.ts';
import type { ApiServer } from '../server.ts';
import { stored } from './pod-target.ts';

export interface ProxyTarget {
  scheme: 'http' | 'https';
  address: string;
  port: number;
}

interface Parts {
  scheme: 'http' | 'https';
  name: string;
  /** A number, or a port's name; '' when the request leaves it open. */
  port: string;
}

/** `web`, `web:80`, `https:web:` or `https:web:443`. Throws 400. */
export function splitName(what: string, id: string): Parts {
  const parts = id.split(':');
  const [scheme, name, port] =
    parts.length === 1 ? ['', id, ''] : parts.length === 2 ? ['', ...parts] : parts;
  if (parts.length > 3 || !name || !['', 'http', 'https'].includes(scheme!))
    throw badRequest(`invalid ${what} request ${JSON.stringify(id)}`);
  return { scheme: scheme === 'https' ? 'https' : 'http', name, port: port! };
}

/** Only addresses that packets are routed to: not loopback, link-local (where clouds answer for metadata) or multicast. */
export function isProxyable(address: string): boolean {
  const v4 = /^(?:::ffff:)?(\d+)\.(\d+)\.\d+\.(\d+)$/i.exec(address);
  if (v4) {
    const [first, second] = [Number(v4[1]), Number(v4[2])];
    if (first === 0 || first === 127 || first >= 224) return false;
    return !(first === 169 && second === 254);
  }
  if (!address.includes(':')) return false;
  const text = address.toLowerCase();
  return !(
    /^[0:]+1?$/.test(text) ||
    /^fe[89ab]/.test(text) ||
    text.startsWith('ff') ||
    text.startsWith('::ffff:')
  );
}

const allowed = (scheme: Parts['scheme'], address: string | undefined, port: number): ProxyTarget => {
  if (!address || !isProxyable(address)) throw badRequest('address not allowed');
  return { scheme, address, port };
};

const addressOf = (pod: Pod): string | undefined => pod.status?.podIPs?.[0]?.ip ?? pod.status?.podIP;

/** The port asked for, or the first that a container declares. */
export function podTarget(server: ApiServer, context: Context): ProxyTarget {
  const { scheme, name, port } = splitName('pod', context.name!);
  const pod = stored(server, pods, context.namespace, name);
  if (!pod) throw notFound(pods, name);
  const declared = pod.spec.containers.find((c) => c.ports?.length)?.ports?.[0]?.containerPort;
  const chosen = port
    ? portNumber('pod', context.name!, port)
    : (declared ?? (scheme === 'https' ? 443 : 80));
  return allowed(scheme, addressOf(pod), chosen);
}

function portNumber(what: string, id: string, text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65535)
    throw badRequest(`invalid ${what} request ${JSON.stringify(id)}`);
  return port;
}

/** A ready endpoint of the service, chosen at random, for the port of that number or name. Throws 503 when there is none. */
export function serviceTarget(server: ApiServer, context: Context): ProxyTarget {
  const { scheme, name, port } = splitName('service', context.name!);
  const { namespace } = context;
  const service = stored(server, services, namespace, name);
  if (!service) throw notFound(services, name);
  let portName = port;
  if (/^\d+$/.test(port)) {
    const found = service.spec.ports?.find((p) => p.port === Number(port));
    if (!found) throw serviceUnavailable(`no service port ${port} found for service ${JSON.stringify(name)}`);
    portName = found.name ?? '';
  }
  const ready = slicesOf(server, namespace!, name).flatMap((slice) => {
    const number = slice.ports?.find((p) => (p.name ?? '') === portName)?.port;
    if (number === undefined) return [];
    return (slice.endpoints ?? [])
      .filter(
        (e) => e.conditions?.ready !== false && isPodAddress(server, namespace!, e.targetRef, e.addresses),
      )
      .map((e) => ({ address: e.addresses[0]!, port: number }));
  });
  const chosen = ready[Math.floor(server.registry.random() * ready.length)];
  if (!chosen) throw serviceUnavailable(`no endpoints available for service ${JSON.stringify(context.name)}`);
  return allowed(scheme, chosen.address, chosen.port);
}

function slicesOf(server: ApiServer, namespace: string, service: string): EndpointSlice[] {
  const cache = server.registry.caches.of(endpointSlices);
  return [...(cache?.range(`${cache.prefix}${namespace}/`) ?? [])]
    .map((entry) => entry.object as unknown as EndpointSlice)
    .filter((slice) => slice.metadata.labels?.['kubernetes.io/service-name'] === service);
}

/** Whoever may write EndpointSlices could send us anywhere: we go only where a pod of the namespace is. */
function isPodAddress(
  server: ApiServer,
  namespace: string,
  ref: { kind?: string; name?: string; namespace?: string } | undefined,
  addresses: string[],
): boolean {
  if (ref?.kind !== 'Pod' || !ref.name || (ref.namespace ?? namespace) !== namespace) return false;
  const pod = stored(server, pods, namespace, ref.name);
  const own = pod && [pod.status?.podIP, ...(pod.status?.podIPs ?? []).map(({ ip }) => ip)];
  return own?.includes(addresses[0]) ?? false;
}

/** A node's kubelet, or another port of the node. Throws 404. */
export function nodeTarget(server: ApiServer, context: Context): { name: string; target?: ProxyTarget } {
  const { scheme, name, port } = splitName('node', context.name!);
  const node = stored(server, nodes, undefined, name);
  if (!node) throw notFound(nodes, name);
  const kubeletPort = node.status?.daemonEndpoints?.kubeletEndpoint?.Port || 10250;
  if (!port || Number(port) === kubeletPort) return { name };
  const address = node.status?.addresses?.find((a) => a.type === 'InternalIP')?.address;
  return { name, target: allowed(scheme, address, portNumber('node', context.name!, port)) };
}
