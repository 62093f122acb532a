// In-place resize of a running pod's CPU and memory (KEP-1287).
//
// Three states of a container's resources: asked for (the spec), allocated (what the node has granted; the spec of the
// "allocated pod" that the rest of the kubelet works with) and actuated (what the cgroups were last given).
import type { ContainerResizePolicy, Pod, ResourceRequirements } from '../api/core/v1.gen.ts';
import { clone, equal } from '../machinery/meta.ts';
import { compareQuantity, integerValue, milliValue } from '../machinery/quantity.ts';
import type { ResourceList } from './pod-resources.ts';
import { podRequests } from './pod-resources.ts';
import type { AnyContainer } from './pod-spec.ts';
import { initContainersOf, isSidecar } from './pod-spec.ts';

/** Bytes and millicores; 0 where nothing is said. */
export interface Amounts {
  cpuRequest: number;
  cpuLimit: number;
  memoryRequest: number;
  memoryLimit: number;
}

export const amountsOf = (resources: ResourceRequirements | undefined): Amounts => ({
  cpuRequest: milliValue(resources?.requests?.cpu),
  cpuLimit: milliValue(resources?.limits?.cpu),
  memoryRequest: integerValue(resources?.requests?.memory),
  memoryLimit: integerValue(resources?.limits?.memory),
});

export interface ResizeStep {
  name: string;
  id: string;
  resource: 'cpu' | 'memory';
  from: Amounts;
  to: Amounts;
}

const restarts = (policies: ContainerResizePolicy[] | undefined, resource: string): boolean =>
  policies?.some((p) => p.resourceName === resource && p.restartPolicy === 'RestartContainer') ?? false;

/** What it takes to bring a running container from `from` to what its spec says. */
export function planResize(
  container: AnyContainer,
  id: string,
  from: Amounts,
): { restart: boolean; steps: ResizeStep[] } {
  const to = amountsOf(container.resources);
  const steps: ResizeStep[] = [];
  let restart = false;
  for (const resource of ['cpu', 'memory'] as const) {
    if (
      to[`${resource}Limit`] === from[`${resource}Limit`] &&
      to[`${resource}Request`] === from[`${resource}Request`]
    )
      continue;
    if (restarts(container.resizePolicy, resource)) restart = true;
    else steps.push({ name: container.name, id, resource, from, to });
  }
  return { restart, steps: restart ? [] : steps };
}

const shrinks = ({ resource, from, to }: ResizeStep): boolean =>
  to[`${resource}Limit`] < from[`${resource}Limit`] || to[`${resource}Request`] < from[`${resource}Request`];

/** Decreases first, so that the sum stays within the pod's cgroup all the time. */
export const inSafeOrder = (steps: ResizeStep[]): ResizeStep[] => [
  ...steps.filter(shrinks),
  ...steps.filter((step) => !shrinks(step)),
];

/** By container's name. */
export type Allocation = Record<string, ResourceRequirements>;

const resizable = (pod: Pod): AnyContainer[] => [
  ...pod.spec!.containers,
  ...initContainersOf(pod).filter(isSidecar),
];

export const allocationOf = (pod: Pod): Allocation =>
  Object.fromEntries(resizable(pod).map(({ name, resources }) => [name, resources ?? {}]));

/** Whether the spec asks for other CPU or memory than was granted. */
export const wantsResize = (pod: Pod, allocation: Allocation): boolean =>
  resizable(pod).some(
    ({ name, resources }) => allocation[name] && !equal(amountsOf(resources), amountsOf(allocation[name])),
  );

/** The pod with what was granted in place of what is asked for; the same object where they are equal. */
export function withAllocation(pod: Pod, allocation: Allocation): Pod {
  if (!wantsResize(pod, allocation)) return pod;
  const granted = clone(pod);
  for (const container of resizable(granted))
    if (allocation[container.name]) container.resources = clone(allocation[container.name]);
  return granted;
}

export type ResizeVerdict =
  | { fits: true }
  | { fits: false; reason: 'Deferred' | 'Infeasible'; message: string };

/** Whether the node can grant what the pod asks for, next to the requests of the other pods on it. */
export function judgeResize(pod: Pod, allocatable: ResourceList, others: ResourceList[]): ResizeVerdict {
  const asked = podRequests(pod);
  for (const resource of ['cpu', 'memory']) {
    const amount = resource === 'cpu' ? milliValue : integerValue;
    const capacity = amount(allocatable[resource]);
    if (compareQuantity(asked[resource], allocatable[resource]) > 0) {
      return {
        fits: false,
        reason: 'Infeasible',
        message: `Node didn't have enough capacity: ${resource}, requested: ${amount(asked[resource])}, capacity: ${capacity}`,
      };
    }
    const used = others.reduce((sum, requests) => sum + amount(requests[resource]), 0);
    if (used + amount(asked[resource]) > capacity) {
      return {
        fits: false,
        reason: 'Deferred',
        message: `Node didn't have enough resource: ${resource}, requested: ${amount(asked[resource])}, used: ${used}, capacity: ${capacity}`,
      };
    }
  }
  return { fits: true };
}
