import { hostname } from 'node:os';
import { pods } from '../api/core/pod.ts';
import type { Connector, PathHandler } from '../apiserver/http/handler.ts';
import type { ApiServer } from '../apiserver/server.ts';
import type { Informers } from '../client/client.ts';
import { Delegated } from '../client/delegated.ts';
import { type Kubelet, startKubelet } from '../kubelet/kubelet.ts';
import { linuxHost } from '../kubelet/node/host.ts';
import { containerdImageMounts } from '../kubelet/node/image-mounts.ts';
import { serveKubelet } from '../kubelet/node/server.ts';
import type { Log } from '../machinery/log.ts';
import { notFound, serviceUnavailable } from '../machinery/status.ts';
import type { Store } from '../machinery/store.ts';
import { Trace } from '../machinery/trace.ts';
import type { Explanation } from '../scheduler/explain.ts';
import { addressIn, type ClusterConfig } from './config.ts';
import {
  type ApiService,
  type Controllers,
  dataPaths,
  sharedInformers,
  startApi,
  startControllers,
} from './control-plane.ts';
import { certificatesIn } from './node/certificates.ts';
import { serveComponentPorts } from './node/component-ports.ts';
import { claim, release } from './node/instance.ts';
import { mergeKubeconfig, writeKubeconfig } from './node/kubeconfig.ts';
import { fileLogs } from './node/logs.ts';
import { systemClock, systemRandom } from './node/platform.ts';
import {
  cgroupRootOf,
  type NodeNetworkFacts,
  nodePaths,
  type RealRuntime,
  raiseBridge,
  startRuntime,
} from './node/real-node.ts';
import { openStore } from './node/store.ts';
import { eitherOf, kubeletConnections, remoteKubelets, streams } from './node/streams.ts';
import { type NodeServices, startNodeServices } from './node-services.ts';
import { resourcePaths, wherryPaths } from './paths.ts';
import { simulatedNodes } from './simulated-nodes.ts';
import { type ClusterStatus, statusOf } from './status.ts';
import { publishRanges } from './system-services.ts';
import { version } from './version.ts';

const kubeletPort = 10250;

/** Tells the user what is happening, a line each. */
export type Progress = (line: string) => void;

export interface Cluster {
  config: ClusterConfig;
  server: string;
  kubeconfig: string;
  api: ApiService;
  store: Store;
  informers: Informers;
  trace: Trace;
  log: Log;
  kubelets: Map<string, Kubelet>;
  startedAtMs: number;
  status(): Promise<ClusterStatus>;
  /** What each plugin of the scheduler says of each node for this pod. Throws NotFound. */
  why(namespace: string, pod: string): Promise<Explanation>;
  /** Resolves when all nodes are Ready and the system services answer. */
  ready(signal?: AbortSignal): Promise<void>;
  /** Ends what runs in this process; containers go on. */
  stop(): Promise<void>;
}

export const nodeNameOf = (): string =>
  hostname()
    .toLowerCase()
    .replace(/[^a-z0-9.-]/g, '-');

