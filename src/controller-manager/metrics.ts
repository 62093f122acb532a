// What controllers did, told by what became of objects. Source: "Kubernetes Metrics Reference".
import { jobs } from '../api/batch/job.ts';
import type { Job } from '../api/batch/v1.gen.ts';
import { nodes } from '../api/core/node.ts';
import { pods } from '../api/core/pod.ts';
import { services } from '../api/core/service.ts';
import type { Node, Pod } from '../api/core/v1.gen.ts';
import { endpointSlices } from '../api/discovery/endpoint-slice.ts';
import type { EndpointSlice } from '../api/discovery/v1.gen.ts';
import type { Informers } from '../client/client.ts';
import type { Clock } from '../machinery/clock.ts';
import { exponentialBuckets, type MetricRegistry } from '../machinery/metrics.ts';

const tracking = 'batch.kubernetes.io/job-tracking';
const scheduledAt = 'batch.kubernetes.io/cronjob-scheduled-timestamp';
const sliceManager = 'endpointslice-controller.k8s.io';
const maxPerSlice = 100;
const unwell = new Set(['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable']);

interface Means {
  informers: Informers;
  registry: MetricRegistry;
  clock: Clock;
}

/** Follows what the running controllers of these names do; returns what ends that. */
export function countOutcomes(running: ReadonlySet<string>, means: Means): () => void {
  const stops: (() => void)[] = [];
  if (running.has('job')) stops.push(...jobOutcomes(means));
  if (running.has('cronjob')) stops.push(cronJobSkew(means));
  if (running.has('node-lifecycle')) stops.push(evictions(means));
  if (running.has('endpointslice')) stops.push(sliceChanges(means));
  return () => {
    for (const stop of stops) stop();
  };
}

const finished = (job: Job) =>
  job.status?.conditions?.find(
    ({ type, status }) => status === 'True' && (type === 'Complete' || type === 'Failed'),
  );
export const modeOf = ({ spec }: Job): string => spec.completionMode ?? 'NonIndexed';
const terminated = ({ metadata, status }: Pod): boolean =>
  (status?.phase === 'Succeeded' || status?.phase === 'Failed') &&
  metadata.finalizers?.includes(tracking) === true;

function jobOutcomes({ informers, registry }: Means): (() => void)[] {
  const ended = registry.counter(
    'job_controller_jobs_finished_total',
    'The number of finished jobs',
    ['completion_mode', 'result', 'reason'],
    'STABLE',
  );
  const counted = registry.counter(
    'job_controller_job_pods_finished_total',
    'The number of finished Pods that are fully tracked',
    ['completion_mode', 'result'],
    'STABLE',
  );
  const tracked = registry.counter(
    'job_controller_terminated_pods_tracking_finalizer_total',
    'The number of terminated pods (phase=Failed|Succeeded)\nthat have the finalizer batch.kubernetes.io/job-tracking\nThe event label can be "add" or "delete".',
    ['event'],
    'BETA',
  );
  const update = (job: Job, old: Job) => {
    const mode = modeOf(job);
    for (const result of ['succeeded', 'failed'] as const) {
      const more = (job.status?.[result] ?? 0) - (old.status?.[result] ?? 0);
      if (more > 0) counted.with(mode, result).inc(more);
    }
    const end = finished(job);
    if (!end || finished(old)) return;
    ended.with(mode, end.type === 'Complete' ? 'succeeded' : 'failed', end.reason ?? '').inc();
  };
  const moved = (pod: Pod, old: Pod) => {
    const [now, before] = [terminated(pod), terminated(old)];
    if (now !== before) tracked.with(now ? 'add' : 'delete').inc();
  };
  return [informers(jobs).on({ update }), informers(pods).on({ update: moved })];
}

