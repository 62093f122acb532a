import { contains } from './addresses.ts';
import type { Chains } from './chains.ts';
import type { Endpoint, RoutedPort } from './service-map.ts';
import { isExternallyReachable, type ServicePort } from './service-port.ts';

export interface RuleConfig {
  readonly chains: Chains;
  /** A value with one bit set, like 0x4000: packets that carry it leave with the node's address. */
  readonly mark: number;
  /** All pods of the cluster: sources outside of it are masqueraded. Undefined: no source is known to be a pod. */
  readonly clusterCIDR?: string;
  readonly nodeIP?: string;
  /** Masquerade all traffic to cluster IPs. */
  readonly masqueradeAll?: boolean;
  /**
   * Masquerade what pods of this node send to endpoints on this node. Needed where packets between ports of one bridge
   * do not pass netfilter (no br_netfilter): the answer would reach the client from the endpoint's own address, which
   * the client never wrote to. The endpoint then sees the node's address.
   */
  readonly masqueradeLocal?: boolean;
  /** Whether MASQUERADE knows --random-fully (iptables 1.6.2). */
  readonly randomFully?: boolean;
  /** Node addresses on which node ports answer, as ranges; all unless given. */
  readonly nodePortAddresses?: readonly string[];
  /** Node ports answer at 127.0.0.1 too; needs the route_localnet sysctl. */
  readonly localhostNodePorts?: boolean;
}

/** The rules of one service port: lines for the chains that all services share, and chains of its own. */
export interface PortRules {
  /** Lines of chains in the nat table. */
  readonly natServices: readonly string[];
  readonly natNodePorts: readonly string[];
  /** Lines of chains in the filter table. */
  readonly filterServices: readonly string[];
  readonly filterExternal: readonly string[];
  readonly filterNodePorts: readonly string[];
  readonly filterFirewall: readonly string[];
  /** Chains in the nat table by name. */
  readonly natChains: ReadonlyMap<string, readonly string[]>;
}

const comment = (text: string): string => `-m comment --comment "${text}"`;
const matching = ({ protocol }: ServicePort, number: number, address?: string): string =>
  `${address ? `-d ${address}/32 ` : ''}-p ${protocol} -m ${protocol} --dport ${number}`;

/**
 * A packet's way, for a service port with everything:
 *
 *   SERVICES ── cluster IP ─────────────────────────────► SVC (or SVL) ─ random ─► SEP ─► DNAT
 *      ├─ external IP, load balancer IP ─► [FW ─►] EXT ──► SVC or SVL
 *      └─ a node's address ─► NODEPORTS ─────────► EXT
 *
 * Without endpoints nothing is translated, and the packet meets REJECT in the filter table; with endpoints on other nodes
 * only (traffic policy Local) it meets DROP.
 */
export function portRules(routed: RoutedPort, config: RuleConfig): PortRules {
  const { port, anywhere } = routed;
  const { chains } = config;
  const external = isExternallyReachable(port);
  const internalChain = port.internalLocal ? chains.local(port) : chains.cluster(port);
  const hasInternal = anywhere && (port.internalLocal ? routed.local : routed.cluster).length > 0;
  const hasExternal = anywhere && (port.externalLocal ? routed.local : routed.cluster).length > 0;
  const usesFirewall = anywhere && port.loadBalancerIPs.length > 0 && port.sourceRanges.length > 0;
  const externalChain = chains.external(port);

  const natServices: string[] = [];
  const natNodePorts: string[] = [];
  const filterServices: string[] = [];
  const filterExternal: string[] = [];
  const filterFirewall: string[] = [];
  const translate = (match: string, what: string, target: string) =>
    natServices.push(`-A ${chains.services} ${match} ${comment(`${port.name} ${what}`)} -j ${target}`);
  const refusal = anywhere
    ? `${comment(`${port.name} has no local endpoints`)} -j DROP`
    : `${comment(`${port.name} has no endpoints`)} -j REJECT --reject-with icmp-port-unreachable`;
  const refuseExternal = (match: string) => {
    if (!hasExternal) filterExternal.push(`-A ${chains.externalServices} ${match} ${refusal}`);
  };

  const toClusterIP = matching(port, port.port, port.clusterIP);
  if (hasInternal) translate(toClusterIP, 'cluster IP', internalChain);
  else filterServices.push(`-A ${chains.services} ${toClusterIP} ${refusal}`);

  for (const address of port.externalIPs) {
    const match = matching(port, port.port, address);
    if (anywhere) translate(match, 'external IP', externalChain);
    refuseExternal(match);
  }
  for (const address of port.loadBalancerIPs) {
    const match = matching(port, port.port, address);
    if (anywhere)
      translate(match, 'loadbalancer IP', usesFirewall ? chains.sourceRanges(port) : externalChain);
    if (usesFirewall) {
      const why = comment(`${port.name} traffic not accepted by ${chains.sourceRanges(port)}`);
      filterFirewall.push(`-A ${chains.proxyFirewall} ${match} ${why} -j DROP`);
    }
    refuseExternal(match);
  }
  if (port.nodePort) {
    const match = matching(port, port.nodePort);
    if (anywhere)
      natNodePorts.push(`-A ${chains.nodePorts} ${match} ${comment(port.name)} -j ${externalChain}`);
    refuseExternal(`${match} -m addrtype --dst-type LOCAL`);
  }
  const filterNodePorts = port.healthCheckNodePort
    ? [
        `-A ${chains.nodePorts} -p tcp -m tcp --dport ${port.healthCheckNodePort} ` +
          `${comment(`${port.name} health check node port`)} -j ACCEPT`,
      ]
    : [];

  const natChains = new Map<string, readonly string[]>();
  if (anywhere && external) natChains.set(externalChain, externalRules(port, hasExternal, config));
  if (usesFirewall) natChains.set(chains.sourceRanges(port), sourceRangeRules(port, config));
  if (routed.cluster.length > 0)
    natChains.set(chains.cluster(port), balancingRules(port, chains.cluster(port), routed.cluster, config));
  if (routed.local.length > 0)
    natChains.set(chains.local(port), balancingRules(port, chains.local(port), routed.local, config));
  for (const endpoint of routed.reachable)
    natChains.set(chains.endpoint(port, endpoint), endpointRules(port, endpoint, config));
  return {
    natServices,
    natNodePorts,
    filterServices,
    filterExternal,
    filterNodePorts,
    filterFirewall,
    natChains,
  };
}

