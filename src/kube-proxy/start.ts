import { nodes } from '../api/core/node.ts';
import { services } from '../api/core/service.ts';
import type { Node } from '../api/core/v1.gen.ts';
import { endpointSlices } from '../api/discovery/endpoint-slice.ts';
import type { Client, Informers } from '../client/client.ts';
import type { Clock, Random, Timer } from '../machinery/clock.ts';
import type { Log } from '../machinery/log.ts';
import { MetricRegistry } from '../machinery/metrics.ts';
import type { Tracer } from '../machinery/trace.ts';
import type { Backend, BackendConfig, BackendFactory } from './backend.ts';
import type { HealthServerFactory, ServiceHealth } from './health.ts';
import { ProxyMetrics } from './metrics.ts';
import { PodsInRules } from './pods-in-rules.ts';
import { Routes } from './routes.ts';
import type { ServiceMap } from './service-map.ts';
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
  /** Where it counts, if anywhere. */
  metrics?: MetricRegistry;
  /** Milliseconds between one write and the next at least. */
  minSyncMs?: number;
  /** Milliseconds after which everything is written anew. */
  fullSyncMs?: number;
  /** Milliseconds between looks whether the rules are still there. */
  checkMs?: number;
}

/** How it answers at /healthz (with `nodeEligible`) and /livez. */
export interface ProxyHealth {
  healthy: boolean;
  body: string;
}

export interface KubeProxy extends AsyncDisposable {
  readonly backend: Backend;
  health(path: 'healthz' | 'livez'): ProxyHealth;
  /** Resolves when what the caches hold now is in the rules. */
  synced(): Promise<void>;
  /** Removes all rules. Stop first: rules of a running proxy come back. */
  cleanup(): Promise<void>;
}

const zoneLabel = 'topology.kubernetes.io/zone';

/**
 * Keeps the node's rules in step with services and endpoint slices. Rules stay when it stops, so that traffic goes on.
 * https://kubernetes.io/docs/reference/command-line-tools-reference/kube-proxy/
 */
