import type { Informers } from '../client/client.ts';
import { simulatedRuntime } from '../cri/simulated.ts';
import { type Kubelet, startKubelet } from '../kubelet/kubelet.ts';
import { ObjectCache } from '../kubelet/object-cache.ts';
import { simulatedHost } from '../kubelet/simulated-host.ts';
import type { Log } from '../machinery/log.ts';
import type { Trace } from '../machinery/trace.ts';
import { addressIn, type ClusterConfig, nodePodCIDR } from './config.ts';
import type { ApiService } from './control-plane.ts';
import { systemClock, systemRandom } from './node/platform.ts';

export interface SimulatedNodes {
  stop(): Promise<void>;
}

/** Nodes whose containers are acted: the same kubelet over a runtime in memory. They join `kubelets` as they come up. */
export async function simulatedNodes(
  {
    config,
    api,
    informers,
    log,
    trace,
  }: { config: ClusterConfig; api: ApiService; informers: Informers; log: Log; trace: Trace },
  kubelets: Map<string, Kubelet>,
): Promise<SimulatedNodes> {
  const own: Kubelet[] = [];
  const runtimes: AsyncDisposable[] = [];
  // One cache for all of them: it may read what a pod of any of these nodes names.
  const objects = new ObjectCache({
    client: api.clientFor('system:simulated-nodes', ['system:masters']),
    clock: systemClock,
    log,
  });
  const start = async (i: number) => {
    const nodeName = `simulated-${i}`;
    const podCIDR = nodePodCIDR(config.podCIDR, i);
    const runtime = simulatedRuntime({ clock: systemClock, random: systemRandom, podCIDR });
    runtimes.push(runtime);
    const kubelet = await startKubelet({
      client: api.clientFor(`system:node:${nodeName}`, ['system:nodes']),
      informers,
      clock: systemClock,
      random: systemRandom,
      log,
      trace,
      runtime,
      host: simulatedHost({ clock: systemClock, nodeName, readLog: runtime.readLog }),
      nodeName,
      nodeIP: addressIn(podCIDR, 1),
      podCIDR,
      clusterDNS: addressIn(config.serviceCIDR, 10),
      clusterDomain: config.clusterDomain,
      objects,
      labels: { 'node.wherry.dev/simulated': 'true', 'topology.kubernetes.io/zone': `zone-${i % 3}` },
    });
    own.push(kubelet);
    kubelets.set(nodeName, kubelet);
  };
  for (let i = 1; i <= config.simulatedNodes; i += 50) {
    await Promise.all(
      Array.from({ length: Math.min(50, config.simulatedNodes - i + 1) }, (_, k) => start(i + k)),
    );
  }
  return {
    async stop() {
      await Promise.all(own.map((kubelet) => kubelet.stop()));
      await Promise.all(runtimes.map((runtime) => runtime[Symbol.asyncDispose]()));
    },
  };
}
