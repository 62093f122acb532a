// resolv.conf of a pod.
// https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/#pod-s-dns-policy
import type { Pod } from '../api/core/v1.gen.ts';
import { isHostNetwork } from './pod-spec.ts';

export interface Resolver {
  servers: string[];
  searches: string[];
  options: string[];
}

export interface DnsSettings {
  /** Addresses of the cluster's DNS; none: pods get the node's resolver. */
  clusterDNS: string[];
  clusterDomain: string;
  node: Resolver;
}

export function parseResolvConf(text: string): Resolver {
  const resolver: Resolver = { servers: [], searches: [], options: [] };
  for (const line of text.split('\n')) {
    const [word, ...rest] = line.trim().split(/\s+/);
    if (word === 'nameserver' && rest[0]) resolver.servers.push(rest[0]);
    // The last of these counts. `.` alone is no domain to search.
    else if (word === 'search')
      resolver.searches = rest.map((domain) => (domain === '.' ? domain : domain.replace(/\.$/, '')));
    else if (word === 'options') resolver.options = rest;
  }
  return resolver;
}

const unique = (values: string[]): string[] => [...new Set(values)];
const mostServers = 3;
const mostSearches = 32;
const longestSearch = 2048;

function basis(pod: Pod, { clusterDNS, clusterDomain, node }: DnsSettings): Resolver {
  const policy = pod.spec!.dnsPolicy ?? 'ClusterFirst';
  if (policy === 'None') return { servers: [], searches: [], options: [] };
  const cluster = policy === 'ClusterFirstWithHostNet' || (policy === 'ClusterFirst' && !isHostNetwork(pod));
  if (!cluster || clusterDNS.length === 0) return node;
  const own = [`${pod.metadata.namespace}.svc.${clusterDomain}`, `svc.${clusterDomain}`, clusterDomain];
  return { servers: clusterDNS, searches: unique([...own, ...node.searches]), options: ['ndots:5'] };
}

/** Later options win over earlier ones of the same name. */
function mergeOptions(options: string[], more: { name?: string; value?: string }[] = []): string[] {
  const merged = new Map(options.map((option) => [option.split(':')[0]!, option]));
  for (const { name, value } of more) if (name) merged.set(name, value ? `${name}:${value}` : name);
  return [...merged.values()];
}

/** The pod's resolver, cut to what resolvers take; `warnings` tells what was left out. */
export function podResolver(pod: Pod, settings: DnsSettings): Resolver & { warnings: string[] } {
  const base = basis(pod, settings);
  const extra = pod.spec!.dnsConfig;
  const warnings: string[] = [];
  let servers = unique([...base.servers, ...(extra?.nameservers ?? [])]);
  if (servers.length > mostServers) {
    servers = servers.slice(0, mostServers);
    warnings.push(
      `Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: ${servers.join(' ')}`,
    );
  }
  const asked = unique([...base.searches, ...(extra?.searches ?? [])]);
  const searches = asked.slice(0, mostSearches).filter((domain) => domain.length <= 253);
  while (searches.join(' ').length > longestSearch) searches.pop();
  if (searches.length < asked.length)
    warnings.push(
      `Search Line limits were exceeded, some search paths have been omitted, the applied search line is: ${searches.join(' ')}`,
    );
  return { servers, searches, options: mergeOptions(base.options, extra?.options), warnings };
}
