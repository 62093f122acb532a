import { isJobFinished, jobs } from '../../../api/batch/job.ts';
import type { Job } from '../../../api/batch/v1.gen.ts';
import { remove, requeueAfter } from '../../runtime/actions.ts';
import { controller } from '../../runtime/controller.ts';

/** Removes finished jobs after their `ttlSecondsAfterFinished`. */
export const ttlAfterFinishedController = controller<Job, undefined>({
  name: 'ttl-after-finished',
  component: 'ttl-after-finished-controller',
  for: jobs,
  observe: () => undefined,
  reconcile(job, _, nowMs) {
    const ttl = job.spec.ttlSecondsAfterFinished;
    if (ttl === undefined || !isJobFinished(job) || job.metadata.deletionTimestamp) return [];
    const ended = job.status?.conditions?.find(
      (c) => (c.type === 'Complete' || c.type === 'Failed') && c.status === 'True',
    );
    const left = Date.parse(ended?.lastTransitionTime ?? '') + ttl * 1000 - nowMs;
    return left > 0
      ? [requeueAfter(left)]
      : [remove(jobs, job, { options: { propagationPolicy: 'Foreground' } })];
  },
});
