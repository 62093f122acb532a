import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { allKinds } from '../api/all.ts';
import { type RequestHeaderTrust, requestHeaderDefaults } from '../apiserver/authn/request-header.ts';
import type { TokenKeys } from '../apiserver/authn/service-account.ts';
import { parseEncryptionConfiguration } from '../apiserver/encryption/configuration.ts';
import { EncryptedStore } from '../apiserver/encryption/encrypted-store.ts';
import { publishServer } from '../apiserver/endpoint-leases/publish.ts';
import { historyPaths } from '../apiserver/history/paths.ts';
import type { Exchange } from '../apiserver/http/exchange.ts';
import { type Connector, handle, type PathHandler } from '../apiserver/http/handler.ts';
import { openApiPaths } from '../apiserver/http/openapi.ts';
import { builtInPaths } from '../apiserver/http/paths.ts';
import { inProcessTransport } from '../apiserver/in-process.ts';
import { inProcessHttp } from '../apiserver/in-process-http.ts';
import { metricsPaths } from '../apiserver/metrics/paths.ts';
import { nodeCiphers } from '../apiserver/node/ciphers.ts';
import { type HttpsServer, serveHttps } from '../apiserver/node/https-server.ts';
import { nodeSender } from '../apiserver/node/sender.ts';
import { shutDown } from '../apiserver/node/shutdown.ts';
import { yamlInThread } from '../apiserver/node/yaml.ts';
import type { ClientIdentity } from '../apiserver/outbound/outbound.ts';
import { type ApiServer, createApiServer } from '../apiserver/server.ts';
import type { Client, Informers } from '../client/client.ts';
import { repeatedDiscovery } from '../client/discovery.ts';
import { createInformers } from '../client/informer.ts';
import { type Rest, restTransport } from '../client/rest.ts';
import { createClient } from '../client/typed.ts';
import { startControllerManager } from '../controller-manager/start.ts';
import type { Log } from '../machinery/log.ts';
import type { Store } from '../machinery/store.ts';
import type { Trace } from '../machinery/trace.ts';
import { type Scheduler, startScheduler } from '../scheduler/start.ts';
import type { ApiServerSettings } from './api-settings.ts';
import { bootstrapCluster } from './bootstrap.ts';
import { addressIn, type ClusterConfig } from './config.ts';
import { alone, elect, type LeaderElectionSettings } from './election.ts';
import { controllerUser } from './identities.ts';
import { auditFrom } from './node/audit.ts';
import type { Certificates, KeyPair } from './node/certificates.ts';
import { readDescriptions } from './node/descriptions.ts';
import { advertised } from './node/host-address.ts';
import { processMetrics, systemClock, systemRandom, uuid } from './node/platform.ts';
import { publicTokenKeys, tokenKeysFrom } from './node/token-keys.ts';

export interface ApiService {
  server: ApiServer;
  /** Listening sockets. */
  https: HttpsServer[];
  /** A client with this identity, in process. */
  clientFor(name: string, groups: string[]): Client;
  /** The same for what is no resource, such as discovery. */
  restFor(name: string, groups?: string[]): Rest;
  close(): Promise<void>;
}

export interface ApiOptions {
  config: ClusterConfig;
  certificates: Certificates;
  store: Store;
  log: Log;
  trace: Trace;
  /** Addresses to listen on, and all names that the certificate must carry. */
  addresses: string[];
  hosts: string[];
  paths: PathHandler[];
  connectors: Connector[];
  upgrade: Parameters<typeof serveHttps>[0]['upgrade'];
}