/** Traffic to addresses other than the cluster IP. */
function externalRules(port: ServicePort, hasExternal: boolean, config: RuleConfig): string[] {
  const { chains, clusterCIDR } = config;
  const add = (what: string, rest: string) =>
    `-A ${chains.external(port)} ${comment(`${what} ${port.name} external destinations`)} ${rest}`;
  const rules: string[] = [];
  if (!port.externalLocal) {
    // The answer must come back through this node, wherever the endpoint is.
    rules.push(add('masquerade traffic for', `-j ${chains.markMasq}`));
  } else {
    // Under policy Local the source is kept. Pods and the node itself get any endpoint: as if they had gone out to the
    // load balancer and come in at a node that has one.
    if (clusterCIDR) rules.push(add('pod traffic for', `-s ${clusterCIDR} -j ${chains.cluster(port)}`));
    const fromNode = '-m addrtype --src-type LOCAL';
    rules.push(add('masquerade LOCAL traffic for', `${fromNode} -j ${chains.markMasq}`));
    rules.push(add('route LOCAL traffic for', `${fromNode} -j ${chains.cluster(port)}`));
  }
  if (hasExternal) {
    const next = port.externalLocal ? chains.local(port) : chains.cluster(port);
    rules.push(`-A ${chains.external(port)} -j ${next}`);
  }
  return rules;
}

/** What is not let through stays untranslated and is dropped in the filter table. */
function sourceRangeRules(port: ServicePort, { chains, nodeIP }: RuleConfig): string[] {
  const chain = chains.sourceRanges(port);
  // A node that has the load balancer's address on itself writes to it from that very address.
  const fromNode = nodeIP && port.sourceRanges.some((range) => contains(range, nodeIP));
  const sources = [...port.sourceRanges, ...(fromNode ? port.loadBalancerIPs.map((ip) => `${ip}/32`) : [])];
  return sources.map(
    (source) =>
      `-A ${chain} -s ${source} ${comment(`${port.name} loadbalancer IP`)} -j ${chains.external(port)}`,
  );
}

/** Shares traffic out evenly: of n endpoints the first takes 1/n, the next 1/(n-1) of what is left, ... the last the rest. */
function balancingRules(
  port: ServicePort,
  chain: string,
  endpoints: readonly Endpoint[],
  config: RuleConfig,
): string[] {
  const { chains, clusterCIDR, masqueradeAll } = config;
  const rules: string[] = [];
  if (chain === (port.internalLocal ? chains.local(port) : chains.cluster(port))) {
    const toClusterIP = `${matching(port, port.port, port.clusterIP)} ${comment(`${port.name} cluster IP`)}`;
    if (masqueradeAll) rules.push(`-A ${chain} ${toClusterIP} -j ${chains.markMasq}`);
    // Who writes to a cluster IP from outside the cluster uses this node as a router: answers must come back through it.
    else if (clusterCIDR) rules.push(`-A ${chain} ! -s ${clusterCIDR} ${toClusterIP} -j ${chains.markMasq}`);
  }
  const arrow = ({ ip, port: number }: Endpoint) => comment(`${port.name} -> ${ip}:${number}`);
  if (port.affinitySeconds > 0) {
    for (const endpoint of endpoints) {
      const target = chains.endpoint(port, endpoint);
      const seen = `-m recent --rcheck --seconds ${port.affinitySeconds} --reap --name ${target}`;
      rules.push(`-A ${chain} ${arrow(endpoint)} ${seen} -j ${target}`);
    }
  }
  endpoints.forEach((endpoint, i) => {
    const left = endpoints.length - i;
    const chance = left > 1 ? ` -m statistic --mode random --probability ${(1 / left).toFixed(10)}` : '';
    rules.push(`-A ${chain} ${arrow(endpoint)}${chance} -j ${chains.endpoint(port, endpoint)}`);
  });
  return rules;
}

function endpointRules(
  port: ServicePort,
  endpoint: Endpoint,
  { chains, masqueradeLocal }: RuleConfig,
): string[] {
  const chain = chains.endpoint(port, endpoint);
  const about = comment(port.name);
  // An endpoint that reaches itself through its service must not see its own address as the source.
  const source = (masqueradeLocal && endpoint.podCIDR) || `${endpoint.ip}/32`;
  const remember = port.affinitySeconds > 0 ? ` -m recent --set --name ${chain}` : '';
  const { protocol } = port;
  return [
    `-A ${chain} -s ${source} ${about} -j ${chains.markMasq}`,
    `-A ${chain} -p ${protocol} ${about}${remember} -m ${protocol} -j DNAT --to-destination ${endpoint.ip}:${endpoint.port}`,
  ];
}
