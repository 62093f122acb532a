import { existsSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { allKinds } from '../api/all.ts';
import { tokenAuthority } from '../apiserver/authn/service-account.ts';
import type { Connector } from '../apiserver/http/handler.ts';
import { contentType, processText } from '../apiserver/metrics/paths.ts';
import type { ApiServer } from '../apiserver/server.ts';
import { Delegated } from '../client/delegated.ts';
import { repeatedDiscovery } from '../client/discovery.ts';
import { createInformers } from '../client/informer.ts';
import { transportFrom } from '../client/node/kubeconfig.ts';
import type { Rest } from '../client/rest.ts';
import { createClient } from '../client/typed.ts';
import { startApi, together } from '../cluster/control-plane.ts';
import { elect, type LeaderElectionSettings } from '../cluster/election.ts';
import { certificatesIn } from '../cluster/node/certificates.ts';
import {
  type ComponentServer,
  componentMetrics,
  type Pages,
  proxyPages,
} from '../cluster/node/component-server.ts';
import { writeKubeconfig } from '../cluster/node/kubeconfig.ts';
import { lineLog, processMetrics, systemClock, systemRandom, uuid } from '../cluster/node/platform.ts';
import { openStore } from '../cluster/node/store.ts';
import { remoteKubelets, streams } from '../cluster/node/streams.ts';
import { tokenKeysFrom } from '../cluster/node/token-keys.ts';
import { startControllerManager } from '../controller-manager/start.ts';
import { connectRuntime } from '../cri/node/containerd-client.ts';
import { cniBinDir } from '../cri/node/install.ts';
import { defaultCorefile } from '../dns/default-corefile.ts';
import { dnsSockets } from '../dns/node/sockets.ts';
import { startDns } from '../dns/start.ts';
import { embeddedStore, takeOverFormat1 } from '../etcd/node/embedded.ts';
import { startEtcdServer } from '../etcd/node/grpc-server.ts';
import { iptables } from '../kube-proxy/node/iptables.ts';
import { simulated } from '../kube-proxy/simulated.ts';
import { startKubeProxy } from '../kube-proxy/start.ts';
import { startKubelet } from '../kubelet/kubelet.ts';
import { linuxHost } from '../kubelet/node/host.ts';
import { serveKubelet } from '../kubelet/node/server.ts';
import { MetricRegistry } from '../machinery/metrics.ts';
import { Trace } from '../machinery/trace.ts';
import { startScheduler } from '../scheduler/start.ts';
import { apiFlags, apiSettings } from './api-flags.ts';
import { type FlagHelp, type FlagSpecs, type Subcommand, subcommand, UserError } from './command.ts';
import { leaderFlags, leaderSettings } from './leader-flags.ts';
import { placeOf } from './place.ts';
import { addressOf, orSay } from './port.ts';
import { componentHealth, secureFlags, servePlain, serveSecure } from './serving.ts';

const log = lineLog((line) => void process.stderr.write(line));
const trace = new Trace();
const text = (path: string): string => {
  if (!existsSync(path)) throw new UserError(`there is no file ${path}.`);
  return readFileSync(path, 'utf8');
};

/** Runs until SIGINT or SIGTERM, then lets go. */
async function serve(running: AsyncDisposable[]): Promise<number> {
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });
  for (const one of running.reverse()) await one[Symbol.asyncDispose]();
  process.exit(0);
}

/** What every component that speaks to an API server begins with. */
async function connected(kubeconfig: string | undefined, component: string, metrics?: MetricRegistry) {
  const userAgent = `wherry-${component}`;
  const rest = await transportFrom(kubeconfig, { userAgent, ...(metrics ? { metrics } : {}) });
  const client = createClient(rest);
  const informers = createInformers(client, { clock: systemClock, log: log.child({ component }) });
  const ended = new AbortController();
  return {
    rest,
    common: {
      client,
      informers,
      clock: systemClock,
      random: systemRandom,
      log: log.child({ component }),
      trace,
      ...(metrics ? { metrics } : {}),
    },
    /** Call when the component is wired to the informers. */
    go: () => informers.start(ended.signal),
    stop: { [Symbol.asyncDispose]: async () => ended.abort() } as AsyncDisposable,
  };
}

type Common = Awaited<ReturnType<typeof connected>>['common'];

