// What the node and its pods use. https://kubernetes.io/docs/reference/instrumentation/node-metrics/
import type { ContainerRuntime, ContainerStats as CriContainerStats } from '../cri/cri.ts';
import { microTime } from '../machinery/clock.ts';
import type { Host, MachineUsage } from './host.ts';
import { readIdentity } from './runtime-labels.ts';

export interface CpuStats {
  time: string;
  usageNanoCores?: number;
  usageCoreNanoSeconds: number;
}
export interface MemoryStats {
  time: string;
  availableBytes?: number;
  usageBytes: number;
  workingSetBytes: number;
  rssBytes: number;
}
export interface FsStats {
  time: string;
  availableBytes?: number;
  capacityBytes?: number;
  usedBytes: number;
  inodesFree?: number;
  inodes?: number;
  inodesUsed?: number;
}
export interface ContainerStats {
  name: string;
  startTime?: string;
  cpu?: CpuStats;
  memory?: MemoryStats;
  rootfs?: FsStats;
}
export interface PodStats {
  podRef: { name: string; namespace: string; uid: string };
  startTime: string;
  containers: ContainerStats[];
  cpu?: CpuStats;
  memory?: MemoryStats;
}
export interface NodeStats {
  node: {
    nodeName: string;
    startTime: string;
    cpu: CpuStats;
    memory: MemoryStats;
    fs: FsStats;
    network?: {
      name: string;
      time: string;
      rxBytes: number;
      rxErrors: number;
      txBytes: number;
      txErrors: number;
    };
    rlimit: { time: string; maxpid: number; curproc: number };
  };
  pods: PodStats[];
}

/** Rates come from two looks at counters that only grow: at least this far apart. */
const leastSpanMs = 1000;

interface Sample {
  atMs: number;
  nanoSeconds: number;
  rate: number | undefined;
}

export class StatsSource {
  readonly #runtime: ContainerRuntime;
  readonly #host: Host;
  readonly #nodeName: string;
  readonly #startMs: number;
  readonly #samples = new Map<string, Sample>();

  constructor(runtime: ContainerRuntime, host: Host, nodeName: string, startMs: number) {
    this.#runtime = runtime;
    this.#host = host;
    this.#nodeName = nodeName;
    this.#startMs = startMs;
  }

