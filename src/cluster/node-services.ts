import type { Informers } from '../client/client.ts';
import { dnsSockets, nodeResolvers } from '../dns/node/sockets.ts';
import { type DnsServer, startDns } from '../dns/start.ts';
import type { BackendFactory } from '../kube-proxy/backend.ts';
import { healthServer } from '../kube-proxy/node/health-server.ts';
import { iptables } from '../kube-proxy/node/iptables.ts';
import { simulated } from '../kube-proxy/simulated.ts';
import { type KubeProxy, startKubeProxy } from '../kube-proxy/start.ts';
import type { Log } from '../machinery/log.ts';
import type { Tracer } from '../machinery/trace.ts';
import type { ClusterConfig } from './config.ts';
import type { ApiService } from './control-plane.ts';
import { lineLog, systemClock, systemRandom } from './node/platform.ts';
import type { NodeNetworkFacts } from './node/real-node.ts';
import { dnsService, publishService } from './system-services.ts';

/** What every node of this machine shares: the rules of services, and names. */
export interface NodeServices {
  proxy: KubeProxy;
  status(): { name: string; healthy: boolean; detail: string }[];
  /** Resolves when rules are written and DNS listens. */
  ready(signal?: AbortSignal): Promise<void>;
  stop(): Promise<void>;
}

export interface NodeServicesOptions {
  config: ClusterConfig;
  api: ApiService;
  informers: Informers;
  log: Log;
  trace: Tracer;
  /** Undefined where no real node is: rules are then kept in memory only. */
  network: NodeNetworkFacts | undefined;
  nodeName: string;
}

/** Chains and mark of a cluster: `KUBE-` for the one called default, else of its own, so that several do not meet. */
export function proxyNames(name: string): { prefix: string; mark: number } {
  if (name === 'default') return { prefix: 'KUBE-', mark: 0x4000 };
  let hash = 5381;
  for (let i = 0; i < name.length; i++) hash = (Math.imul(hash, 33) ^ name.charCodeAt(i)) >>> 0;
  return {
    prefix: `W${(hash % 46_656).toString(36).toUpperCase().padStart(3, '0')}-`,
    mark: 1 << (16 + (hash % 8)),
  };
}

export async function startNodeServices(options: NodeServicesOptions): Promise<NodeServices> {
  const { config, api, informers, log, trace, network, nodeName } = options;
  const common = { informers, clock: systemClock, random: systemRandom, trace };
  const backend: BackendFactory = network ? iptables() : simulated;
  const proxy: KubeProxy = await startKubeProxy({
    ...common,
    metrics: api.server.metrics.registry,
    log: log.child({ component: 'kube-proxy' }),
    client: api.clientFor('system:kube-proxy', ['system:node-proxier']),
    nodeName,
    backend,
    clusterCIDR: config.podCIDR,
    owner: `wherry-${config.name}`,
    ...proxyNames(config.name),
    ...(network
      ? { nodeIP: network.nodeIP, podCIDR: network.podCIDR, health: healthServer(network.nodeIP) }
      : {}),
  });
  const host = network?.nodeIP ?? '127.0.0.1';
  const dns: DnsServer = await startDns({
    ...common,
    metrics: api.server.metrics.registry,
    log: log.child({ component: 'dns' }),
    client: api.clientFor('system:serviceaccount:kube-system:coredns', []),
    addresses: [{ host, port: 0 }],
    clusterDomain: config.clusterDomain,
    sockets: dnsSockets,
    upstream: nodeResolvers(),
  });
  await publishService(
    api.clientFor('system:apiserver', ['system:masters']),
    dnsService(config, host, dns.port),
  );
  return {
    proxy,
    status: () => [
      { name: 'kube-proxy', healthy: true, detail: `${proxy.backend.name}` },
      { name: 'dns', healthy: true, detail: `${host}:${dns.port}` },
    ],
    async ready() {
      await informers.whenSynced();
      await proxy.synced();
    },
    async stop() {
      await dns[Symbol.asyncDispose]();
      await proxy[Symbol.asyncDispose]();
    },
  };
}

/** Removes the rules of a cluster that does not run any more. */
export async function cleanupProxy(name: string): Promise<void> {
  const { prefix, mark } = proxyNames(name);
  const backend = await iptables()({
    prefix,
    mark,
    owner: `wherry-${name}`,
    log: lineLog((line) => void process.stderr.write(line), 'warn'),
  });
  await backend.cleanup();
}
