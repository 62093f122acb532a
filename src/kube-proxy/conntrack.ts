import type { RoutedPort, ServiceMap } from './service-map.ts';

/**
 * UDP has no end of a connection: as long as a client goes on sending from one port, conntrack sends it to the endpoint
 * that it was first sent to, dead or alive; and what came before a service had its first endpoint goes on untranslated.
 * So flows of services that lead elsewhere than to a present endpoint are forgotten.
 */
export interface Flow {
  readonly source: string;
  readonly destination: string;
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** Who answers: the endpoint, or the destination itself where nothing is translated. */
  readonly answers: string;
  readonly answersPort: number;
}

/**
 * Reads the output of `conntrack -L -p udp`:
 * `udp 17 28 src=10.1.0.2 dst=10.96.0.10 sport=5353 dport=53 [UNREPLIED] src=10.1.0.9 dst=10.1.0.2 sport=53 dport=5353 mark=0`
 */
export function parseFlows(text: string): Flow[] {
  return text.split('\n').flatMap((line): Flow[] => {
    const all = (key: string) =>
      [...line.matchAll(new RegExp(`(?:^| )${key}=(\\S+)`, 'g'))].map((m) => m[1]!);
    const [source, answers] = all('src');
    const [destination] = all('dst');
    const [sourcePort, answersPort] = all('sport').map(Number);
    const [destinationPort] = all('dport').map(Number);
    if (!source || !answers || !destination || !sourcePort || !answersPort || !destinationPort) return [];
    return [{ source, destination, sourcePort, destinationPort, answers, answersPort }];
  });
}

const udpPorts = (services: ServiceMap): RoutedPort[] =>
  [...services.values()].flat().filter(({ port }) => port.protocol === 'udp');

/** Flows to a UDP service port whose answers do not come from one of its endpoints. */
export function staleFlows(flows: readonly Flow[], services: ServiceMap): Flow[] {
  const byAddress = new Map<string, RoutedPort>();
  const byNodePort = new Map<number, RoutedPort>();
  for (const routed of udpPorts(services)) {
    const { clusterIP, externalIPs, loadBalancerIPs, port, nodePort } = routed.port;
    for (const address of [clusterIP, ...externalIPs, ...loadBalancerIPs])
      byAddress.set(`${address}:${port}`, routed);
    if (nodePort) byNodePort.set(nodePort, routed);
  }
  return flows.filter(({ destination, destinationPort, answers, answersPort }) => {
    const routed = byAddress.get(`${destination}:${destinationPort}`) ?? byNodePort.get(destinationPort);
    // While there is no endpoint, packets are refused, and refused packets make no flow.
    if (!routed || routed.reachable.length === 0) return false;
    return !routed.reachable.some(({ ip, port }) => ip === answers && port === answersPort);
  });
}

/** Arguments for `conntrack` that delete these flows, one line for all flows between the same service and endpoint. */
export function deletions(flows: readonly Flow[]): string[][] {
  const kinds = new Map<string, string[]>();
  for (const { destination, destinationPort, answers } of flows) {
    const match = [
      '--orig-dst',
      destination,
      '--orig-port-dst',
      String(destinationPort),
      '--reply-src',
      answers,
    ];
    kinds.set(match.join(' '), ['-D', '-p', 'udp', ...match]);
  }
  return [...kinds.values()];
}

/** Whether a change from one set of routed ports of a service to another can leave stale flows behind. */
export function leavesFlows(before: readonly RoutedPort[], after: readonly RoutedPort[]): boolean {
  return before.some(({ port, reachable }) => {
    if (port.protocol !== 'udp') return false;
    const next = after.find((routed) => routed.port.name === port.name && routed.port.protocol === 'udp');
    if (!next) return false;
    const stays = new Set(next.reachable.map((endpoint) => `${endpoint.ip}:${endpoint.port}`));
    const first = reachable.length === 0 && next.reachable.length > 0;
    return first || reachable.some((endpoint) => !stays.has(`${endpoint.ip}:${endpoint.port}`));
  });
}
