import { allKinds } from '../api/all.ts';
import { horizontalPodAutoscalers } from '../api/autoscaling/horizontal-pod-autoscaler.ts';
import { horizontalPodAutoscalersV1 } from '../api/autoscaling/horizontal-pod-autoscaler-v1.ts';
import { endpoints } from '../api/core/endpoints.ts';
import { events } from '../api/core/event.ts';
import type { Texts } from '../api/descriptions.ts';
import { eventsV1 } from '../api/events/event.ts';
import { typeFacts } from '../api/facts.gen.ts';
import { createClient } from '../client/typed.ts';
import type { Clock, Random } from '../machinery/clock.ts';
import type { HistoryWindow } from '../machinery/history.ts';
import type { Kind } from '../machinery/kind.ts';
import type { Log } from '../machinery/log.ts';
import type { Store } from '../machinery/store.ts';
import { noTrace, type Tracer } from '../machinery/trace.ts';
import type { ParseYaml } from '../machinery/yaml.ts';
import { admissionChain } from './admission/index.ts';
import { type Aggregation, startAggregation } from './aggregation/aggregation.ts';
import { RemoteOpenAPI } from './aggregation/remote-openapi.ts';
import { Remotes } from './aggregation/remotes.ts';
import { type ServiceRanges, serviceAllocator } from './allocation/service.ts';
import { type AuditorOptions, createAuditor } from './audit/auditor.ts';
import type { Auditor } from './audit/trail.ts';
import type { RequestHeaderTrust } from './authn/request-header.ts';
import { type TokenAuthority, type TokenKeys, tokenAuthority } from './authn/service-account.ts';
import { type Authorizer, createAuthorizer } from './authz/authorizer.ts';
import { Caches } from './cache/caches.ts';
import type { User } from './context.ts';
import { aliasView, autoscalingConversion, type Conversion, eventConversion } from './conversions.ts';
import { customResources } from './crd/custom-resources.ts';
import { Catalog } from './discovery/catalog.ts';
import { countTransformations } from './encryption/metrics.ts';
import { FlowControl } from './flow-control/flow-control.ts';
import { maintainFlowControl } from './flow-control/maintain.ts';
import { addChecks } from './health/checks.ts';
import { Health } from './health/health.ts';
import { RevisionTimes } from './history/times.ts';
import { housekeeping } from './housekeeping.ts';
import { inProcessTransport } from './in-process.ts';
import { ServerMetrics } from './metrics/server-metrics.ts';
import { type ClientIdentity, createOutbound, type Outbound, type Sender } from './outbound/outbound.ts';
import { tellTypeChecks } from './policies/type-check-status.ts';
import type { ReconcileLoop } from './reconcile.ts';
import { leasesOf } from './registry/event-leases.ts';
import type { Registry } from './registry/registry.ts';
import { Turns } from './registry/turns.ts';
import { Scheme } from './scheme.ts';
import { subresourceHandlers } from './subresources/handlers.ts';
import type { SubresourceHandlers } from './subresources/index.ts';
import { webhookMetrics } from './webhooks/metrics.ts';

export interface ApiServerOptions extends ServiceRanges {
  store: Store;
  clock: Clock;
  random: Random;
  uuid: () => string;
  log: Log;
  trace?: Tracer;
  tokenKeys: TokenKeys;
  /** Tokens that are known beforehand. */
  staticTokens?: Map<string, User>;
  /** `https://kubernetes.default.svc.cluster.local` */
  issuer: string;
  /** Issuers whose tokens are believed, too. */
  otherIssuers?: string[];
  /** Opens connections to webhooks and extension servers, and is closed with the server; without it there are none. */
  sender?: Sender;
  /** Reads long YAML without holding up others; without it, it is read in place. */
  parseYaml?: ParseYaml;
  /** What `kubectl explain` says of types; without it there is little. */
  descriptions?: () => Texts | undefined;
  /** Requests that are served at once, but for exempt ones: reading and writing ones together (600 unless told). */
  maxInFlight?: number;
  /** What is written down of requests, and where; nothing unless told. */
  audit?: { policy: AuditorOptions['policy']; backends(outbound: Outbound): AuditorOptions['backends'] };
  /** Proxies that may say for whom they ask. */
  requestHeader?: RequestHeaderTrust;
  /** What we show of ourselves to the servers of aggregated APIs. */
  proxyIdentity?: ClientIdentity;
  /** PEM: the authority of client certificates, published for those servers. */
  clientCA?: string;
  /** How much of the past is kept; five to ten minutes unless told. */
  history?: HistoryWindow;
  /** How long events are kept; an hour unless told. */
  eventTtlMs?: number | undefined;
}

/** The API server without its sockets: what requests are performed on. */
export interface ApiServer extends AsyncDisposable {
  registry: Registry;
  handlers: SubresourceHandlers;
  authorizer: Authorizer;
  tokens: TokenAuthority;
  metrics: ServerMetrics;
  health: Health;
  flow: FlowControl;
  /** Undefined when nothing is audited. */
  auditor: Auditor | undefined;
  /** Groups that other servers serve. */
  remotes: Remotes;
  remoteOpenAPI: RemoteOpenAPI;
  /** All that is served, also by others. */
  catalog: Catalog;
  /** `leaving`: no longer ready, but all is served as before; `draining`: what is under way is finished. */
  phase: 'serving' | 'leaving' | 'draining';
  options: ApiServerOptions;
  /** Where other servers share the store: resolves when what they had defined before the call is served here, too. */
  settled(): Promise<void>;
  /** When revisions were made. */
  times: RevisionTimes;
  log: Log;
  /** Names of start steps that are not done yet: /readyz shows them. */
  pending: Set<string>;
}