/** The API server with its sockets. Resolves when it listens and the bootstrap policy is there. */
export async function startApi(options: ApiOptions): Promise<ApiService> {
  const { config, certificates, store, log, trace } = options;
  const settings = config.apiServer ?? {};
  const { requestHeader, proxyIdentity } = await proxyTrust(settings, certificates);
  const { sharing, eventTtlMs } = settings;
  const [issuer, ...otherIssuers] = sharing?.issuers.length
    ? sharing.issuers
    : [`https://kubernetes.default.svc.${config.clusterDomain}`];
  const clientCA = together(certificates.ca.cert, sharing?.clientCAFile);
  const server = await createApiServer({
    store: settings.encryptionConfig ? await encrypted(store, settings.encryptionConfig) : store,
    clock: systemClock,
    random: systemRandom,
    uuid,
    log: log.child({ component: 'apiserver' }),
    trace,
    tokenKeys: tokenKeys(settings, certificates),
    ...{ issuer: issuer!, otherIssuers, eventTtlMs },
    serviceCIDR: config.serviceCIDR,
    nodePorts: '30000-32767',
    sender: nodeSender(),
    parseYaml: yamlInThread(),
    maxInFlight: (settings.maxRequestsInflight ?? 400) + (settings.maxMutatingRequestsInflight ?? 200),
    ...(settings.audit ? { audit: auditFrom(settings.audit, log.child({ component: 'audit' })) } : {}),
    ...{ requestHeader, proxyIdentity, clientCA },
    ...(settings.history ? { history: settings.history } : {}),
    descriptions: readDescriptions,
  });
  const clientFor = (name: string, groups: string[]) =>
    createClient(inProcessTransport(server, { name, groups }, name.replace(/^system:/, '')));
  const restFor = (name: string, groups: string[] = []) =>
    restTransport(inProcessHttp(server, { name, groups }));
  const address = advertised(sharing?.advertiseAddress, options.addresses);
  const pair = await servingPair(options, address);
  const closing = new AbortController();
  const paths = [
    ...options.paths,
    historyPaths,
    ...builtInPaths,
    metricsPaths(processMetrics),
    openApiPaths(),
  ];
  const answer = (exchange: Exchange) =>
    handle(server, exchange, { paths, connectors: options.connectors, closing: closing.signal });
  const https: HttpsServer[] = [];
  let published: AsyncDisposable | undefined;
  const close = async () => {
    await published?.[Symbol.asyncDispose]();
    await shutDown({ server, https, closing, delayMs: settings.shutdownDelayMs ?? 0 });
    await server[Symbol.asyncDispose]();
  };
  try {
    for (const host of options.addresses) {
      https.push(
        await serveHttps({
          host,
          port: config.apiPort,
          cert: pair.cert,
          key: pair.key,
          clientCA,
          proxyCA: requestHeader.ca,
          handle: answer,
          onHandshakeError: () => server.metrics.requests.handshakeFailed(),
          upgrade: options.upgrade,
        }),
      );
    }
    const itself = clientFor('system:apiserver', ['system:masters']);
    await bootstrapCluster(itself);
    const host = hostname();
    const known = {
      ...{ port: config.apiPort, serviceIP: addressIn(config.serviceCIDR, 1), host, uuid },
      address: sharing?.endpointReconciler === 'none' ? undefined : address,
      // Two on one host have two identities.
      identity: config.apiPort === 6443 ? host : `${host}:${config.apiPort}`,
    };
    published = await publishServer(known, {
      ...{ store: server.registry.store, client: itself, clock: systemClock },
      log: log.child({ component: 'apiserver' }),
    });
  } catch (error) {
    await close();
    throw error;
  }
  server.pending.clear();
  return { server, https, clientFor, restFor, close };
}

/** The certificate that is shown to clients. */
async function servingPair(
  { config, certificates, hosts }: ApiOptions,
  address: string | undefined,
): Promise<KeyPair> {
  const given = config.apiServer?.sharing?.serving;
  if (given) return { cert: readFileSync(given.certFile, 'utf8'), key: readFileSync(given.keyFile, 'utf8') };
  return certificates.certificate('apiserver', {
    commonName: 'kube-apiserver',
    hosts: [
      ...new Set([
        'localhost',
        '127.0.0.1',
        '::1',
        'kubernetes',
        'kubernetes.default',
        'kubernetes.default.svc',
        `kubernetes.default.svc.${config.clusterDomain}`,
        addressIn(config.serviceCIDR, 1),
        ...(address ? [address] : []),
        ...hosts,
      ]),
    ],
  });
}

/** Two PEM files in one. */
export const together = (pem: string, file: string | undefined): string =>
  file ? `${pem.trimEnd()}\n${readFileSync(file, 'utf8')}` : pem;

/** Keys of tokens: our own, or those of files that several API servers share. Throws a sentence that names the file. */
function tokenKeys({ sharing }: ApiServerSettings, certificates: Certificates): TokenKeys {
  const read = <T>(file: string, parse: (pem: string) => T): T => {
    try {
      return parse(readFileSync(file, 'utf8'));
    } catch (error) {
      throw new Error(`the keys of tokens in ${file} cannot be used: ${(error as Error).message}`, {
        cause: error,
      });
    }
  };
  const others = (sharing?.keyFiles ?? []).flatMap((file) => read(file, publicTokenKeys));
  const own = sharing?.signingKeyFile;
  if (own) return read(own, (pem) => tokenKeysFrom(pem, others));
  return { ...certificates.tokenKeys, others };
}

