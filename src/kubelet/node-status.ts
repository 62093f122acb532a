// The Node object as its kubelet fills it in. Pure.
// https://kubernetes.io/docs/reference/node/node-status/
import type { Node, NodeCondition, NodeStatus, NodeSystemInfo, Taint } from '../api/core/v1.gen.ts';
import type { Image } from '../cri/cri.ts';
import { time } from '../machinery/clock.ts';
import { clone, equal } from '../machinery/meta.ts';
import type { Machine, MachineUsage } from './host.ts';

export interface NodeFacts {
  name: string;
  ips: string[];
  hostname: string;
  machine: Machine;
  maxPods: number;
  /** Taken off the capacity. */
  reserved?: { cpuMilli?: number; memoryBytes?: number };
  labels?: Record<string, string>;
  taints?: Taint[];
  /** `containerd://1.6.20`. */
  runtimeVersion: string;
  kubeletVersion: string;
  port: number;
  podCIDR?: string;
  runtimeHandlers?: NodeStatus['runtimeHandlers'];
}

export interface NodeObservation {
  usage: MachineUsage;
  images: Image[];
  /** What is wrong with the runtime or the network; [] when the node is ready. */
  problems: string[];
  nowMs: number;
}

const mostImages = 50;
const mostNames = 5;
const megabyte = 2 ** 20;

const quantities = (facts: NodeFacts, cpuMilli: number, memoryBytes: number): Record<string, string> => ({
  cpu: cpuMilli % 1000 === 0 ? String(cpuMilli / 1000) : `${cpuMilli}m`,
  memory: `${Math.floor(memoryBytes / 1024)}Ki`,
  'ephemeral-storage': `${Math.floor(facts.machine.diskBytes / 1024)}Ki`,
  pods: String(facts.maxPods),
  ...Object.fromEntries(
    Object.entries(facts.machine.hugepages).map(([size, count]) => [`hugepages-${size}`, String(count)]),
  ),
});

export function capacityOf(facts: NodeFacts): {
  capacity: Record<string, string>;
  allocatable: Record<string, string>;
} {
  const { cpus, memoryBytes } = facts.machine;
  const { cpuMilli = 0, memoryBytes: kept = 0 } = facts.reserved ?? {};
  return {
    capacity: quantities(facts, cpus * 1000, memoryBytes),
    allocatable: quantities(facts, cpus * 1000 - cpuMilli, memoryBytes - kept),
  };
}

export function nodeLabels({ name, hostname, machine, labels }: NodeFacts): Record<string, string> {
  const { operatingSystem, architecture } = machine;
  return {
    'beta.kubernetes.io/arch': architecture,
    'beta.kubernetes.io/os': operatingSystem,
    'kubernetes.io/arch': architecture,
    'kubernetes.io/hostname': hostname || name,
    'kubernetes.io/os': operatingSystem,
    ...labels,
  };
}

/** As it is first created. */
export const newNode = (facts: NodeFacts): Node => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: {
    name: facts.name,
    labels: nodeLabels(facts),
    annotations: { 'volumes.kubernetes.io/controller-managed-attach-detach': 'true' },
  },
  spec: {
    ...(facts.podCIDR ? { podCIDR: facts.podCIDR, podCIDRs: [facts.podCIDR] } : {}),
    ...(facts.taints?.length ? { taints: facts.taints } : {}),
  },
});

function systemInfo({ machine, runtimeVersion, kubeletVersion }: NodeFacts): NodeSystemInfo {
  const { machineID, systemUUID, bootID, kernelVersion, osImage, operatingSystem, architecture, swapBytes } =
    machine;
  return {
    ...{ machineID, systemUUID, bootID, kernelVersion, osImage, operatingSystem, architecture },
    containerRuntimeVersion: runtimeVersion,
    kubeletVersion,
    kubeProxyVersion: '',
    ...(swapBytes ? { swap: { capacity: swapBytes } } : {}),
  };
}

