import type { Job } from '../../../api/batch/v1.gen.ts';
import { exponentialBuckets, type MetricRegistry } from '../../../machinery/metrics.ts';
import { modeOf } from '../../metrics.ts';
import type { Action } from '../../runtime/actions.ts';
import type { CountSync } from '../../runtime/controller.ts';

/** What a look at a job came to, in upstream's words. */
function actionOf(actions: readonly Action[]): string {
  if (actions.some((action) => action.do === 'create')) return 'pods_created';
  if (actions.some((action) => action.do === 'remove')) return 'pods_deleted';
  return actions.some((action) => action.do === 'patch') ? 'tracking' : 'reconciling';
}

/** Source: "Kubernetes Metrics Reference", job_controller_*. */
export function countSyncs(registry: MetricRegistry): CountSync<Job> {
  const labels = ['completion_mode', 'result', 'action'];
  const total = registry.counter(
    'job_controller_job_syncs_total',
    'The number of job syncs',
    labels,
    'STABLE',
  );
  const took = registry.histogram(
    'job_controller_job_sync_duration_seconds',
    'The time it took to sync a job',
    labels,
    exponentialBuckets(0.004, 2, 15),
    'STABLE',
  );
  return (job, actions, tookMs, failed) => {
    const values = [modeOf(job), failed ? 'error' : 'success', actionOf(actions)];
    total.with(...values).inc();
    took.with(...values).observe(tookMs / 1000);
  };
}
