import { nodes } from '../api/core/node.ts';
import { services } from '../api/core/service.ts';
import { endpointSlices } from '../api/discovery/endpoint-slice.ts';
import type { Client, Informers } from '../client/client.ts';
import type { Clock, Random, Timer } from '../machinery/clock.ts';
import type { Log } from '../machinery/log.ts';
import { keyOf } from '../machinery/meta.ts';
import type { Tracer } from '../machinery/trace.ts';
import type { Backend, BackendConfig, BackendFactory } from './backend.ts';
import { leavesFlows } from './conntrack.ts';
import type { HealthServerFactory, ServiceHealth } from './health.ts';
import { PodsInRules } from './pods-in-rules.ts';
import { type ProxyNode, type RoutedPort, routeService, serviceKeyOf } from './service-map.ts';
import { SyncLoop } from './sync-loop.ts';

export interface KubeProxyOptions extends Partial<Omit<BackendConfig, 'log'>> {
  client: Client;
  informers: Informers;
  clock: Clock;
  random: Random;
  log: Log;
  trace: Tracer;
  nodeName: string;
  /** `iptables({...})` of node/iptables.ts, or `simulated` of simulated.ts. */
  backend: BackendFactory;
  /** Answers at the health check ports of services with externalTrafficPolicy Local; nobody does without it. */
  health?: HealthServerFactory;
  /** This node's pods; what its Node object says unless given. */
  podCIDR?: string;
  /** Milliseconds between one write and the next at least. */
  minSyncMs?: number;
  /** Milliseconds after which everything is written anew. */
  fullSyncMs?: number;
  /** Milliseconds between looks whether the rules are still there. */
  checkMs?: number;
}

export interface KubeProxy extends AsyncDisposable {
  readonly backend: Backend;
  /** Resolves when what the caches hold now is in the rules. */
  synced(): Promise<void>;
  /** Removes all rules. Stop first: rules of a running proxy come back. */
  cleanup(): Promise<void>;
}

const serviceIndex = 'kube-proxy/service';
const zoneLabel = 'topology.kubernetes.io/zone';

/**
 * Keeps the node's rules in step with services and endpoint slices. Rules stay when it stops, so that traffic goes on.
 * https://kubernetes.io/docs/reference/command-line-tools-reference/kube-proxy/
 */