export async function startKubeProxy(options: KubeProxyOptions): Promise<KubeProxy> {
  const { informers, clock, log, trace, nodeName } = options;
  const { minSyncMs = 50, fullSyncMs = 15 * 60_000, checkMs = 30_000 } = options;
  const metrics = new ProxyMetrics(options.metrics ?? new MetricRegistry(), () => clock.now());
  const backend = await options.backend({
    ...options,
    prefix: options.prefix ?? 'KUBE-',
    owner: options.owner ?? 'wherry',
    mark: options.mark ?? 0x4000,
  });
  const health = options.health?.(log);
  const caches = [informers(services), informers(endpointSlices)] as const;
  const nodeCache = informers(nodes, { fieldSelector: `metadata.name=${nodeName}` });
  const routes = new Routes(...caches, { name: nodeName, podCIDR: options.podCIDR });
  const inRules = new PodsInRules();
  let wantsFull = true;
  let fullSince = Number.NEGATIVE_INFINITY;
  let flowsLeft = true; // an earlier process may have left some
  const isFullDue = () => clock.now() - fullSince >= fullSyncMs;

  const sync = async (): Promise<void> => {
    const change = routes.take();
    const full = wantsFull || isFullDue();
    if (change.services.length === 0 && !full) {
      metrics.nothingToDo();
      return;
    }
    const start = clock.now();
    const written = metrics.begin();
    try {
      await backend.write(change.after, full);
      written.done(full);
    } catch (error) {
      written.failed(full);
      wantsFull = true;
      routes.revert(change);
      throw error;
    }
    routes.commit(change);
    wantsFull = false;
    flowsLeft ||= change.leavesFlows;
    if (full) fullSince = start;
    log.debug('rules written', { full, services: change.services.length, ms: clock.now() - start });
    for (const { pod, service } of inRules.update(change.services, change.before, change.after)) {
      trace.record({
        ...{ at: clock.now(), step: 8, component: 'kube-proxy', event: 'service rules written' },
        ...{ resource: 'pods', namespace: pod.namespace, name: pod.name!, uid: pod.uid },
        detail: { service, node: nodeName },
      });
    }
    await health?.update(healthOf(change.after));
    if (!flowsLeft) return;
    flowsLeft = false;
    const droppedFrom = clock.now();
    const dropped = await backend.dropStaleFlows(change.after);
    metrics.flowsDropped(dropped, clock.now() - droppedFrom);
    if (dropped > 0) log.debug('flows of gone endpoints dropped', { dropped });
  };
  const loop = new SyncLoop({
    ...{ clock, run: sync, settleMs: Math.min(5, minSyncMs), intervalMs: minSyncMs, maxRetryMs: 30_000 },
    onError: (error, retryMs) => log.error('rules not written', { error, retryMs }),
  });

  // Until all lists are in, a service may seem to have no endpoints: nothing is written.
  let begun = false;
  const request = () => {
    metrics.queued();
    loop.request();
  };
  const changed = () => {
    if (begun) request();
  };
  const readNode = (node: Node) => {
    const zone = node.metadata.labels?.[zoneLabel];
    if (routes.setNode({ name: nodeName, zone, podCIDR: options.podCIDR ?? node.spec?.podCIDR })) changed();
  };
  const count = (what: 'services' | 'endpoints') => {
    const one = () => metrics.changed(what);
    return { add: one, update: one, delete: one };
  };
  const release = [
    caches[0].on(count('services')),
    caches[1].on(count('endpoints')),
    routes.follow(changed),
    nodeCache.on({ add: readNode, update: readNode }),
  ];
  const ended = new AbortController();
  const initial = Promise.all([...caches, nodeCache].map((cache) => cache.whenSynced(ended.signal))).then(
    () => {
      begun = true;
      request();
    },
    (error) => {
      if (!ended.signal.aborted) throw error;
    },
  );
  const checks = repeat(clock, checkMs, async () => {
    if (!begun || wantsFull) return;
    try {
      if (!isFullDue()) {
        if (await backend.intact()) return;
        log.warn('rules are gone; writing them again');
      }
      wantsFull = true;
      request();
    } catch (error) {
      log.warn('could not look at the rules', { error });
    }
  });

  return {
    backend,
    health(path) {
      const nodeEligible = isEligible(nodeCache.get(nodeName));
      const healthy = metrics.healthy && (path === 'livez' || nodeEligible);
      metrics.asked(path, healthy ? 200 : 503);
      const currentTime = new Date(clock.now()).toISOString();
      const lastUpdated = healthy ? currentTime : new Date(metrics.lastUpdatedMs).toISOString();
      const eligible = path === 'healthz' ? { nodeEligible } : {};
      const status = { IPv4: { lastUpdated, healthy: metrics.healthy } };
      return { healthy, body: JSON.stringify({ lastUpdated, currentTime, ...eligible, status }) };
    },
    async synced() {
      await initial;
      await loop.idle();
    },
    cleanup: () => backend.cleanup(),
    async [Symbol.asyncDispose]() {
      ended.abort(new Error('kube-proxy ends'));
      for (const off of release) off();
      await Promise.all([initial, checks.stop()]);
      await loop.stop();
      await health?.[Symbol.asyncDispose]();
    },
  };
}

/** Runs a thing again and again, with so much time between; `stop` waits for the run under way. */
function repeat(clock: Clock, everyMs: number, run: () => Promise<void>): { stop(): Promise<void> } {
  let stopped = false;
  let running: Promise<void> = Promise.resolve();
  let timer: Timer;
  const schedule = () => {
    timer = clock.after(everyMs, () => {
      running = run().then(() => {
        if (!stopped) schedule();
      });
    });
  };
  schedule();
  return {
    stop() {
      stopped = true;
      timer.cancel();
      return running;
    },
  };
}

/** Whether load balancers may send to the node: not while it is about to be removed. */
const isEligible = (node: Node | undefined): boolean =>
  node !== undefined &&
  !node.metadata.deletionTimestamp &&
  !node.spec?.taints?.some(({ key }) => key === 'ToBeDeletedByClusterAutoscaler');

/** The services that want their health told, by health check port. */
function healthOf(routes: ServiceMap): ServiceHealth[] {
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
