// What a pod asks for and may use, summed over its containers, and its quality-of-service class.
// https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/ and KEP-753 (sidecars), KEP-2837 (pod-level resources).
import type { Pod, ResourceRequirements } from '../api/core/v1.gen.ts';
import {
  addQuantities,
  compareQuantity,
  integerValue,
  milliValue,
  parseQuantity,
} from '../machinery/quantity.ts';
import type { AnyContainer } from './pod-spec.ts';
import { initContainersOf, isSidecar } from './pod-spec.ts';

export type ResourceList = Record<string, string>;

const add = (a: ResourceList, b: ResourceList = {}): ResourceList => {
  const sum = { ...a };
  for (const [name, quantity] of Object.entries(b))
    sum[name] = name in sum ? addQuantities(sum[name], quantity) : quantity;
  return sum;
};
const max = (a: ResourceList, b: ResourceList): ResourceList => {
  const most = { ...a };
  for (const [name, quantity] of Object.entries(b))
    if (!(name in most) || compareQuantity(quantity, most[name]) > 0) most[name] = quantity;
  return most;
};

function total(
  pod: Pod,
  of: (container: AnyContainer) => ResourceList | undefined,
  kind: 'requests' | 'limits',
) {
  let running: ResourceList = {};
  for (const container of pod.spec!.containers) running = add(running, of(container));
  let sidecars: ResourceList = {};
  let initPeak: ResourceList = {};
  for (const container of initContainersOf(pod)) {
    if (isSidecar(container)) {
      sidecars = add(sidecars, of(container));
      initPeak = max(initPeak, sidecars);
    } else initPeak = max(initPeak, add(sidecars, of(container)));
  }
  const sum = max(add(running, sidecars), initPeak);
  return { ...sum, ...pod.spec!.resources?.[kind] };
}

/** What the scheduler counts: running containers and sidecars, or the init container that needs most; plus overhead. */
export const podRequests = (pod: Pod): ResourceList =>
  add(
    total(pod, ({ resources }) => resources?.requests, 'requests'),
    pod.spec!.overhead,
  );

/** Sums of the limits that there are; see `everyLimit` for whether they bound the pod. */
export const podLimits = (pod: Pod): ResourceList =>
  add(
    total(pod, ({ resources }) => resources?.limits, 'limits'),
    pod.spec!.overhead,
  );

/** Whether each container limits the resource, so that the sum bounds the pod. */
export const everyLimit = (pod: Pod, resource: 'cpu' | 'memory'): boolean =>
  pod.spec!.resources?.limits?.[resource] !== undefined ||
  [...pod.spec!.containers, ...initContainersOf(pod)].every(
    ({ resources }) => parseQuantity(resources?.limits?.[resource]) > 0,
  );

export type QosClass = 'Guaranteed' | 'Burstable' | 'BestEffort';

export function qosClass(pod: Pod): QosClass {
  if (pod.status?.qosClass) return pod.status.qosClass as QosClass;
  const all: (ResourceRequirements | undefined)[] =
    pod.spec!.resources?.requests || pod.spec!.resources?.limits
      ? [pod.spec!.resources]
      : [...pod.spec!.containers, ...initContainersOf(pod)].map(({ resources }) => resources);
  const positive = (list: ResourceList | undefined, name: string) => parseQuantity(list?.[name]) > 0;
  const names = ['cpu', 'memory'];
  if (!all.some((r) => names.some((n) => positive(r?.requests, n) || positive(r?.limits, n))))
    return 'BestEffort';
  const guaranteed = all.every((r) =>
    names.every(
      (n) =>
        positive(r?.limits, n) && (!r?.requests?.[n] || compareQuantity(r.requests[n], r.limits![n]) === 0),
    ),
  );
  return guaranteed ? 'Guaranteed' : 'Burstable';
}

/** cgroup settings; what is undefined is not limited. Shares in cgroup v1's scale, quota in microseconds per period. */
export interface CgroupSettings {
  cpuShares: number;
  cpuQuota?: number;
  cpuPeriod: number;
  memoryBytes?: number;
}

export const cpuPeriod = 100_000;
/** 1000 millicores are 1024 shares; 2 is the least that the kernel takes. */
export const cpuShares = (milli: number): number =>
  milli <= 0 ? 2 : Math.min(262_144, Math.max(2, Math.floor((milli * 1024) / 1000)));
/** -1, no quota, for no limit; the kernel wants at least a millisecond. */
export const cpuQuota = (milli: number): number =>
  milli <= 0 ? -1 : Math.max(1000, Math.floor((milli * cpuPeriod) / 1000));

/** Settings of the pod's own cgroup. */
export function podCgroupSettings(pod: Pod): CgroupSettings {
  const limits = podLimits(pod);
  const settings: CgroupSettings = { cpuShares: cpuShares(milliValue(podRequests(pod).cpu)), cpuPeriod };
  if (qosClass(pod) === 'BestEffort') return { ...settings, cpuShares: 2 };
  if (everyLimit(pod, 'cpu')) settings.cpuQuota = cpuQuota(milliValue(limits.cpu));
  if (everyLimit(pod, 'memory')) settings.memoryBytes = integerValue(limits.memory);
  return settings;
}

/** `/kubepods/burstable/pod<uid>`: as upstream's cgroupfs driver lays them out, beneath the node's own root. */
export function podCgroup(pod: Pod, root = ''): string {
  const qos = qosClass(pod);
  return `${root}/kubepods${qos === 'Guaranteed' ? '' : `/${qos.toLowerCase()}`}/pod${pod.metadata.uid}`;
}

const critical = 2_000_000_000;

/**
 * How readily the kernel kills a container's processes when memory runs out: -997 guaranteed, 1000 best effort, and in
 * between the more readily the smaller its share of the machine's memory that was asked for.
 */
export function oomScoreAdjust(pod: Pod, container: AnyContainer, memoryCapacity: number): number {
  const qos = qosClass(pod);
  if (pod.spec!.priorityClassName === 'system-node-critical' || (pod.spec!.priority ?? 0) > critical)
    return -997;
  if (qos === 'Guaranteed') return -997;
  if (qos === 'BestEffort') return 1000;
  const score = (bytes: number) => 1000 - Math.floor((1000 * bytes) / memoryCapacity);
  let adjust = score(integerValue(container.resources?.requests?.memory));
  if (initContainersOf(pod).some((init) => init === container && isSidecar(init))) {
    // A sidecar goes no sooner than the containers that it serves.
    const least = Math.min(...pod.spec!.containers.map((c) => integerValue(c.resources?.requests?.memory)));
    adjust = Math.min(adjust, score(least));
  }
  return Math.min(999, Math.max(3, adjust));
}