function cronJobSkew({ informers, registry, clock }: Means): () => void {
  const skew = registry
    .histogram(
      'cronjob_controller_job_creation_skew_duration_seconds',
      'Time between when a cronjob is scheduled to be run, and when the corresponding job is created',
      [],
      exponentialBuckets(1, 2, 10),
      'STABLE',
    )
    .with();
  // Jobs that were there before us are none of ours.
  const since = clock.now() - 1000;
  return informers(jobs).on({
    add({ metadata }) {
      const planned = metadata.annotations?.[scheduledAt];
      const made = Date.parse(metadata.creationTimestamp ?? '');
      if (planned && made >= since) skew.observe(Math.max(0, (made - Date.parse(planned)) / 1000));
    },
  });
}

function evictions({ informers, registry }: Means): () => void {
  const total = registry.counter(
    'node_collector_evictions_total',
    'Number of Node evictions that happened since current instance of NodeController started.',
    ['zone'],
    'STABLE',
  );
  const evicts = ({ spec }: Node) =>
    spec.taints?.some(({ key, effect }) => effect === 'NoExecute' && unwell.has(key)) === true;
  return informers(nodes).on({
    update(node, old) {
      if (evicts(node) && !evicts(old)) total.with(zoneOf(node)).inc();
    },
  });
}

/** As upstream writes it: region and zone with a NUL between; empty where a node has neither. */
function zoneOf({ metadata }: Node): string {
  const region = metadata.labels?.['topology.kubernetes.io/region'] ?? '';
  const zone = metadata.labels?.['topology.kubernetes.io/zone'] ?? '';
  return region || zone ? `${region}:\u0000:${zone}` : '';
}

function sliceChanges({ informers, registry }: Means): () => void {
  const name = (rest: string) => `endpoint_slice_controller_${rest}`;
  const perSync = (what: string) =>
    registry
      .histogram(
        name(`endpoints_${what}_per_sync`),
        `Number of endpoints ${what} on each Service sync`,
        [],
        exponentialBuckets(2, 2, 15),
        'BETA',
      )
      .with();
  const [added, removed] = [perSync('added'), perSync('removed')];
  const gauge = (rest: string, help: string) => registry.gauge(name(rest), help, [], 'BETA').with();
  const wanted = gauge('endpoints_desired', 'Number of endpoints desired');
  const slices = gauge('num_endpoint_slices', 'Number of EndpointSlices');
  const least = gauge(
    'desired_endpoint_slices',
    'Number of EndpointSlices that would exist with perfect endpoint allocation',
  );
  const distributions = registry.gauge(
    name('services_count_by_traffic_distribution'),
    'Number of Services using some specific trafficDistribution',
    ['traffic_distribution'],
    'BETA',
  );
  const isOurs = ({ metadata }: EndpointSlice) =>
    metadata.labels?.['endpointslice.kubernetes.io/managed-by'] === sliceManager;
  const addresses = (slice: EndpointSlice) => new Set(slice.endpoints?.map((e) => e.addresses[0]));
  let ended = false;
  registry.beforeRender(() => {
    if (ended) return;
    const all = informers(endpointSlices).list().filter(isOurs);
    const byService = Map.groupBy(
      all,
      ({ metadata }) => `${metadata.namespace}/${metadata.labels?.['kubernetes.io/service-name']}`,
    );
    let [endpoints, best] = [0, 0];
    for (const its of byService.values()) {
      const count = its.reduce((sum, slice) => sum + (slice.endpoints?.length ?? 0), 0);
      endpoints += count;
      best += Math.max(1, Math.ceil(count / maxPerSlice));
    }
    wanted.set(endpoints);
    slices.set(all.length);
    least.set(best);
    distributions.clear();
    for (const { spec } of informers(services).list())
      if (spec?.trafficDistribution) distributions.with(spec.trafficDistribution).inc();
  });
  const differ = (now: Set<string | undefined>, before: Set<string | undefined>) => {
    added.observe(now.difference(before).size);
    removed.observe(before.difference(now).size);
  };
  const stop = informers(endpointSlices).on({
    add: (slice) => isOurs(slice) && differ(addresses(slice), new Set()),
    update: (slice, old) => isOurs(slice) && differ(addresses(slice), addresses(old)),
    delete: (slice) => isOurs(slice) && differ(new Set(), addresses(slice)),
  });
  return () => {
    ended = true;
    stop();
  };
}
