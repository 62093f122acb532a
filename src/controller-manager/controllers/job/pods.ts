import { jobs } from '../../../api/batch/job.ts';
import type { Job } from '../../../api/batch/v1.gen.ts';
import type { Container, Pod } from '../../../api/core/v1.gen.ts';
import { podFromTemplate } from '../ownership.ts';
import { podCondition } from '../pod-state.ts';
import { indexKey } from './indexes.ts';

/** Keeps a pod that ended until it is counted: nobody can make it vanish uncounted. */
export const trackingFinalizer = 'batch.kubernetes.io/job-tracking';
export const failureCountKey = 'batch.kubernetes.io/job-index-failure-count';

export const isTracked = (pod: Pod): boolean => !!pod.metadata.finalizers?.includes(trackingFinalizer);

export const isIndexed = (job: Job): boolean => job.spec.completionMode === 'Indexed';

/** A pod on its way out counts as failed, unless only pods that really failed are to be replaced. */
export function isFailed(job: Job, pod: Pod): boolean {
  if (pod.status?.phase === 'Failed') return true;
  const waits = job.spec.podReplacementPolicy === 'Failed';
  return !waits && !!pod.metadata.deletionTimestamp && pod.status?.phase !== 'Succeeded';
}

export function finishedMs(pod: Pod): number {
  const { containerStatuses = [] } = pod.status ?? {};
  const ends = containerStatuses.flatMap((s) => Date.parse(s.state?.terminated?.finishedAt ?? '') || []);
  if (ends.length > 0) return Math.max(...ends);
  const other = pod.metadata.deletionTimestamp ?? podCondition(pod, 'Ready')?.lastTransitionTime;
  return Date.parse(other ?? pod.metadata.creationTimestamp ?? '') || 0;
}

const indexVariable = {
  name: 'JOB_COMPLETION_INDEX',
  valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: `metadata.labels['${indexKey}']` } },
};

const withIndexVariable = (container: Container): Container =>
  container.env?.some((e) => e.name === indexVariable.name)
    ? container
    : { ...container, env: [...(container.env ?? []), indexVariable] };

/** A pod for the job; for an index it says which, in a label, an annotation, an environment variable and its host name. */
export function podFor(job: Job, index: number | undefined, failures: number | undefined): Pod {
  const pod = podFromTemplate(jobs, job, job.spec.template);
  const finalizers = [...new Set([...(pod.metadata.finalizers ?? []), trackingFinalizer])];
  if (index === undefined) return { ...pod, metadata: { ...pod.metadata, finalizers } };
  const { initContainers } = pod.spec;
  const name = job.metadata.name!;
  return {
    ...pod,
    metadata: {
      ...pod.metadata,
      finalizers,
      generateName: `${name}-${index}-`,
      labels: { ...pod.metadata.labels, [indexKey]: String(index) },
      annotations: {
        ...pod.metadata.annotations,
        [indexKey]: String(index),
        ...(failures === undefined ? {} : { [failureCountKey]: String(failures) }),
      },
    },
    spec: {
      ...pod.spec,
      hostname: `${name}-${index}`,
      containers: pod.spec.containers.map(withIndexVariable),
      ...(initContainers ? { initContainers: initContainers.map(withIndexVariable) } : {}),
    },
  };
}