export async function startKubeProxy(options: KubeProxyOptions): Promise<KubeProxy> {
  const { informers, clock, log, trace, nodeName } = options;
  const health = options.health?.(log);
  const { minSyncMs = 50, fullSyncMs = 15 * 60_000, checkMs = 30_000 } = options;
  const backend = await options.backend({
    ...options,
    prefix: options.prefix ?? 'KUBE-',
    owner: options.owner ?? 'wherry',
    mark: options.mark ?? 0x4000,
  });
  const serviceCache = informers(services);
  const sliceCache = informers(endpointSlices);
  const nodeCache = informers(nodes, { fieldSelector: `metadata.name=${nodeName}` });
  sliceCache.index(serviceIndex, (slice) => [serviceKeyOf(slice) ?? []].flat());

  let routes: Map<string, readonly RoutedPort[]> = new Map();
  let node: ProxyNode = { name: nodeName, podCIDR: options.podCIDR };
  let dirty = new Set<string>();
  let fullSince = Number.NEGATIVE_INFINITY;
  let wantsFull = true;
  let flowsLeft = true; // an earlier process may have left some
  const inRules = new PodsInRules();

  const route = (key: string): readonly RoutedPort[] => {
    const service = serviceCache.getByKey(key);
    if (!service) return [];
    const before = routes.get(key) ?? [];
    return routeService(service, sliceCache.byIndex(serviceIndex, key), node).map((routed) => {
      const known = before.find(
        (old) => old.port.name === routed.port.name && old.port.protocol === routed.port.protocol,
      );
      return known && JSON.stringify(known) === JSON.stringify(routed) ? known : routed;
    });
  };

  const sync = async (): Promise<void> => {
    const keys = dirty;
    dirty = new Set();
    const before = routes;
    const after = new Map(routes);
    const changed: string[] = [];
    for (const key of keys) {
      const old = before.get(key) ?? [];
      const ports = route(key);
      if (ports.length === old.length && ports.every((routed, i) => routed === old[i])) continue;
      changed.push(key);
      flowsLeft ||= leavesFlows(old, ports);
      if (ports.length > 0) after.set(key, ports);
      else after.delete(key);
    }
    const full = wantsFull || clock.now() - fullSince >= fullSyncMs;
    if (changed.length === 0 && !full) return;
    const start = clock.now();
    try {
      await backend.write(after, full);
    } catch (error) {
      wantsFull = true;
      for (const key of keys) dirty.add(key);
      throw error;
    }
    routes = after;
    wantsFull = false;
    if (full) fullSince = clock.now();
    log.debug('rules written', { full, services: changed.length, ms: clock.now() - start });
    for (const { pod, service } of inRules.update(changed, before, after)) {
      trace.record({
        ...{ at: clock.now(), step: 8, component: 'kube-proxy', event: 'service rules written' },
        ...{ resource: 'pods', namespace: pod.namespace, name: pod.name!, uid: pod.uid },
        detail: { service, node: nodeName },
      });
    }
    if (flowsLeft) {
      flowsLeft = false;
      const dropped = await backend.dropStaleFlows(after);
      if (dropped > 0) log.debug('flows of gone endpoints dropped', { dropped });
    }
    await health?.update(healthOf(after));
  };

  const loop = new SyncLoop({
    ...{ clock, run: sync, settleMs: Math.min(5, minSyncMs), intervalMs: minSyncMs, maxRetryMs: 30_000 },
    onError: (error, retryMs) => log.error('rules not written', { error, retryMs }),
  });
  const touch = (key: string | undefined) => {
    if (!key) return;
    dirty.add(key);
    if (begun) loop.request();
  };
  const touchAll = () => {
    for (const service of serviceCache.list()) touch(keyOf(service));
  };
  // Until both lists are in, a service may seem to have no endpoints: nothing is written.
  let begun = false;
  const readNode = () => {
    const object = nodeCache.get(nodeName);
    const zone = object?.metadata.labels?.[zoneLabel];
    const podCIDR = options.podCIDR ?? object?.spec?.podCIDR;
    if (zone === node.zone && podCIDR === node.podCIDR) return;
    node = { name: nodeName, zone, podCIDR };
    touchAll();
  };
  const release = [
    serviceCache.on({
      add: (service) => touch(keyOf(service)),
      update: (service) => touch(keyOf(service)),
      delete: (service) => touch(keyOf(service)),
    }),
    sliceCache.on({
      add: (slice) => touch(serviceKeyOf(slice)),
      update: (slice, old) => {
        touch(serviceKeyOf(slice));
        if (serviceKeyOf(old) !== serviceKeyOf(slice)) touch(serviceKeyOf(old));
      },
      delete: (slice) => touch(serviceKeyOf(slice)),
    }),
    nodeCache.on({ add: readNode, update: readNode }),
  ];

  const ended = new AbortController();
  const initial = Promise.all(
    [serviceCache, sliceCache, nodeCache].map((cache) => cache.whenSynced(ended.signal)),
  ).then(
    () => {
      begun = true;
      loop.request();
    },
    (error) => {
      if (!ended.signal.aborted) throw error;
    },
  );

  let timer: Timer;
  let checking: Promise<void> = Promise.resolve();
  const check = async () => {
    try {
      const due = clock.now() - fullSince >= fullSyncMs;
      if (begun && !wantsFull && (due || !(await backend.intact()))) {
        if (!due) log.warn('rules are gone; writing them again');
        wantsFull = true;
        loop.request();
      }
    } catch (error) {
      log.warn('could not look at the rules', { error });
    }
    if (!ended.signal.aborted) timer = clock.after(checkMs, () => void (checking = check()));
  };
  timer = clock.after(checkMs, () => void (checking = check()));

  return {
    backend,
    async synced() {
      await initial;
      await loop.idle();
    },
    cleanup: () => backend.cleanup(),
    async [Symbol.asyncDispose]() {
      ended.abort(new Error('kube-proxy ends'));
      for (const off of release) off();
      timer.cancel();
      await Promise.all([initial, checking]);
      await loop.stop();
      await health?.[Symbol.asyncDispose]();
    },
  };
}

/** The services that want their health told, by health check port. */
function healthOf(routes: ReadonlyMap<string, readonly RoutedPort[]>): ServiceHealth[] {
  return [...routes.values()].flatMap((ports): ServiceHealth[] => {
    const [first] = ports;
    if (!first?.port.healthCheckNodePort) return [];
    const { namespace, service, healthCheckNodePort } = first.port;
    return [
      {
        namespace,
        service,
        port: healthCheckNodePort,
        localEndpoints: Math.max(...ports.map((p) => p.localReady)),
      },
    ];
  });
}
