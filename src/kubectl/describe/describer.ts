import type { ApiResource } from '../../client/discovery.ts';
import type { AnyObject } from '../../machinery/meta.ts';
import { isNotFound } from '../../machinery/status.ts';
import type { Kube } from '../kube.ts';
import { age } from '../printers/duration.ts';
import { events as eventResource } from '../resources.ts';
import type { Description } from './description.ts';

/** What describers get besides the object. */
export interface DescribeTools {
  kube: Kube;
  nowMs: number;
  showEvents: boolean;
  chunkSize: number;
}

/** Writes what people want to know of an object. */
export type Describer = (d: Description, object: any, tools: DescribeTools) => Promise<void> | void;

/** All objects of a list. */
export const listAll = async (
  { kube, chunkSize }: DescribeTools,
  resource: ApiResource,
  namespace: string | undefined,
  selectors: { labelSelector?: string; fieldSelector?: string } = {},
): Promise<AnyObject[]> =>
  (await kube.listAll(resource, namespace, { ...selectors, limit: chunkSize || undefined })).items;

/** An object, or undefined where there is none. */
export async function maybeGet(
  { kube }: DescribeTools,
  resource: ApiResource,
  namespace: string | undefined,
  name: string,
): Promise<AnyObject | undefined> {
  try {
    return await kube.get({ resource, namespace, name });
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** Who an event is about. */
export interface EventSubject {
  kind?: string;
  name: string;
  namespace?: string;
  uid?: string;
}

/** Events about an object. */
export async function eventsAbout(tools: DescribeTools, subject: EventSubject): Promise<AnyObject[]> {
  const { kind, name, namespace = '', uid } = subject;
  const fields = [
    `involvedObject.name=${name}`,
    `involvedObject.namespace=${namespace}`,
    kind && `involvedObject.kind=${kind}`,
    uid && `involvedObject.uid=${uid}`,
  ];
  // Those of cluster-scoped objects are in any namespace.
  return listAll(tools, eventResource, namespace || undefined, {
    fieldSelector: fields.filter(Boolean).join(','),
  });
}

export const subjectOf = (object: AnyObject): EventSubject => ({
  kind: object.kind,
  name: object.metadata.name!,
  namespace: object.metadata.namespace,
  uid: object.metadata.uid,
});

/** The table of events at the end of a description. */
export async function describeEvents(
  d: Description,
  object: AnyObject,
  tools: DescribeTools,
  subjects: EventSubject[] = [subjectOf(object)],
): Promise<void> {
  if (!tools.showEvents) return;
  const found: AnyObject[] = [];
  for (const subject of subjects) found.push(...(await eventsAbout(tools, subject)));
  writeEvents(d, found, tools.nowMs);
}

export function writeEvents(d: Description, events: AnyObject[], nowMs: number): void {
  if (!events.length) {
    d.field('Events', '<none>');
    return;
  }
  d.flush();
  d.line(0, 'Events:');
  const at = (event: AnyObject): number => (event.lastTimestamp ? Date.parse(event.lastTimestamp) : 0);
  d.line(1, 'Type\tReason\tAge\tFrom\tMessage');
  d.line(1, '----\t------\t----\t----\t-------');
  for (const event of events.toSorted((a, b) => at(a) - at(b))) {
    const from = event.source?.component || event.reportingComponent || '';
    d.line(1, [event.type, event.reason, intervalOf(event, nowMs), from, messageOf(event)].join('\t'));
  }
}

/** `5s`, or `5s (x3 over 2m)`. */
export function intervalOf(event: AnyObject, nowMs: number): string {
  const first = age(event.eventTime ?? event.firstTimestamp, nowMs);
  if (event.series)
    return `${age(event.series.lastObservedTime, nowMs)} (x${event.series.count} over ${first})`;
  return event.count > 1 ? `${age(event.lastTimestamp, nowMs)} (x${event.count} over ${first})` : first;
}

function messageOf(event: AnyObject): string {
  const message = (event.message ?? '').trim();
  const path = event.involvedObject?.fieldPath;
  return path ? `${path}: ${message}` : message;
}

/** `ReplicaSet/web-5d59` of the owner that controls the object, or ''. */
export function controllerText(object: AnyObject): string {
  const owner = object.metadata.ownerReferences?.find((o) => o.controller);
  return owner ? `${owner.kind}/${owner.name}` : '';
}

/** Name and namespace, labels and annotations: how most descriptions begin. */
export function begin(d: Description, { metadata }: AnyObject, { namespace = true } = {}): void {
  d.field('Name', metadata.name);
  if (namespace) d.field('Namespace', metadata.namespace ?? '');
  d.labels('Labels', metadata.labels);
  d.annotations('Annotations', metadata.annotations);
}