/** Pressure: memory below 100 MiB, disk below 10 % or inodes below 5 %, fewer than 10 % of process ids left. */
function pressures(usage: MachineUsage): Record<'memory' | 'disk' | 'pid', boolean> {
  const low = (left: number, all: number, part: number) => all > 0 && left / all < part;
  return {
    memory: usage.memoryAvailableBytes < 100 * megabyte,
    disk:
      low(usage.diskAvailableBytes, usage.diskCapacityBytes, 0.1) ||
      low(usage.inodesFree, usage.inodes, 0.05),
    pid: usage.pidsMax > 0 && usage.pidsInUse > usage.pidsMax * 0.9,
  };
}

function conditionsOf({ usage, problems }: NodeObservation): Omit<NodeCondition, 'lastHeartbeatTime'>[] {
  const { memory, disk, pid } = pressures(usage);
  const made = (type: string, is: boolean, reason: string, message: string) => ({
    type,
    status: is ? 'True' : 'False',
    reason,
    message,
  });
  return [
    memory
      ? made(
          'MemoryPressure',
          true,
          'KubeletHasInsufficientMemory',
          'kubelet has insufficient memory available',
        )
      : made(
          'MemoryPressure',
          false,
          'KubeletHasSufficientMemory',
          'kubelet has sufficient memory available',
        ),
    disk
      ? made('DiskPressure', true, 'KubeletHasDiskPressure', 'kubelet has disk pressure')
      : made('DiskPressure', false, 'KubeletHasNoDiskPressure', 'kubelet has no disk pressure'),
    pid
      ? made('PIDPressure', true, 'KubeletHasInsufficientPID', 'kubelet has insufficient PID available')
      : made('PIDPressure', false, 'KubeletHasSufficientPID', 'kubelet has sufficient PID available'),
    problems.length === 0
      ? made('Ready', true, 'KubeletReady', 'kubelet is posting ready status')
      : made(
          'Ready',
          false,
          'KubeletNotReady',
          problems.length === 1 ? problems[0]! : `[${problems.join(', ')}]`,
        ),
  ];
}

function imagesOf(images: Image[]): NodeStatus['images'] {
  return images
    .toSorted((a, b) => b.size - a.size || (a.id < b.id ? -1 : 1))
    .slice(0, mostImages)
    .map(({ repoDigests, repoTags, size }) => ({
      names: [...repoDigests, ...repoTags].slice(0, mostNames),
      sizeBytes: size,
    }));
}

/** Conditions of others are kept, and so are times of what has not changed. */
function mergeConditions(old: NodeCondition[] = [], observation: NodeObservation): NodeCondition[] {
  const now = time(observation.nowMs);
  const own = conditionsOf(observation).map((condition) => {
    const before = old.find(({ type }) => type === condition.type);
    const kept = before?.status === condition.status ? before.lastTransitionTime : undefined;
    return { ...condition, lastHeartbeatTime: now, lastTransitionTime: kept ?? now };
  });
  const others = old.filter(({ type }) => !own.some((condition) => condition.type === type));
  return [...others, ...own];
}

export function nodeStatus(
  old: NodeStatus | undefined,
  facts: NodeFacts,
  observation: NodeObservation,
): NodeStatus {
  const { capacity, allocatable } = capacityOf(facts);
  const address = (type: string) => (text: string) => ({ type, address: text });
  // Extended resources are announced by others.
  const extended = (list: Record<string, string> = {}) =>
    Object.fromEntries(Object.entries(list).filter(([name]) => name.includes('/')));
  return {
    ...clone(old ?? {}),
    addresses: [...facts.ips.map(address('InternalIP')), address('Hostname')(facts.hostname || facts.name)],
    capacity: { ...extended(old?.capacity), ...capacity },
    allocatable: { ...extended(old?.allocatable), ...allocatable },
    conditions: mergeConditions(old?.conditions, observation),
    daemonEndpoints: { kubeletEndpoint: { Port: facts.port } },
    images: imagesOf(observation.images),
    nodeInfo: systemInfo(facts),
    ...(facts.runtimeHandlers ? { runtimeHandlers: facts.runtimeHandlers } : {}),
  };
}

const withoutHeartbeats = (status: NodeStatus | undefined): unknown => ({
  ...status,
  conditions: status?.conditions?.map(({ lastHeartbeatTime: _, ...rest }) => rest),
});

/** Whether anything but heartbeats differs. */
export const statusChanged = (a: NodeStatus | undefined, b: NodeStatus): boolean =>
  !equal(withoutHeartbeats(a), withoutHeartbeats(b));
