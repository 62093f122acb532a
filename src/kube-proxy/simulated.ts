import type { Backend, BackendFactory } from './backend.ts';
import type { Endpoint, ServiceMap } from './service-map.ts';
import type { Protocol, ServicePort } from './service-port.ts';

/** What a connection meets: endpoints, one of which it gets; nobody (refused or silently dropped); no service at all. */
export type Way = readonly Endpoint[] | 'rejected' | 'dropped' | undefined;

export interface SimulatedBackend extends Backend {
  readonly name: 'simulated';
  /** Where traffic from within the cluster to a cluster IP goes. */
  toClusterIP(address: string, port: number, protocol?: Protocol): Way;
  /** Where traffic from outside to this node's port goes. */
  toNodePort(port: number, protocol?: Protocol): Way;
  /** How often rules were written. */
  readonly writes: number;
  /** Tests set it, to see a proxy without rules, or one whose rules are refused. */
  fault?: Error;
}

/** Keeps the rules in memory: for machines without root, for hollow nodes and for tests. */
export function simulatedBackend(): SimulatedBackend {
  let written: ServiceMap | undefined;
  let writes = 0;
  const find = (matches: (port: ServicePort) => boolean) =>
    [...(written?.values() ?? [])].flat().find(({ port }) => matches(port));
  const way = (routed: ReturnType<typeof find>, local: boolean): Way => {
    if (!routed) return undefined;
    if (!routed.anywhere) return 'rejected';
    const endpoints = local ? routed.local : routed.cluster;
    return endpoints.length > 0 ? endpoints : 'dropped';
  };
  return {
    name: 'simulated',
    get writes() {
      return writes;
    },
    toClusterIP(address, port, protocol = 'tcp') {
      const routed = find((p) => p.clusterIP === address && p.port === port && p.protocol === protocol);
      return way(routed, routed?.port.internalLocal ?? false);
    },
    toNodePort(port, protocol = 'tcp') {
      const routed = find((p) => p.nodePort === port && p.protocol === protocol);
      return way(routed, routed?.port.externalLocal ?? false);
    },
    async write(services) {
      if (this.fault) throw this.fault;
      written = new Map(services);
      writes++;
    },
    intact: async () => written !== undefined,
    dropStaleFlows: async () => 0,
    async cleanup() {
      written = undefined;
    },
  };
}

/** The factory that startKubeProxy wants. */
export const simulated: BackendFactory = async () => simulatedBackend();