/** Whom we believe when he says for whom he asks, and how we ask for others. */
async function proxyTrust(
  { requestHeader, proxyClient }: ApiServerSettings,
  certificates: Certificates,
): Promise<{ requestHeader: RequestHeaderTrust; proxyIdentity: ClientIdentity }> {
  const { ca, client } = await certificates.frontProxy();
  const { clientCAFile, ...headers } = requestHeader ?? {};
  return {
    requestHeader: {
      ...requestHeaderDefaults,
      ...headers,
      ca: clientCAFile ? readFileSync(clientCAFile, 'utf8') : ca.cert,
    },
    proxyIdentity: proxyClient
      ? { cert: readFileSync(proxyClient.certFile, 'utf8'), key: readFileSync(proxyClient.keyFile, 'utf8') }
      : client,
  };
}

/** Rejects with a sentence that names the file. */
async function encrypted(store: Store, file: string): Promise<Store> {
  try {
    const transformers = parseEncryptionConfiguration(readFileSync(file, 'utf8'), nodeCiphers);
    const wrapped = new EncryptedStore(store, transformers);
    await wrapped.check();
    return wrapped;
  } catch (error) {
    throw new Error(`the encryption configuration ${file} cannot be used: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

export interface Controllers extends AsyncDisposable {
  /** Undefined while that of another process leads. */
  readonly scheduler: Scheduler | undefined;
}

/** Controllers and scheduler, each with its own identity, over shared informers; where several processes have them, in one. */
export async function startControllers(
  api: ApiService,
  certificates: Certificates,
  log: Log,
  trace: Trace,
  informers: Informers,
  election: LeaderElectionSettings | undefined,
): Promise<Controllers> {
  const metrics = api.server.metrics.registry;
  const common = { informers, clock: systemClock, random: systemRandom, trace, metrics };
  const startManager = () =>
    startControllerManager({
      ...common,
      log,
      client: api.clientFor('system:kube-controller-manager', []),
      kinds: allKinds,
      discover: repeatedDiscovery(api.restFor('system:kube-controller-manager')),
      rootCA: certificates.ca.cert,
      clientFor: (name) =>
        api.clientFor(controllerUser(name), ['system:serviceaccounts', 'system:serviceaccounts:kube-system']),
      mintToken: async ({ namespace, name, uid }, secret) => {
        const minted = await api.server.tokens.mint(
          { namespace, serviceAccount: { name, uid }, secret, audiences: [], lifetimeSeconds: undefined },
          systemClock.now(),
        );
        return minted.token;
      },
    });
  const startScheduling = () =>
    startScheduler({
      ...common,
      log: log.child({ component: 'scheduler' }),
      client: api.clientFor('system:kube-scheduler', []),
    });
  const as = (name: string, component: string) => ({
    client: api.clientFor(name, []),
    log: log.child({ component }),
    metrics,
  });
  const controllers = election
    ? elect(
        'kube-controller-manager',
        startManager,
        election,
        as('system:kube-controller-manager', 'controller-manager'),
      )
    : alone(await startManager());
  const scheduler = election
    ? elect('kube-scheduler', startScheduling, election, as('system:kube-scheduler', 'scheduler'))
    : alone(await startScheduling());
  return {
    get scheduler() {
      return scheduler.running;
    },
    async [Symbol.asyncDispose]() {
      await scheduler[Symbol.asyncDispose]();
      await controllers[Symbol.asyncDispose]();
    },
  };
}

/** Informers that all components of this process share. */
export const sharedInformers = (api: ApiService, log: Log): Informers =>
  createInformers(api.clientFor('system:apiserver', ['system:masters']), {
    clock: systemClock,
    log: log.child({ component: 'informers' }),
  });

export const dataPaths = (config: ClusterConfig) => ({
  pki: join(config.dataDir, 'pki'),
  etcd: join(config.dataDir, 'etcd'),
  logs: join(config.dataDir, 'logs'),
  kubeconfig: join(config.dataDir, 'kubeconfig'),
});