/** The composition root: everything is made here, in the order in which it depends on one another. */
export async function startCluster(config: ClusterConfig, progress: Progress): Promise<Cluster> {
  const startedAtMs = systemClock.now();
  const paths = dataPaths(config);
  const logs = fileLogs(paths.logs);
  const { log } = logs;
  const trace = new Trace();
  const undo: (() => Promise<void> | void)[] = [() => logs.close()];
  const stop = async () => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    const network = config.nodes ? await raiseBridge(config, log) : undefined;
    // containerd needs a while, and nothing of the control plane: it starts beside.
    const starting = network && startRuntime(config, network, log);
    starting?.catch(() => {});
    const { sharing } = config.apiServer ?? {};
    const store = await openStore(config.store, paths.etcd, sharing?.etcd, progress);
    undo.push(() => store.close());

    const kubelets = new Map<string, Kubelet>();
    const connectors: Connector[] = [];
    const resources = () => controllers?.scheduler?.resources() ?? '';
    const extra: PathHandler[] = [wherryPaths(() => cluster), resourcePaths(resources)];
    let controllers: Controllers | undefined;
    const certificates = await certificatesIn(paths.pki, systemClock.now(), sharing?.certDir);
    let serving: ApiServer | undefined;
    const elsewhere = await remoteKubelets(() => serving, certificates, config.apiServer?.kubelet);
    const connections = eitherOf(kubeletConnections(kubelets), elsewhere);
    const address = network?.nodeIP;
    const link = streams(connections);
    const api = await startApi({
      config,
      certificates,
      store,
      log,
      trace,
      connectors,
      paths: extra,
      upgrade: (...args) => link.upgrade(...args),
      addresses: [...config.bindAddresses, ...(address ? [address] : [])],
      hosts: [nodeNameOf(), ...(address ? [address] : [])],
    });
    serving = api.server;
    connectors.push(...link.connect(api.server));
    undo.push(() => api.close());

    const server = `https://127.0.0.1:${config.apiPort}`;
    const admin = await certificates.certificate('admin', {
      commonName: 'kubernetes-admin',
      organizations: ['system:masters'],
    });
    const access = { name: `wherry-${config.name}`, server, ca: certificates.ca.cert, ...admin };
    writeKubeconfig(paths.kubeconfig, access);
    const problem = config.userKubeconfig && mergeKubeconfig(config.userKubeconfig, access.name, access);
    if (problem) progress(problem);
    claim({
      name: config.name,
      dataDir: config.dataDir,
      runDir: config.runDir,
      server,
      nodes: config.nodes ? [nodeNameOf()] : [],
      startedAt: new Date(startedAtMs).toISOString(),
      version,
    });
    undo.push(() => release(config.dataDir));
    progress(`API server, etcd: ${server} (${Math.round(systemClock.now() - startedAtMs)} ms)`);

    const informers = sharedInformers(api, log);
    const ended = new AbortController();
    undo.push(() => ended.abort());
    const started = await startControllers(api, certificates, log, trace, informers, config.leaderElection);
    controllers = started;
    undo.push(async () => started[Symbol.asyncDispose]());
    const admins = api.clientFor('system:apiserver', ['system:masters']);
    await publishRanges(admins, config);
    informers.start(ended.signal);
    progress('controller manager, scheduler: started');

    const services = await startNodeServices({
      config,
      api,
      informers,
      log,
      trace,
      network,
      nodeName: nodeNameOf(),
    });
    undo.push(() => services.stop());
    if (config.componentPorts) {
      const { proxy } = services;
      const servers = await serveComponentPorts({ api, certificates, log, proxy, resources });
      undo.push(async () => void (await Promise.all(servers.map((one) => one[Symbol.asyncDispose]()))));
    }
    if (network && starting) {
      const real = await starting;
      undo.push(async () => {
        await real.runtime[Symbol.asyncDispose]();
        await real.containerd[Symbol.asyncDispose]();
      });
      const kubelet = await realKubelet({ config, api, informers, log, trace }, network, real);
      kubelets.set(nodeNameOf(), kubelet);
      undo.push(() => kubelet.stop());
      // For API servers in other processes, and whoever measures.
      const host = network.nodeIP;
      const pair = await certificates.certificate('kubelet-server', {
        ...{ commonName: `system:node:${nodeNameOf()}`, organizations: ['system:nodes'] },
        hosts: [nodeNameOf(), host],
      });
      const kubeletServer = await serveKubelet({
        ...{ api: kubelet.api, log, host, port: kubeletPort, ...pair, clientCA: certificates.ca.cert },
        delegated: new Delegated(api.clientFor(`system:node:${nodeNameOf()}`, ['system:nodes']), systemClock),
      });
      undo.push(async () => kubeletServer[Symbol.asyncDispose]());
      progress(
        `node ${nodeNameOf()}: kubelet, containerd${real.containerd.adopted ? ' (still running, taken over)' : ''}, kube-proxy, DNS`,
      );
    }
    const simulated = await simulatedNodes({ config, api, informers, log, trace }, kubelets);
    undo.push(() => simulated.stop());
    if (config.simulatedNodes)
      progress(`${config.simulatedNodes} simulated node${config.simulatedNodes > 1 ? 's' : ''}`);

    const cluster: Cluster = {
      config,
      server,
      kubeconfig: paths.kubeconfig,
      api,
      store,
      informers,
      trace,
      log,
      kubelets,
      startedAtMs,
      stop,
      status: () => statusOf(cluster, services),
      async why(namespace, name) {
        const pod = informers(pods).get(name, namespace);
        if (!pod) throw notFound(pods, name);
        if (!started.scheduler) throw serviceUnavailable('the scheduler of another process leads: ask there');
        return started.scheduler.explain(pod);
      },
      ready: (signal) => whenReady(kubelets, services, signal),
    };
    return cluster;
  } catch (error) {
    await stop();
    throw error;
  }
}

interface Basis {
  config: ClusterConfig;
  api: ApiService;
  informers: Informers;
  log: Log;
  trace: Trace;
}

async function realKubelet(
  { config, api, informers, log, trace }: Basis,
  network: NodeNetworkFacts,
  { runtime, containerd }: RealRuntime,
): Promise<Kubelet> {
  const nodeName = nodeNameOf();
  const at = nodePaths(config);
  const cgroupRoot = cgroupRootOf(config.name);
  return startKubelet({
    client: api.clientFor(`system:node:${nodeName}`, ['system:nodes']),
    informers,
    clock: systemClock,
    random: systemRandom,
    log,
    trace,
    runtime,
    host: await linuxHost({
      clock: systemClock,
      dataDir: at.kubelet,
      runDir: at.kubeletRun,
      logDir: at.podLogs,
      cgroupRoot,
      imageMounts: containerdImageMounts(containerd),
    }),
    nodeName,
    nodeIP: network.nodeIP,
    podCIDR: network.podCIDR,
    clusterDNS: addressIn(config.serviceCIDR, 10),
    clusterDomain: config.clusterDomain,
    cgroupRoot,
  });
}

async function whenReady(
  kubelets: Map<string, Kubelet>,
  services: NodeServices,
  signal?: AbortSignal,
): Promise<void> {
  await Promise.all([...kubelets.values()].map((kubelet) => kubelet.whenReady(signal)));
  await services.ready(signal);
}