  async read(startTimeOf: (podUid: string) => string | undefined): Promise<NodeStats> {
    const [usage, { stats }] = await Promise.all([this.#host.usage(), this.#runtime.listContainerStats({})]);
    const pods = new Map<string, PodStats>();
    const keys = new Set(['node']);
    for (const item of stats) {
      const { labels = {}, annotations = {}, id = '' } = item.attributes ?? {};
      const { podUid, podName, podNamespace, name } = readIdentity(labels, annotations);
      if (!podUid) continue;
      keys.add(id);
      let pod = pods.get(podUid);
      if (!pod) {
        const podRef = { name: podName, namespace: podNamespace, uid: podUid };
        pods.set(
          podUid,
          (pod = { podRef, startTime: startTimeOf(podUid) ?? microTime(this.#startMs), containers: [] }),
        );
      }
      pod.containers.push({ name, startTime: pod.startTime, ...this.#container(id, item) });
    }
    for (const key of this.#samples.keys()) if (!keys.has(key)) this.#samples.delete(key);
    for (const pod of pods.values()) Object.assign(pod, sumOf(pod.containers));
    return { node: this.#node(usage), pods: [...pods.values()] };
  }

  #rate(key: string, atMs: number, nanoSeconds: number): number | undefined {
    const last = this.#samples.get(key);
    if (last && atMs - last.atMs < leastSpanMs) return last.rate;
    const grown = last && nanoSeconds >= last.nanoSeconds ? nanoSeconds - last.nanoSeconds : undefined;
    const rate = grown === undefined ? undefined : Math.round((grown / (atMs - last!.atMs)) * 1000);
    this.#samples.set(key, { atMs, nanoSeconds, rate });
    return rate;
  }

  #cpu(key: string, atMs: number, usageCoreNanoSeconds: number, known?: number): CpuStats {
    const rate = known ?? this.#rate(key, atMs, usageCoreNanoSeconds);
    return {
      time: microTime(atMs),
      ...(rate === undefined ? {} : { usageNanoCores: rate }),
      usageCoreNanoSeconds,
    };
  }

  #container(id: string, { cpu, memory, writableLayer }: CriContainerStats): Omit<ContainerStats, 'name'> {
    const found: Omit<ContainerStats, 'name'> = {};
    if (cpu) {
      const nanoSeconds = cpu.usageCoreNanoSeconds?.value ?? 0;
      found.cpu = this.#cpu(id, cpu.timestamp / 1e6, nanoSeconds, cpu.usageNanoCores?.value || undefined);
    }
    if (memory) {
      const workingSetBytes = memory.workingSetBytes?.value ?? 0;
      found.memory = {
        time: microTime(memory.timestamp / 1e6),
        ...(memory.availableBytes?.value ? { availableBytes: memory.availableBytes.value } : {}),
        usageBytes: memory.usageBytes?.value || workingSetBytes,
        workingSetBytes,
        rssBytes: memory.rssBytes?.value ?? 0,
      };
    }
    if (writableLayer)
      found.rootfs = {
        time: microTime(writableLayer.timestamp / 1e6),
        usedBytes: writableLayer.usedBytes?.value ?? 0,
        inodesUsed: writableLayer.inodesUsed?.value ?? 0,
      };
    return found;
  }

  #node(usage: MachineUsage): NodeStats['node'] {
    const time = microTime(usage.atMs);
    return {
      nodeName: this.#nodeName,
      startTime: microTime(this.#startMs),
      cpu: this.#cpu('node', usage.atMs, usage.cpuNanoSeconds),
      memory: {
        time,
        availableBytes: usage.memoryAvailableBytes,
        usageBytes: usage.memoryUsageBytes,
        workingSetBytes: usage.memoryWorkingSetBytes,
        rssBytes: usage.memoryRssBytes,
      },
      fs: {
        time,
        availableBytes: usage.diskAvailableBytes,
        capacityBytes: usage.diskCapacityBytes,
        usedBytes: usage.diskCapacityBytes - usage.diskAvailableBytes,
        inodesFree: usage.inodesFree,
        inodes: usage.inodes,
      },
      ...(usage.network ? { network: { time, ...usage.network } } : {}),
      rlimit: { time, maxpid: usage.pidsMax, curproc: usage.pidsInUse },
    };
  }
}

function sumOf(containers: ContainerStats[]): Pick<PodStats, 'cpu' | 'memory'> {
  const cpus = containers.flatMap(({ cpu }) => cpu ?? []);
  const memories = containers.flatMap(({ memory }) => memory ?? []);
  const sum = <T>(items: T[], of: (item: T) => number) => items.reduce((total, item) => total + of(item), 0);
  return {
    ...(cpus.length
      ? {
          cpu: {
            time: cpus[0]!.time,
            usageNanoCores: sum(cpus, (cpu) => cpu.usageNanoCores ?? 0),
            usageCoreNanoSeconds: sum(cpus, (cpu) => cpu.usageCoreNanoSeconds),
          },
        }
      : {}),
    ...(memories.length
      ? {
          memory: {
            time: memories[0]!.time,
            usageBytes: sum(memories, (memory) => memory.usageBytes),
            workingSetBytes: sum(memories, (memory) => memory.workingSetBytes),
            rssBytes: sum(memories, (memory) => memory.rssBytes),
          },
        }
      : {}),
  };
}

/** The same as metrics-server reads it: https://kubernetes.io/docs/reference/instrumentation/metrics/ */
export function resourceMetrics({ node, pods }: NodeStats): string {
  const lines: string[] = [];
  const metric = (
    name: string,
    type: string,
    help: string,
    samples: [labels: string, value: number, time: string][],
  ) => {
    lines.push(`# HELP ${name} [STABLE] ${help}`, `# TYPE ${name} ${type}`);
    for (const [labels, value, time] of samples)
      lines.push(`${name}${labels ? `{${labels}}` : ''} ${value} ${Date.parse(time)}`);
  };
  const seconds = (cpu: CpuStats) => cpu.usageCoreNanoSeconds / 1e9;
  const containers = pods.flatMap(({ podRef, containers: all }) =>
    all.map((c) => ({
      ...c,
      labels: `container="${c.name}",namespace="${podRef.namespace}",pod="${podRef.name}"`,
    })),
  );
  const inPods = pods.map((p) => ({
    ...p,
    labels: `namespace="${p.podRef.namespace}",pod="${p.podRef.name}"`,
  }));
  const cpuOf = (items: { cpu?: CpuStats; labels: string }[]) =>
    items.flatMap(({ cpu, labels }) =>
      cpu ? [[labels, seconds(cpu), cpu.time] as [string, number, string]] : [],
    );
  const memoryOf = (items: { memory?: MemoryStats; labels: string }[]) =>
    items.flatMap(({ memory, labels }) =>
      memory ? [[labels, memory.workingSetBytes, memory.time] as [string, number, string]] : [],
    );
  const used = 'Cumulative cpu time consumed by the';
  const held = 'Current working set of the';
  metric(
    'container_cpu_usage_seconds_total',
    'counter',
    `${used} container in core-seconds`,
    cpuOf(containers),
  );
  metric('container_memory_working_set_bytes', 'gauge', `${held} container in bytes`, memoryOf(containers));
  metric(
    'container_start_time_seconds',
    'gauge',
    'Start time of the container since unix epoch in seconds',
    containers.map(({ labels, startTime }) => [labels, Date.parse(startTime ?? '') / 1000, node.cpu.time]),
  );
  metric('node_cpu_usage_seconds_total', 'counter', `${used} node in core-seconds`, [
    ['', seconds(node.cpu), node.cpu.time],
  ]);
  metric('node_memory_working_set_bytes', 'gauge', `${held} node in bytes`, [
    ['', node.memory.workingSetBytes, node.memory.time],
  ]);
  metric('pod_cpu_usage_seconds_total', 'counter', `${used} pod in core-seconds`, cpuOf(inPods));
  metric('pod_memory_working_set_bytes', 'gauge', `${held} pod in bytes`, memoryOf(inPods));
  metric(
    'resource_scrape_error',
    'gauge',
    '1 if there was an error while getting container metrics, 0 otherwise',
    [['', 0, node.cpu.time]],
  );
  return `${lines.join('\n')}\n`;
}
