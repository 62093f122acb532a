import { inProcessTransport } from '../apiserver/in-process.ts';
import { inProcessHttp } from '../apiserver/in-process-http.ts';
import { nodeSender } from '../apiserver/node/sender.ts';
import { yamlInThread } from '../apiserver/node/yaml.ts';
import { type ApiServer, type ApiServerOptions, createApiServer } from '../apiserver/server.ts';
import type { Client, Informers } from '../client/client.ts';
import { type Discovery, repeatedDiscovery } from '../client/discovery.ts';
import { createInformers } from '../client/informer.ts';
import { restTransport } from '../client/rest.ts';
import { createClient } from '../client/typed.ts';
import { bootstrapCluster } from '../cluster/bootstrap.ts';
import { makeTokenKeys } from '../cluster/node/certificates.ts';
import { systemClock, systemRandom, uuid } from '../cluster/node/platform.ts';
import { memoryStore } from '../etcd/memory.ts';
import type { Clock } from '../machinery/clock.ts';
import { type Log, silentLog } from '../machinery/log.ts';
import type { Store } from '../machinery/store.ts';
import { Trace } from '../machinery/trace.ts';

export interface ControlPlane extends AsyncDisposable {
  server: ApiServer;
  /** As system:masters. */
  client: Client;
  /** Started; ends with `stop`. */
  informers: Informers;
  trace: Trace;
  /** What is served, asked as repeatedDiscovery does. */
  discover(): Promise<Discovery>;
  /** A client for somebody else. */
  clientFor(name: string, groups?: string[]): Client;
  stop(): Promise<void>;
}

let keys: { privateKey: string; publicKey: string } | undefined;

/** An API server in this process on a store in memory (or the one given, which `stop` closes), with the bootstrap policy and the default namespaces: for tests. */
export async function startControlPlane(
  options: {
    clock?: Clock;
    log?: Log;
    store?: Store;
    serviceCIDR?: string;
    nodePorts?: string;
    /** What else the API server is told. */
    api?: Partial<ApiServerOptions>;
  } = {},
): Promise<ControlPlane> {
  const { clock = systemClock, log = silentLog, store = memoryStore() } = options;
  keys ??= await makeTokenKeys();
  const trace = new Trace();
  const server = await createApiServer({
    store,
    clock,
    random: systemRandom,
    uuid,
    log,
    trace,
    tokenKeys: keys,
    issuer: 'https://kubernetes.default.svc.cluster.local',
    serviceCIDR: options.serviceCIDR ?? '10.96.0.0/16',
    nodePorts: options.nodePorts ?? '30000-32767',
    sender: nodeSender(),
    parseYaml: yamlInThread(),
    ...options.api,
  });
  const clientFor = (name: string, groups: string[] = []) =>
    createClient(inProcessTransport(server, { name, groups }, name));
  const client = clientFor('system:admin', ['system:masters']);
  await bootstrapCluster(client, { defaultServiceAccounts: true });
  const discover = repeatedDiscovery(
    restTransport(inProcessHttp(server, { name: 'system:admin', groups: ['system:masters'] })),
  );
  const informers = createInformers(client, { clock, log });
  const ended = new AbortController();
  informers.start(ended.signal);
  server.pending.clear();
  const stop = async () => {
    ended.abort();
    await server[Symbol.asyncDispose]();
    await server.registry.store.close();
  };
  return { server, client, informers, trace, discover, clientFor, stop, [Symbol.asyncDispose]: stop };
}