/** Runs a component here, or, where several processes have it, whenever this one leads; says how it is all the time. */
async function lead<T extends AsyncDisposable>(
  name: string,
  flags: Flags,
  election: LeaderElectionSettings | undefined,
  start: (common: Common, rest: Rest) => Promise<T>,
  pages: (running: () => T | undefined) => Pages = () => ({}),
): Promise<number> {
  const component = name.replace('kube-', '');
  const { kubeconfig } = flags;
  const registry = componentMetrics();
  let term: { running: T; synced: boolean } | undefined;
  // Who does not lead has nothing to know.
  const health = componentHealth(() => (term ? term.synced : Boolean(election)), Boolean(election));
  const server = await serveSecure(name, flags, {
    ...{ registry, health, log: log.child({ component }) },
    pages: pages(() => term?.running),
  });
  const servers = server ? [server] : [];
  /** Each term begins with caches of its own. */
  const begin = async (): Promise<AsyncDisposable> => {
    const { rest, common, go, stop } = await connected(kubeconfig, component, registry);
    const running = await start(common, rest);
    const own = { running, synced: false };
    term = own;
    go();
    common.informers.whenSynced().then(
      () => {
        own.synced = true;
      },
      (error: unknown) => log.debug('caches did not sync', { component, error: String(error) }),
    );
    return {
      async [Symbol.asyncDispose]() {
        if (term === own) term = undefined;
        await running[Symbol.asyncDispose]();
        await stop[Symbol.asyncDispose]();
      },
    };
  };
  if (!election) return serve([...servers, await begin()]);
  const { client, log: its } = (await connected(kubeconfig, component, registry)).common;
  return serve([...servers, elect(name, begin, election, { client, log: its, metrics: registry })]);
}

type Flags = Record<string, string | undefined>;
interface Option {
  name: string;
  value: string;
  help: string;
  default?: string;
}

/** A component's subcommand: all its flags take a value, and have upstream's names. */
function component(
  name: string,
  summary: string,
  options: Option[],
  run: (flags: Flags) => Promise<number>,
): Subcommand<any> {
  const flags: FlagSpecs = { help: { type: 'boolean', short: 'h' } };
  const help: Record<string, FlagHelp> = { help: { help: 'this text' } };
  for (const option of options) {
    flags[option.name] = {
      type: 'string',
      ...(option.default === undefined ? {} : { default: option.default }),
    };
    help[option.name] = { value: option.value, help: option.help };
  }
  return subcommand({
    name,
    usage: `${name} [FLAGS]`,
    summary,
    flags,
    help: help as never,
    run: (_args, given) => run(given),
  });
}

const kubeconfigOption: Option = {
  name: 'kubeconfig',
  value: 'FILE',
  help: "how to reach the API server (default: KUBECONFIG, then the pod's own account)",
};
const nodeOption: Option = {
  name: 'hostname-override',
  value: 'NAME',
  help: "the node's name",
  default: hostname().toLowerCase(),
};

export const apiserver = component(
  'apiserver',
  'Runs the API server alone, with its store in the data directory or in an etcd cluster.',
  [
    { name: 'name', value: 'NAME', help: 'name of the data directory', default: 'apiserver' },
    { name: 'data-dir', value: 'DIR', help: 'store, certificates and kubeconfig' },
    { name: 'bind-address', value: 'IP', help: 'where to listen', default: '127.0.0.1' },
    { name: 'secure-port', value: 'PORT', help: 'port of HTTPS', default: '6443' },
    {
      name: 'service-cluster-ip-range',
      value: 'CIDR',
      help: 'addresses of services',
      default: '10.96.0.0/16',
    },
    {
      name: 'etcd-servers',
      value: 'URLS',
      help: 'an etcd cluster, instead of the data directory: its members, with commas between',
    },
    ...apiFlags,
  ],
  async (flags) => {
    const apiServer = apiSettings(flags);
    const place = placeOf({ name: flags.name!, 'data-dir': flags['data-dir'] });
    const { sharing, kubelet: kubeletSettings } = apiServer;
    const pki = join(place.dataDir, 'pki');
    const certificates = await certificatesIn(pki, systemClock.now(), sharing?.certDir);
    const servers = flags['etcd-servers'];
    const kind = servers ? (`etcd=${servers}` as const) : 'embedded';
    const say = (line: string) => void process.stderr.write(`${line}\n`);
    const store = await openStore(kind, join(place.dataDir, 'etcd'), sharing?.etcd, say);
    let serving: ApiServer | undefined;
    const kubelets = await remoteKubelets(() => serving, certificates, kubeletSettings);
    const link = streams(kubelets);
    const connectors: Connector[] = [];
    const port = Number(flags['secure-port']);
    const api = await startApi({
      config: {
        ...place,
        apiPort: port,
        bindAddresses: [flags['bind-address']!],
        store: kind,
        nodes: 0,
        simulatedNodes: 0,
        podCIDR: '10.244.0.0/16',
        serviceCIDR: flags['service-cluster-ip-range']!,
        clusterDomain: 'cluster.local',
        userKubeconfig: undefined,
        apiServer,
      },
      certificates,
      store,
      log,
      trace,
      addresses: [flags['bind-address']!],
      hosts: [hostname(), flags['bind-address']!],
      paths: [],
      connectors,
      upgrade: (...args) => link.upgrade(...args),
    });
    serving = api.server;
    connectors.push(...link.connect(api.server));
    const server = `https://${flags['bind-address']}:${port}`;
    for (const [file, commonName, organizations] of [
      ['admin', 'kubernetes-admin', ['system:masters']],
      ['controller-manager', 'system:kube-controller-manager', ['system:masters']],
      ['scheduler', 'system:kube-scheduler', []],
      ['proxy', 'system:kube-proxy', []],
    ] as [string, string, string[]][]) {
      const pair = await certificates.certificate(file, { commonName, organizations });
      writeKubeconfig(join(place.dataDir, file === 'admin' ? 'kubeconfig' : `${file}.kubeconfig`), {
        name: file,
        server,
        ca: together(certificates.ca.cert, sharing?.clientCAFile),
        ...pair,
      });
    }
    process.stdout.write(`API server at ${server}, kubeconfigs in ${place.dataDir}\n`);
    return serve([
      { [Symbol.asyncDispose]: () => store.close() },
      { [Symbol.asyncDispose]: () => api.close() },
    ]);
  },
);

