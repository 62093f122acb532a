import { hostname } from 'node:os';
import type { Connector, PathHandler } from '../apiserver/http/handler.ts';
import type { Informers } from '../client/client.ts';
import { memoryStore } from '../etcd/memory.ts';
import { embeddedStore } from '../etcd/node/embedded.ts';
import { Trace } from '../machinery/trace.ts';
import { addressIn, type ClusterConfig, nodePodCIDR } from './config.ts';
import { type ApiService, dataPaths, sharedInformers, startApi, startControllers } from './control-plane.ts';
import { certificatesIn } from './node/certificates.ts';
import { claim, release } from './node/instance.ts';
import { mergeKubeconfig, writeKubeconfig } from './node/kubeconfig.ts';
import { fileLogs } from './node/logs.ts';
import { systemClock } from './node/platform.ts';

/** Tells the user what is happening, a line each. */
export type Progress = (line: string) => void;

export interface Cluster {
  config: ClusterConfig;
  server: string;
  kubeconfig: string;
  api: ApiService;
  informers: Informers;
  trace: Trace;
  nodeNames: string[];
  /** Resolves when all nodes are Ready and the system services answer. */
  ready(signal?: AbortSignal): Promise<void>;
  /** Ends what runs in this process; containers go on. */
  stop(): Promise<void>;
}

export const nodeNameOf = (): string =>
  hostname()
    .toLowerCase()
    .replace(/[^a-z0-9.-]/g, '-');
void nodePodCIDR;
void addressIn;

export async function startCluster(config: ClusterConfig, progress: Progress): Promise<Cluster> {
  const paths = dataPaths(config);
  const logs = fileLogs(paths.logs);
  const trace = new Trace();
  const undo: (() => Promise<void> | void)[] = [() => logs.close()];
  const stop = async () => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    const store = config.store === 'memory' ? memoryStore() : embeddedStore(paths.etcd);
    undo.push(() => store.close());
    const certificates = await certificatesIn(paths.pki, systemClock.now());
    const connectors: Connector[] = [];
    const pathHandlers: PathHandler[] = [];
    const api = await startApi({
      config,
      certificates,
      store,
      log: logs.log,
      trace,
      addresses: config.bindAddresses,
      hosts: [nodeNameOf()],
      paths: pathHandlers,
      connectors,
      upgrade: async (exchange) => exchange.respond(400, {}, ''),
    });
    undo.push(() => api.close());
    const server = `https://127.0.0.1:${config.apiPort}`;
    const admin = await certificates.certificate('admin', {
      commonName: 'kubernetes-admin',
      organizations: ['system:masters'],
    });
    writeKubeconfig(paths.kubeconfig, {
      name: `wherry-${config.name}`,
      server,
      ca: certificates.ca.cert,
      ...admin,
    });
    if (config.userKubeconfig) {
      const problem = mergeKubeconfig(config.userKubeconfig, `wherry-${config.name}`, {
        name: '',
        server,
        ca: certificates.ca.cert,
        ...admin,
      });
      if (problem) progress(problem);
    }
    claim({
      name: config.name,
      dataDir: config.dataDir,
      runDir: config.runDir,
      server,
      nodes: [],
      startedAt: new Date().toISOString(),
      version: '0.1.0',
    });
    undo.push(() => release(config.dataDir));
    progress(`API server: ${server}`);
    const informers = sharedInformers(api, logs.log);
    const controllers = await startControllers(api, certificates, logs.log, trace, informers);
    undo.push(async () => controllers[Symbol.asyncDispose]());
    const ended = new AbortController();
    informers.start(ended.signal);
    undo.push(() => ended.abort());
    return {
      config,
      server,
      kubeconfig: paths.kubeconfig,
      api,
      informers,
      trace,
      nodeNames: [],
      ready: async () => {},
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
