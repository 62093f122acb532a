import type { Pod } from '../api/core/v1.gen.ts';
import { MetricRegistry } from '../machinery/metrics.ts';
import { podInfo } from './pod-info.ts';
import { podLimits, type Resources } from './resources.ts';

const labels = ['namespace', 'pod', 'node', 'scheduler', 'priority', 'resource', 'unit'];
const explained =
  'broken down by pod. This shows the resource usage the scheduler and kubelet expect per pod for resources along with the unit for the resource if any.';

const unitOf = (resource: string): string =>
  /^(hugepages-|storage$)/.test(resource)
    ? 'bytes'
    : resource.startsWith('attachable-volumes-')
      ? 'integer'
      : '';

/** What the pods ask for and may use, as Prometheus reads it. Source: "Metrics For Kubernetes System Components", kube-scheduler metrics. */
export function resourceMetrics(pods: readonly Pod[]): string {
  const registry = new MetricRegistry();
  const requests = registry.gauge(
    'kube_pod_resource_request',
    `Resources requested by workloads on the cluster, ${explained}`,
    labels,
    'STABLE',
  );
  const limits = registry.gauge(
    'kube_pod_resource_limit',
    `Resources limit for workloads on the cluster, ${explained}`,
    labels,
    'STABLE',
  );
  for (const pod of pods) {
    const { metadata, spec, status } = pod;
    if (spec.nodeName && (status?.phase === 'Succeeded' || status?.phase === 'Failed')) continue;
    const { namespace = '', name = '' } = metadata;
    const priority = spec.priority === undefined ? '' : String(spec.priority);
    const of = [namespace, name, spec.nodeName ?? '', spec.schedulerName ?? '', priority];
    for (const [family, resources] of [
      [requests, podInfo(pod).requests],
      [limits, podLimits(pod)],
    ] as const)
      for (const [resource, unit, amount] of amountsOf(resources))
        if (amount) family.with(...of, resource, unit).set(amount);
  }
  return registry.render();
}

function* amountsOf(resources: Resources): Generator<[string, string, number]> {
  yield ['cpu', 'cores', resources.milliCpu / 1000];
  yield ['memory', 'bytes', resources.memoryBytes];
  yield ['ephemeral-storage', 'bytes', resources.ephemeralBytes];
  for (const [name, amount] of resources.scalars ?? []) yield [name, unitOf(name), amount];
}
