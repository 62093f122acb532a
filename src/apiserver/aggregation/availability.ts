// Whether the servers behind APIServices can be used: what their `Available` condition says.
import { apiServices } from '../../api/apiregistration/api-service.ts';
import type { APIService, APIServiceCondition } from '../../api/apiregistration/v1.gen.ts';
import { services } from '../../api/core/service.ts';
import type { Service } from '../../api/core/v1.gen.ts';
import { endpointSlices } from '../../api/discovery/endpoint-slice.ts';
import type { EndpointSlice } from '../../api/discovery/v1.gen.ts';
import type { Client } from '../../client/client.ts';
import { WorkQueue } from '../../client/workqueue.ts';
import { type Clock, time } from '../../machinery/clock.ts';
import type { Log } from '../../machinery/log.ts';
import { clone } from '../../machinery/meta.ts';
import type { MetricRegistry } from '../../machinery/metrics.ts';
import { isConflict, isNotFound } from '../../machinery/status.ts';
import { userHeaders } from '../authn/request-header.ts';
import type { Caches } from '../cache/caches.ts';
import { type ClientIdentity, type Outbound, readBody } from '../outbound/outbound.ts';
import { calleeOf, pathOf } from './callee.ts';
import type { Remotes } from './remotes.ts';

/** Servers are asked again this often, although nothing has changed. */
const resyncMs = 30_000;
const probeMs = 5000;
const probes = 3;
const mostBytes = 16 << 20;
const workers = 2;

export interface AvailabilityOptions {
  caches: Caches;
  remotes: Remotes;
  client: Client;
  outbound: Outbound;
  identity: ClientIdentity | undefined;
  clock: Clock;
  log: Log;
  metrics: MetricRegistry;
}

type Verdict = Pick<APIServiceCondition, 'status' | 'reason' | 'message'>;
const missing = (reason: string, message: string): Verdict => ({ status: 'False', reason, message });

/** Follows the servers from now on; returns what ends it. */
export function followAvailability(options: AvailabilityOptions): () => void {
  const { caches, remotes, client, clock, log, metrics } = options;
  const cache = caches.of(apiServices)!;
  const queue = new WorkQueue({ clock, baseDelayMs: 100, maxDelayMs: resyncMs });
  const unavailable = metrics.gauge(
    'aggregator_unavailable_apiservice',
    'Gauge of APIServices which are marked as unavailable broken down by APIService name.',
    ['name'],
  );
  const failures = metrics.counter(
    'aggregator_unavailable_apiservice_total',
    'Counter of APIServices which are marked as unavailable broken down by APIService name and reason.',
    ['name', 'reason'],
  );
  const get = (name: string) => cache.get(cache.prefix + name)?.object as APIService | undefined;
  const behind = (namespace: string | undefined, name: string | undefined): void => {
    for (const { metadata, spec } of remotes.services)
      if (spec.service!.namespace === namespace && spec.service!.name === name) queue.add(metadata.name!);
  };
  const follow = (
    kind: typeof services | typeof endpointSlices,
    nameOf: (object: any) => string | undefined,
  ) =>
    caches.of(kind)!.watch(caches.of(kind)!.revision, ({ entry: { object } }) => {
      if (remotes.any) behind(object.metadata.namespace, nameOf(object));
    });
  const stops = [
    cache.watch(cache.revision, ({ entry: { object }, deleted, previous }) => {
      const { metadata, spec } = object as unknown as APIService;
      if (deleted) unavailable.remove(metadata.name!);
      else if (spec.service || previous?.object.spec.service) queue.add(metadata.name!);
      else unavailable.with(metadata.name!).set(0);
    }),
    follow(services, (object) => object.metadata.name),
    follow(endpointSlices, (object) => object.metadata.labels?.['kubernetes.io/service-name']),
  ];

  async function check(name: string): Promise<void> {
    const service = get(name);
    if (!service) return;
    const verdict: Verdict = service.spec.service
      ? (lacking(caches, service) ?? (await probe(service, options)))
      : { status: 'True', reason: 'Local', message: 'Local APIServices are always available' };
    unavailable.with(name).set(verdict.status === 'True' ? 0 : 1);
    const before = service.status?.conditions?.find(({ type }) => type === 'Available');
    if (verdict.status !== 'True' && before?.status !== 'False') failures.with(name, verdict.reason!).inc();
    await tell(client, service, verdict, clock.now());
    if (!service.spec.service) return;
    if (verdict.reason === 'FailedDiscoveryCheck') queue.addRateLimited(name);
    else {
      queue.forget(name);
      queue.addAfter(name, resyncMs);
    }
  }
  async function work(): Promise<void> {
    for (let name = await queue.get(); name !== undefined; name = await queue.get()) {
      try {
        await check(name);
      } catch (error) {
        if (!isConflict(error) && !isNotFound(error))
          log.warn('availability of an API service is not known', { name, error: String(error) });
        queue.addRateLimited(name);
      }
      queue.done(name);
    }
  }
  // What is served here is always available.
  for (const { object } of cache.entries.values())
    if (!object.spec.service) unavailable.with(object.metadata.name!).set(0);
  for (const { metadata } of remotes.services) queue.add(metadata.name!);
  for (let i = 0; i < workers; i++) void work();
  return () => {
    for (const stop of stops) stop();
    queue.close();
  };
}