/** What `eventsV1` and the older HPA say is kept in one form, and converted on the way. */
const aliases: { kind: Kind<any>; storage: Kind<any>; conversion: Conversion }[] = [
  { kind: eventsV1, storage: events, conversion: eventConversion },
  { kind: horizontalPodAutoscalersV1, storage: horizontalPodAutoscalers, conversion: autoscalingConversion },
];

const deprecations = new Map<Kind<any>, string>([
  [endpoints, 'v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice'],
]);

export async function createApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { store, clock, random, uuid, log } = options;
  const metrics = new ServerMetrics(clock);
  const caches = new Caches(store);
  const scheme = new Scheme();
  const now = () => clock.now();
  const allocator = serviceAllocator({ store, caches, random, uuid, now }, options);
  const registry: Registry = {
    store,
    caches,
    scheme,
    schemas: { ...typeFacts },
    clock,
    random,
    uuid,
    trace: options.trace ?? noTrace,
    admission: [],
    authorizer: createAuthorizer(caches),
    outbound: createOutbound(caches, random, options.sender),
    turns: new Turns(),
    eventLeases: leasesOf(store, clock, options.eventTtlMs),
    allocators: [allocator],
    metrics: metrics.writes,
  };
  caches.start();
  for (const kind of allKinds) {
    const alias = aliases.find((a) => a.kind === kind);
    if (alias) {
      const { storage, conversion } = alias;
      scheme.add({ kind, storage, view: aliasView(kind, storage, conversion), custom: false });
    } else scheme.add({ kind, storage: kind, custom: false, deprecation: deprecations.get(kind) });
  }
  await Promise.all(
    scheme
      .all()
      .filter((s) => s.kind === s.storage && s.kind.verbs.includes('get'))
      .map((s) => caches.add(s.kind)),
  );
  const stop = new AbortController();
  await allocator.start(stop.signal);
  const object = <T>(path: string, kind: any): T | undefined =>
    caches.of(kind)?.get(path)?.object as T | undefined;
  const tokens = await tokenAuthority(
    options.tokenKeys,
    [options.issuer, ...(options.otherIssuers ?? [])],
    [options.issuer, ...(options.otherIssuers ?? [])],
    {
      serviceAccount: (ns, name) =>
        object(`/registry/serviceaccounts/${ns}/${name}`, scheme.resource('', 'v1', 'serviceaccounts')!.kind),
      pod: (ns, name) => object(`/registry/pods/${ns}/${name}`, scheme.resource('', 'v1', 'pods')!.kind),
      secret: (ns, name) =>
        object(`/registry/secrets/${ns}/${name}`, scheme.resource('', 'v1', 'secrets')!.kind),
    },
    uuid,
  );
  const { authorizer } = registry;
  registry.admission.push(...admissionChain(registry, webhookMetrics(metrics.registry)));
  const flow = new FlowControl({
    caches,
    clock,
    metrics: metrics.registry,
    totalSeats: options.maxInFlight ?? 600,
  });
  const loops: ReconcileLoop[] = [];
  const remotes = new Remotes(caches, registry.outbound, options.proxyIdentity);
  const catalog = new Catalog({
    scheme,
    services: () => remotes.all(),
    remote: (service) => aggregation?.discovery.of(service),
  });
  let aggregation: Aggregation | undefined;
  let definitionsFollowed = async () => {};
  scheme.onChange(() => catalog.forget());
  const server: ApiServer = {
    registry,
    authorizer,
    metrics,
    health: new Health(),
    flow,
    auditor:
      options.audit &&
      createAuditor({
        policy: options.audit.policy,
        backends: options.audit.backends(registry.outbound),
        ...{ clock, metrics: metrics.registry },
        reason: (attributes) =>
          attributes.user.groups.includes('system:masters') ? '' : authorizer.rbac.reason(attributes),
      }),
    remotes,
    remoteOpenAPI: new RemoteOpenAPI(remotes, registry.outbound, clock, log),
    catalog,
    phase: 'serving',
    tokens,
    options,
    times: new RevisionTimes(store, clock, stop.signal),
    log,
    handlers: subresourceHandlers(tokens, authorizer),
    pending: new Set(['start']),
    async settled() {
      await caches.catchUp();
      await definitionsFollowed();
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      flow.stop();
      for (const loop of loops) loop.stop();
      aggregation?.stop();
      options.sender?.close();
      caches.stop();
      await server.auditor?.close();
    },
  };
  definitionsFollowed = await customResources(server, stop.signal);
  housekeeping(server, allocator, stop.signal);
  metrics.followStorage(scheme, caches, store);
  countTransformations(store, metrics.registry, clock);
  addChecks(server);
  const self = createClient(
    inProcessTransport(
      server,
      { name: 'system:apiserver', groups: ['system:masters'] },
      'kube-apiserver/v1.36.2',
    ),
  );
  aggregation = startAggregation({
    ...{ registry, remotes, client: self, identity: options.proxyIdentity, log, metrics },
    info: { clientCA: options.clientCA, requestHeader: options.requestHeader },
    onDiscovery: () => catalog.forget(),
  });
  loops.push(
    maintainFlowControl(flow, self, clock, log),
    tellTypeChecks(registry, self, log),
    ...aggregation.loops,
  );
  await Promise.all(loops.map((loop) => loop.first));
  return server;
}
