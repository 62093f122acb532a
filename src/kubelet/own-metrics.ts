import type { Pod } from '../api/core/v1.gen.ts';
import { MetricRegistry } from '../machinery/metrics.ts';
import type { ImageVolumeCounts } from './api.ts';

/** What a kubelet says of itself, by upstream's names. Source: "Kubernetes Metrics Reference", kubelet_*. */
export function kubeletMetrics(pods: readonly Pod[], imageVolumes: ImageVolumeCounts): string {
  const registry = new MetricRegistry();
  const running = pods.filter(({ status }) => status?.phase === 'Running');
  const name = pods.find(({ spec }) => spec.nodeName)?.spec.nodeName;
  if (name)
    registry
      .gauge('kubelet_node_name', "The node's name. The count is always 1.", ['node'])
      .with(name)
      .set(1);
  registry
    .gauge('kubelet_active_pods', 'The number of pods the kubelet considers active.')
    .with()
    .set(pods.filter(({ status }) => !['Succeeded', 'Failed'].includes(status?.phase ?? '')).length);
  registry
    .gauge('kubelet_running_pods', 'Number of pods that have a running pod sandbox', [], 'BETA')
    .with()
    .set(running.length);
  const containers = registry.gauge(
    'kubelet_running_containers',
    'Number of containers currently running',
    ['container_state'],
    'BETA',
  );
  const count = { created: 0, exited: 0, running: 0 };
  for (const { status } of pods) {
    for (const { state } of [
      ...(status?.initContainerStatuses ?? []),
      ...(status?.containerStatuses ?? []),
    ]) {
      if (state?.running) count.running++;
      else if (state?.terminated) count.exited++;
      else count.created++;
    }
  }
  for (const [state, value] of Object.entries(count)) containers.with(state).set(value);
  const volumes = (rest: string, help: string) =>
    registry.counter(`kubelet_image_volume_${rest}_total`, help, [], 'BETA').with();
  volumes('requested', 'Number of requested image volumes.').inc(imageVolumes.requested);
  volumes('mounted_succeed', 'Number of successful image volume mounts.').inc(imageVolumes.mounted);
  volumes('mounted_errors', 'Number of failed image volume mounts.').inc(imageVolumes.failed);
  return registry.render();
}