export const etcd = component(
  'etcd',
  'Runs the store alone, and serves the etcd v3 API.',
  [
    { name: 'data-dir', value: 'DIR', help: 'where the store is', default: 'default.etcd' },
    {
      name: 'listen-client-urls',
      value: 'URLS',
      help: 'where to listen, with commas between: http:, https: or unix:',
      default: 'http://127.0.0.1:2379',
    },
    { name: 'cert-file', value: 'FILE', help: "the server's certificate, for https" },
    { name: 'key-file', value: 'FILE', help: 'its key' },
    { name: 'trusted-ca-file', value: 'FILE', help: 'only clients with a certificate of this authority' },
    {
      name: 'listen-metrics-urls',
      value: 'URLS',
      help: 'where else to answer /metrics, /health, /livez and /readyz, which the client URLs do, too',
    },
  ],
  async (flags) => {
    const { 'cert-file': cert, 'key-file': key, 'trusted-ca-file': clientCA } = flags;
    if (Boolean(cert) !== Boolean(key)) throw new UserError('--cert-file and --key-file go together.', 2);
    const pem = (path: string): Buffer => Buffer.from(text(path));
    const tls = cert &&
      key && { cert: pem(cert), key: pem(key), ...(clientCA ? { clientCA: pem(clientCA) } : {}) };
    await takeOverFormat1(flags['data-dir']!);
    const store = embeddedStore(flags['data-dir']!);
    try {
      const server = await startEtcdServer({
        store,
        urls: flags['listen-client-urls']!.split(','),
        metricsUrls: flags['listen-metrics-urls']?.split(',').filter(Boolean) ?? [],
        ofProcess: () => processText(processMetrics),
        ...(tls ? { tls } : {}),
        clock: systemClock,
        random: systemRandom,
        log: log.child({ component: 'etcd' }),
      });
      process.stdout.write(`etcd at ${server.urls.join(', ')}, data in ${flags['data-dir']}\n`);
      return serve([{ [Symbol.asyncDispose]: () => store.close() }, server]);
    } catch (error) {
      await store.close();
      throw error;
    }
  },
);

