// Pods of a workload, a job or a service, the best one first: what `logs deployment/web` and `exec service/web` mean.
import type { AnyObject } from '../machinery/meta.ts';
import { KubectlError } from './errors.ts';
import type { Kube } from './kube.ts';
import { pods } from './resources.ts';
import { deadline, type WaitOptions } from './waiting.ts';

interface LabelSelector {
  matchLabels?: Record<string, string>;
  matchExpressions?: { key: string; operator: string; values?: string[] }[];
}

const labelsText = (labels: Record<string, string>): string[] =>
  Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .sort();

/** `a=1,b in (x,y),!c`. */
export function selectorText({ matchLabels = {}, matchExpressions = [] }: LabelSelector): string {
  const expressions = matchExpressions.map(({ key, operator, values = [] }) => {
    if (operator === 'Exists') return key;
    if (operator === 'DoesNotExist') return `!${key}`;
    return `${key} ${operator === 'In' ? 'in' : 'notin'} (${[...values].sort().join(',')})`;
  });
  return [...labelsText(matchLabels), ...expressions].join(',');
}

const goTypes: Record<string, string> = { Pod: '*v1.Pod' };
const selecting = ['ReplicaSet', 'StatefulSet', 'DaemonSet', 'Deployment', 'Job'];

/** The selector of an object's pods. Throws a KubectlError for what has none; `doing` begins its message. */
export function podSelector(object: AnyObject, doing: string): string {
  const fail = (why: string) =>
    new KubectlError(`${doing} ${goTypes[object.kind ?? ''] ?? `*v1.${object.kind}`}: ${why}`);
  if (object.kind === 'ReplicationController') return labelsText(object.spec.selector ?? {}).join(',');
  if (selecting.includes(object.kind ?? '')) return selectorText(object.spec.selector ?? {});
  if (object.kind === 'Service') {
    const labels = object.spec?.selector;
    if (!labels || !Object.keys(labels).length)
      throw fail(`invalid service '${object.metadata.name}': Service is defined without a selector`);
    return labelsText(labels).join(',');
  }
  throw fail(`selector for *v1.${object.kind} not implemented`);
}

const phases = ['Running', 'Unknown', 'Pending'];
const isReady = (pod: AnyObject) =>
  pod.status?.conditions?.find((c: { type: string }) => c.type === 'Ready')?.status === 'True';
const readySince = (pod: AnyObject): number =>
  Date.parse(
    pod.status?.conditions?.find(
      (c: { type: string; status: string }) => c.type === 'Ready' && c.status === 'True',
    )?.lastTransitionTime ?? '',
  ) || Number.POSITIVE_INFINITY;
const restarts = (pod: AnyObject): number =>
  Math.max(0, ...(pod.status?.containerStatuses ?? []).map((c: { restartCount: number }) => c.restartCount));

/** The order of pods to look at: those that run and are ready, the oldest first. To read logs, those that failed most. */
const comparePods =
  (moreRestartsFirst: boolean) =>
  (a: AnyObject, b: AnyObject): number =>
    Number(!a.spec.nodeName) - Number(!b.spec.nodeName) ||
    phases.indexOf(a.status?.phase) - phases.indexOf(b.status?.phase) ||
    Number(!isReady(a)) - Number(!isReady(b)) ||
    (isReady(a) ? readySince(a) - readySince(b) : 0) ||
    (restarts(a) - restarts(b)) * (moreRestartsFirst ? -1 : 1) ||
    Date.parse(a.metadata.creationTimestamp ?? '') - Date.parse(b.metadata.creationTimestamp ?? '');

/** Pods that the selector matches, the best first. Waits for one where there is none. */
export async function podsOf(
  kube: Kube,
  namespace: string | undefined,
  labelSelector: string,
  options: WaitOptions & { moreRestartsFirst?: boolean },
): Promise<AnyObject[]> {
  const list = await kube.listAll(pods, namespace, { labelSelector });
  const found = (list.items as AnyObject[]).map((pod) => ({ ...pod, apiVersion: 'v1', kind: 'Pod' }));
  if (found.length) return found.sort(comparePods(options.moreRestartsFirst === true));
  const limit = deadline(options);
  try {
    const { resourceVersion } = list.metadata;
    for await (const batch of kube.watch(
      pods,
      { namespace },
      { labelSelector, resourceVersion, signal: limit.signal },
    ))
      for (const { type, object } of batch)
        if (type === 'ADDED' || type === 'MODIFIED') return [object as AnyObject];
    options.signal.throwIfAborted();
    throw new KubectlError('timed out waiting for the condition');
  } finally {
    limit.undo();
  }
}

/** The pod to run something in: the object itself, or the best of its pods. */
export async function attachablePod(kube: Kube, object: AnyObject, options: WaitOptions): Promise<AnyObject> {
  if (object.kind === 'Pod') return object;
  const selector = podSelector(object, 'cannot attach to');
  return (await podsOf(kube, object.metadata.namespace, selector, options))[0]!;
}
