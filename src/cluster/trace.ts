import { pods } from '../api/core/pod.ts';
import { resourceName } from '../machinery/kind.ts';
import type { AnyObject } from '../machinery/meta.ts';
import { notFound } from '../machinery/status.ts';
import type { TraceRecord } from '../machinery/trace.ts';
import type { Cluster } from './start.ts';

/** The life of one pod, from what the components recorded. Times are in milliseconds. */
export interface PodTrace {
  pod: {
    namespace: string;
    name: string;
    uid: string | undefined;
    node: string | undefined;
    ip: string | undefined;
  };
  /** The pod and what it was made by, the pod first. */
  lineage: { resource: string; name: string; uid: string | undefined }[];
  records: TraceRecord[];
}

/** Gathers what was recorded of a pod and of its owners' latest change before it was made. Throws NotFound. */
export function traceOf(cluster: Cluster, namespace: string, name: string): PodTrace {
  const { registry } = cluster.api.server;
  const object = (plural: string, group: string, n: string): AnyObject | undefined => {
    const served = registry.scheme.resource(group, 'v1', plural);
    const cache = served && registry.caches.of(served.storage);
    return cache?.get(`${cache.prefix}${namespace}/${n}`)?.object;
  };
  const pod = object('pods', '', name);
  const own = cluster.trace.of('pods', namespace, name);
  if (!pod && !own.length) throw notFound(pods, name);
  const uid = pod?.metadata.uid ?? own.at(-1)!.uid;
  const mine = own.filter((r) => !r.uid || r.uid === uid);
  const created = mine.find((r) => r.step === 2)?.at ?? mine[0]?.at ?? Number.POSITIVE_INFINITY;

  const lineage: PodTrace['lineage'] = [{ resource: 'pods', name, uid }];
  const records = [...mine];
  let current = pod;
  while (current) {
    const owner = current.metadata.ownerReferences?.find((o) => o.controller);
    if (!owner) break;
    const served = registry.scheme.kind(owner.apiVersion, owner.kind);
    if (!served) break;
    const resource = resourceName(served.kind);
    lineage.push({ resource, name: owner.name, uid: owner.uid });
    // The change that led to this pod: the newest one asked for before the pod was stored, and all that followed from it.
    const before = cluster.trace.of(resource, namespace, owner.name).filter((r) => r.at <= created + 1);
    const start = before.findLastIndex((r) => r.step === 1);
    records.push(...before.slice(Math.max(0, start)));
    current = object(served.kind.plural, served.kind.group, owner.name);
  }
  return {
    pod: { namespace, name, uid, node: pod?.spec?.nodeName, ip: pod?.status?.podIP },
    lineage,
    records: records.toSorted((a, b) => a.at - b.at || a.step - b.step),
  };
}