export const controllerManager = component(
  'controller-manager',
  'Runs the controllers alone.',
  [
    kubeconfigOption,
    { name: 'controllers', value: 'LIST', help: 'which: * for all, NAME, -NAME', default: '*' },
    { name: 'root-ca-file', value: 'FILE', help: 'authority that is published to every namespace' },
    { name: 'service-account-private-key-file', value: 'FILE', help: 'key that signs tokens of secrets' },
    { name: 'cluster-cidr', value: 'CIDR', help: 'addresses of pods; nodes get parts of it' },
    ...leaderFlags('true', true),
    ...secureFlags(10_257),
  ],
  async (flags) => {
    const election = leaderSettings(flags, true);
    const keyFile = flags['service-account-private-key-file'];
    const living = { serviceAccount: () => undefined, pod: () => undefined, secret: () => undefined };
    const keys = keyFile ? tokenKeysFrom(text(keyFile)) : undefined;
    const issuer = 'https://kubernetes.default.svc.cluster.local';
    const tokens = keys && (await tokenAuthority(keys, issuer, [issuer], living, uuid));
    return lead('kube-controller-manager', flags, election, (common, rest) =>
      startControllerManager({
        ...common,
        kinds: allKinds,
        discover: repeatedDiscovery(rest),
        controllers: flags.controllers!.split(','),
        ...(flags['root-ca-file'] ? { rootCA: text(flags['root-ca-file']) } : {}),
        ...(flags['cluster-cidr'] ? { clusterCidrs: [flags['cluster-cidr']] } : {}),
        ...(tokens
          ? {
              mintToken: async (
                { namespace, name, uid }: { namespace: string; name: string; uid: string },
                secret: { name: string; uid: string },
              ) =>
                (
                  await tokens.mint(
                    {
                      namespace,
                      serviceAccount: { name, uid },
                      secret,
                      audiences: [],
                      lifetimeSeconds: undefined,
                    },
                    systemClock.now(),
                  )
                ).token,
            }
          : {}),
      }),
    );
  },
);

export const scheduler = component(
  'scheduler',
  'Runs the scheduler alone.',
  [kubeconfigOption, ...leaderFlags('true', true), ...secureFlags(10_259)],
  (flags) =>
    lead('kube-scheduler', flags, leaderSettings(flags, true), startScheduler, (running) => ({
      '/metrics/resources': () => ({ type: contentType, body: running()?.resources() ?? '' }),
    })),
);