/** What the cluster's own objects say against it. */
function lacking(caches: Caches, { spec }: APIService): Verdict | undefined {
  const { namespace, name, port = 443 } = spec.service!;
  const where = `service/${name} in ${JSON.stringify(namespace)}`;
  const found = caches.of(services)!;
  const service = found.get(`${found.prefix}${namespace}/${name}`)?.object as unknown as Service | undefined;
  if (!service) return missing('ServiceNotFound', `${where} is not present`);
  if ((service.spec.type ?? 'ClusterIP') !== 'ClusterIP') return undefined;
  const servicePort = service.spec.ports?.find((p) => p.port === port);
  if (!servicePort) return missing('ServicePortError', `${where} is not listening on port ${port}`);
  const cache = caches.of(endpointSlices)!;
  const slices = [...cache.range(`${cache.prefix}${namespace}/`)]
    .map(({ object }) => object as unknown as EndpointSlice)
    .filter((slice) => slice.metadata.labels?.['kubernetes.io/service-name'] === name);
  if (!slices.length) return missing('EndpointsNotFound', `cannot find endpointslices for ${where}`);
  const portName = servicePort.name ?? '';
  const active = slices.some(
    (slice) =>
      slice.endpoints?.some((endpoint) => endpoint.conditions?.ready !== false) &&
      slice.ports?.some((p) => (p.name ?? '') === portName && p.port !== undefined),
  );
  return active
    ? undefined
    : missing(
        'MissingEndpoints',
        `endpointslices for ${where} have no addresses with port name ${JSON.stringify(portName)}`,
      );
}

/** Asks for the discovery document that it must have; one answer of several is enough. */
async function probe(service: APIService, { outbound, identity }: AvailabilityOptions): Promise<Verdict> {
  const path = pathOf(service);
  const once = async (): Promise<void> => {
    const response = await outbound.send(calleeOf(service, identity), {
      method: 'GET',
      path,
      headers: userHeaders({ name: 'system:kube-aggregator', groups: ['system:masters'] }),
      timeoutMs: probeMs,
    });
    await readBody(response, mostBytes);
    if (response.code < 200 || response.code >= 300)
      throw new Error(`bad status from https://${service.spec.service!.name}${path}: ${response.code}`);
  };
  try {
    await Promise.any(Array.from({ length: probes }, once));
    return { status: 'True', reason: 'Passed', message: 'all checks passed' };
  } catch (error) {
    const last = error instanceof AggregateError ? error.errors.at(-1) : error;
    return missing('FailedDiscoveryCheck', `failing or missing response from ${path}: ${last.message}`);
  }
}

async function tell(client: Client, service: APIService, verdict: Verdict, nowMs: number): Promise<void> {
  const conditions = service.status?.conditions ?? [];
  const before = conditions.find(({ type }) => type === 'Available');
  const { status, reason, message } = verdict;
  if (before?.status === status && before.reason === reason && before.message === message) return;
  const lastTransitionTime =
    before?.status === status && before.lastTransitionTime ? before.lastTransitionTime : time(nowMs);
  const others = conditions.filter(({ type }) => type !== 'Available');
  await client(apiServices).updateStatus({
    ...clone(service),
    status: { conditions: [...others, { type: 'Available', ...verdict, lastTransitionTime }] },
  });
}
