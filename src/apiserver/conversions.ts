import type { Kind } from '../machinery/kind.ts';
import type { AnyObject } from '../machinery/meta.ts';
import type { Entry } from './cache/entry.ts';
import { type Converter, View } from './registry/view.ts';

/** Both ways between a served form and the stored one. */
export interface Conversion {
  toStorage: (object: AnyObject) => AnyObject;
  fromStorage: (object: AnyObject) => AnyObject;
}

/** The view of a kind that is kept in another's form. */
export function aliasView(kind: Kind<any>, storage: Kind<any>, { toStorage, fromStorage }: Conversion): View {
  const converter: Converter = {
    read: (entries: Entry[]) => entries.map((entry) => fromStorage(entry.object)),
    convert: (objects, to) => objects.map(to === storage ? toStorage : fromStorage),
  };
  return new View(kind, storage, converter);
}

/** Names of the same fields in events.k8s.io/v1 and in v1. */
const eventFields: [string, string][] = [
  ['regarding', 'involvedObject'],
  ['note', 'message'],
  ['reportingController', 'reportingComponent'],
  ['deprecatedSource', 'source'],
  ['deprecatedFirstTimestamp', 'firstTimestamp'],
  ['deprecatedLastTimestamp', 'lastTimestamp'],
  ['deprecatedCount', 'count'],
];

function rename(object: AnyObject, apiVersion: string, names: [string, string][]): AnyObject {
  const result: AnyObject = { ...object, apiVersion };
  for (const [from, to] of names) {
    if (!(from in object)) continue;
    delete result[from];
    result[to] = object[from];
  }
  return result;
}

/** Events have two groups and one form in the store: the older one, as upstream keeps them. */
export const eventConversion: Conversion = {
  toStorage: (event) => rename(event, 'v1', eventFields),
  fromStorage: (event) =>
    rename(
      event,
      'events.k8s.io/v1',
      eventFields.map(([a, b]) => [b, a]),
    ),
};

/** Autoscaling v1 knows one metric, CPU; the store has v2. */
export const autoscalingConversion: Conversion = {
  toStorage(object) {
    const { targetCPUUtilizationPercentage: percent, ...spec } = object.spec ?? {};
    const metrics =
      percent === undefined
        ? []
        : [
            {
              type: 'Resource',
              resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: percent } },
            },
          ];
    return {
      ...object,
      apiVersion: 'autoscaling/v2',
      spec: { ...spec, ...(metrics.length ? { metrics } : {}) },
    };
  },
  fromStorage(object) {
    const { metrics, behavior: _, ...spec } = object.spec ?? {};
    const cpu = metrics?.find((m: any) => m.type === 'Resource' && m.resource?.name === 'cpu');
    const percent = cpu?.resource.target.averageUtilization;
    return {
      ...object,
      apiVersion: 'autoscaling/v1',
      spec: { ...spec, ...(percent === undefined ? {} : { targetCPUUtilizationPercentage: percent }) },
    };
  },
};