export const kubelet = component(
  'kubelet',
  'Runs the kubelet alone, on any CRI v1 runtime.',
  [
    kubeconfigOption,
    nodeOption,
    {
      name: 'container-runtime-endpoint',
      value: 'SOCKET',
      help: "the runtime's socket",
      default: 'unix:///run/containerd/containerd.sock',
    },
    { name: 'root-dir', value: 'DIR', help: 'volumes and logs', default: '/var/lib/kubelet' },
    { name: 'node-ip', value: 'IP', help: "the node's address", default: '127.0.0.1' },
    { name: 'pod-cidr', value: 'CIDR', help: "addresses of this node's pods" },
    { name: 'cluster-dns', value: 'IP', help: 'resolver of pods' },
    { name: 'cluster-domain', value: 'DOMAIN', help: 'domain of the cluster', default: 'cluster.local' },
    { name: 'max-pods', value: 'N', help: 'most pods on this node', default: '110' },
    { name: 'cgroup-root', value: 'PATH', help: 'under which cgroup pods are', default: '' },
    { name: 'tls-cert-file', value: 'FILE', help: 'certificate of its own server; without one it has none' },
    { name: 'tls-private-key-file', value: 'FILE', help: 'key of that certificate' },
    {
      name: 'client-ca-file',
      value: 'FILE',
      help: 'authority of those who ask it with a certificate; what they may, and whose tokens are, the API server says',
    },
    { name: 'port', value: 'PORT', help: 'port of its own server', default: '10250' },
  ],
  async (flags) => {
    if (!cniBinDir())
      throw new UserError('the CNI plugins are missing: install containernetworking-plugins.');
    const { common, go, stop } = await connected(flags.kubeconfig, 'kubelet');
    const dir = flags['root-dir']!;
    const runtime = connectRuntime(flags['container-runtime-endpoint']!.replace(/^unix:\/\//, ''), { log });
    go();
    const running = await startKubelet({
      ...common,
      runtime,
      nodeName: flags['hostname-override']!,
      nodeIP: flags['node-ip']!,
      podCIDR: flags['pod-cidr'],
      clusterDNS: flags['cluster-dns'],
      clusterDomain: flags['cluster-domain'],
      maxPods: Number(flags['max-pods']),
      cgroupRoot: flags['cgroup-root'],
      host: await linuxHost({
        clock: systemClock,
        dataDir: dir,
        runDir: join(dir, 'run'),
        logDir: join(dir, 'pod-logs'),
        cgroupRoot: flags['cgroup-root'],
      }),
    });
    const files = ['tls-cert-file', 'tls-private-key-file', 'client-ca-file'].map((name) => flags[name]);
    if (!files.every(Boolean)) {
      if (files.some(Boolean))
        throw new UserError('--tls-cert-file, --tls-private-key-file and --client-ca-file go together.', 2);
      return serve([stop, runtime, running]);
    }
    const [cert, key, clientCA] = files.map((file) => text(file!)) as [string, string, string];
    const server = await serveKubelet({
      ...{ api: running.api, log, cert, key, clientCA },
      delegated: new Delegated(common.client, systemClock),
      host: flags['node-ip']!,
      port: Number(flags.port),
    });
    return serve([stop, runtime, running, server]);
  },
);

export const proxy = component(
  'proxy',
  'Runs kube-proxy alone.',
  [
    kubeconfigOption,
    nodeOption,
    { name: 'proxy-mode', value: 'iptables|simulated', help: 'where rules go', default: 'iptables' },
    {
      name: 'cluster-cidr',
      value: 'CIDR',
      help: 'addresses of pods: what comes from elsewhere is masqueraded',
    },
    { name: 'node-ip', value: 'IP', help: "the node's address" },
    {
      name: 'metrics-bind-address',
      value: 'ADDRESS',
      help: '/metrics over HTTP; "" for none',
      default: '127.0.0.1:10249',
    },
    {
      name: 'healthz-bind-address',
      value: 'ADDRESS',
      help: '/healthz and /livez over HTTP; "" for none',
      default: '0.0.0.0:10256',
    },
  ],
  async (flags) => {
    const metrics = componentMetrics();
    const { common, go, stop } = await connected(flags.kubeconfig, 'kube-proxy', metrics);
    const mode = flags['proxy-mode'];
    if (mode !== 'iptables' && mode !== 'simulated')
      throw new UserError(`--proxy-mode takes "iptables" or "simulated", not "${mode}".`, 2);
    const addresses = (['metrics-bind-address', 'healthz-bind-address'] as const).map((flag) => ({
      ...{ flag, at: addressOf(flag, flags[flag]!) },
    }));
    const running = await startKubeProxy({
      ...common,
      nodeName: flags['hostname-override']!,
      backend: mode === 'iptables' ? iptables() : simulated,
      clusterCIDR: flags['cluster-cidr'],
      nodeIP: flags['node-ip'],
    });
    const pages = proxyPages(running, metrics, mode);
    const servers: ComponentServer[] = [];
    for (const [i, { flag, at }] of addresses.entries()) {
      const server = await servePlain(at, flag, i === 0 ? pages.metrics : pages.health, common.log);
      if (server) servers.push(server);
    }
    go();
    return serve([stop, running, ...servers]);
  },
);

/** What CoreDNS answers over HTTP, by the plugin of its Corefile. */
const probes = [
  { flag: 'metrics-bind-address', plugin: 'prometheus', port: 9153, help: '/metrics over HTTP' },
  { flag: 'health-bind-address', plugin: 'health', port: 8080, help: '/health over HTTP' },
  { flag: 'ready-bind-address', plugin: 'ready', port: 8181, help: '/ready over HTTP' },
];

export const dns = component(
  'dns',
  'Runs the DNS server alone.',
  [
    kubeconfigOption,
    {
      name: 'conf',
      value: 'COREFILE',
      help: 'its configuration (default: cluster.local, forwarding the rest)',
    },
    { name: 'address', value: 'IP', help: 'where to listen', default: '127.0.0.1' },
    { name: 'dns.port', value: 'PORT', help: 'port of UDP and TCP', default: '1053' },
    ...probes.map(({ flag, help, port }) => ({
      ...{ name: flag, value: 'ADDRESS' },
      ...{ help: `${help}, unless --conf says; CoreDNS has it at 127.0.0.1:${port}`, default: '' },
    })),
  ],
  async (flags) => {
    const { common, go, stop } = await connected(flags.kubeconfig, 'dns', new MetricRegistry());
    const lines = probes.flatMap(({ flag, plugin }) => {
      const at = addressOf(flag, flags[flag]!);
      return at ? [`${plugin} ${at.host.includes(':') ? `[${at.host}]` : at.host}:${at.port}`] : [];
    });
    const running = await orSay(Number(flags['dns.port']), '--dns.port', () =>
      startDns({
        ...common,
        sockets: dnsSockets,
        addresses: [{ host: flags.address!, port: Number(flags['dns.port']) }],
        corefile: flags.conf ? text(flags.conf) : defaultCorefile('cluster.local', lines),
      }),
    );
    go();
    process.stdout.write(`DNS at ${flags.address}:${running.port}\n`);
    return serve([stop, running]);
  },
);
