import { nodes } from '../api/core/node.ts';
import { pods } from '../api/core/pod.ts';
import type { NodeServices } from './node-services.ts';
import type { Cluster } from './start.ts';
import { version } from './version.ts';

export interface ClusterStatus {
  name: string;
  version: string;
  server: string;
  dataDir: string;
  pid: number;
  upSeconds: number;
  memoryBytes: number;
  store: { kind: string; revision: number; keys: number; bytes: number };
  components: { name: string; healthy: boolean; detail: string }[];
  nodes: { name: string; ready: boolean; pods: number }[];
}

/** What runs, and whether it is well. */
export async function statusOf(cluster: Cluster, services: NodeServices): Promise<ClusterStatus> {
  const { api, config, informers } = cluster;
  const { store, clock } = api.server.registry;
  const all = informers(pods).list();
  const found = informers(nodes)
    .list()
    .map((node) => ({
      name: node.metadata.name!,
      ready: node.status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True') ?? false,
      pods: all.filter((pod) => pod.spec.nodeName === node.metadata.name).length,
    }));
  const { keys, bytes } = store.stats();
  return {
    name: config.name,
    version,
    server: cluster.server,
    dataDir: config.dataDir,
    pid: process.pid,
    upSeconds: Math.round((clock.now() - cluster.startedAtMs) / 1000),
    memoryBytes: process.memoryUsage().rss,
    store: { kind: config.store, revision: store.revision, keys, bytes },
    components: [
      { name: 'etcd', healthy: true, detail: `revision ${store.revision}, ${keys} keys` },
      { name: 'apiserver', healthy: api.server.pending.size === 0, detail: cluster.server },
      { name: 'controller-manager', healthy: true, detail: 'in this process' },
      { name: 'scheduler', healthy: true, detail: 'in this process' },
      ...[...cluster.kubelets]
        .slice(0, 5)
        .map(([name, kubelet]) => ({ name: `kubelet ${name}`, healthy: kubelet.api.healthy(), detail: '' })),
      ...services.status(),
    ],
    nodes: found,
  };
}
