import type { Container, ContainerStatus, Pod } from '../api/core/v1.gen.ts';
import { integerValue, milliValue } from '../machinery/quantity.ts';

/** Amounts of resources. Everything but cpu, memory and ephemeral storage is a scalar, by name. */
export interface Resources {
  milliCpu: number;
  memoryBytes: number;
  ephemeralBytes: number;
  /** Undefined where there are none, which is nearly always. */
  scalars: Map<string, number> | undefined;
}

type Quantities = Record<string, string> | undefined;

export const nothing = (): Resources => ({
  milliCpu: 0,
  memoryBytes: 0,
  ephemeralBytes: 0,
  scalars: undefined,
});

export function resourcesOf(quantities: Quantities): Resources {
  const r = nothing();
  for (const name in quantities) {
    const quantity = quantities[name]!;
    if (name === 'cpu') r.milliCpu = milliValue(quantity);
    else if (name === 'memory') r.memoryBytes = integerValue(quantity);
    else if (name === 'ephemeral-storage') r.ephemeralBytes = integerValue(quantity);
    else if (name !== 'pods') (r.scalars ??= new Map()).set(name, integerValue(quantity));
  }
  return r;
}

/** Adds `b` to `a` in place; `sign` -1 takes it away. */
export function add(a: Resources, b: Resources, sign: 1 | -1 = 1): void {
  a.milliCpu += sign * b.milliCpu;
  a.memoryBytes += sign * b.memoryBytes;
  a.ephemeralBytes += sign * b.ephemeralBytes;
  if (!b.scalars) return;
  const scalars = (a.scalars ??= new Map());
  for (const [name, n] of b.scalars) scalars.set(name, (scalars.get(name) ?? 0) + sign * n);
}

/** Raises `a` to at least `b` in place, resource by resource. */
function atLeast(a: Resources, b: Resources): void {
  a.milliCpu = Math.max(a.milliCpu, b.milliCpu);
  a.memoryBytes = Math.max(a.memoryBytes, b.memoryBytes);
  a.ephemeralBytes = Math.max(a.ephemeralBytes, b.ephemeralBytes);
  if (!b.scalars) return;
  const scalars = (a.scalars ??= new Map());
  for (const [name, n] of b.scalars) scalars.set(name, Math.max(scalars.get(name) ?? 0, n));
}

// What a container counts for in scores when it asks for nothing: an empty node is still better than a full one.
const defaultMilliCpu = 100;
const defaultMemoryBytes = 200 * 1024 * 1024;

/** While a container is resized in place, it counts for the larger of what it has and what it wants. */
function requestsOf(container: Container, statuses: ContainerStatus[] | undefined): Resources {
  const wanted = resourcesOf(container.resources?.requests);
  const status = statuses?.find((s) => s.name === container.name);
  if (!status) return wanted;
  if (status.resources?.requests) atLeast(wanted, resourcesOf(status.resources.requests));
  if (status.allocatedResources) atLeast(wanted, resourcesOf(status.allocatedResources));
  return wanted;
}

function withDefaults(requests: Resources, quantities: Quantities): Resources {
  return {
    ...requests,
    milliCpu: quantities?.cpu === undefined ? defaultMilliCpu : requests.milliCpu,
    memoryBytes: quantities?.memory === undefined ? defaultMemoryBytes : requests.memoryBytes,
  };
}

/**
 * What a pod asks of a node. Containers run together, so they add up; init containers run one after another before
 * them, so the largest counts; sidecars (init containers that restart always) run with all that come after them.
 *
 *   init 2 cpu, sidecar 1 cpu, init 3 cpu, containers 1 + 1 cpu  ->  max(2, 1 + 3, 1 + 1 + 1) = 4 cpu
 *
 * `scored` has defaults for containers that ask for nothing. https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/
 */
export function podRequests(pod: Pod): { requests: Resources; scored: Resources } {
  const { spec, status } = pod;
  const requests = sum(pod, (container, statuses) => requestsOf(container, statuses));
  const scored = sum(pod, (container, statuses) =>
    withDefaults(requestsOf(container, statuses), container.resources?.requests),
  );
  const ofPod = spec.resources?.requests;
  if (ofPod) {
    const whole = resourcesOf(ofPod);
    if (status?.resources?.requests) atLeast(whole, resourcesOf(status.resources.requests));
    for (const total of [requests, scored]) {
      if (ofPod.cpu !== undefined) total.milliCpu = whole.milliCpu;
      if (ofPod.memory !== undefined) total.memoryBytes = whole.memoryBytes;
    }
  }
  if (spec.overhead) {
    const overhead = resourcesOf(spec.overhead);
    add(requests, overhead);
    add(scored, overhead);
  }
  return { requests, scored };
}

/** What a pod may use at most, of what it has limits for. Its overhead is added to those that are there. */
export function podLimits(pod: Pod): Resources {
  const limits = sum(pod, (container) => resourcesOf(container.resources?.limits));
  const ofPod = pod.spec.resources?.limits;
  if (ofPod) {
    const whole = resourcesOf(ofPod);
    if (ofPod.cpu !== undefined) limits.milliCpu = whole.milliCpu;
    if (ofPod.memory !== undefined) limits.memoryBytes = whole.memoryBytes;
  }
  if (!pod.spec.overhead) return limits;
  const overhead = resourcesOf(pod.spec.overhead);
  if (limits.milliCpu) limits.milliCpu += overhead.milliCpu;
  if (limits.memoryBytes) limits.memoryBytes += overhead.memoryBytes;
  if (limits.ephemeralBytes) limits.ephemeralBytes += overhead.ephemeralBytes;
  return limits;
}

function sum(pod: Pod, of: (c: Container, s: ContainerStatus[] | undefined) => Resources): Resources {
  const total = nothing();
  for (const container of pod.spec.containers) add(total, of(container, pod.status?.containerStatuses));
  if (!pod.spec.initContainers?.length) return total;
  const sidecars = nothing();
  const peak = nothing();
  for (const container of pod.spec.initContainers) {
    const its = of(container, pod.status?.initContainerStatuses);
    if (container.restartPolicy === 'Always') {
      add(sidecars, its);
      atLeast(peak, sidecars);
    } else {
      add(its, sidecars);
      atLeast(peak, its);
    }
  }
  add(total, sidecars);
  atLeast(total, peak);
  return total;
}
