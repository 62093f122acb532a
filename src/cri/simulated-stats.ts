// What pods and containers of a simulated node use: as their annotations say, from the start to the end.

import { type ContainerStats, criCodec, type PodSandboxStats } from './cri.ts';
import { isRunning, type Pod, type Run, type SimulatedNode } from './simulated-node.ts';

export function containerStats(node: SimulatedNode, run: Run): ContainerStats {
  const { status, resources } = run;
  const timestamp = node.nowNs();
  const { id, metadata, labels, annotations } = status;
  const running = isRunning(run);
  const cores = running ? resources.cpuMillicores / 1000 : 0;
  const memory = running ? resources.memoryBytes : 0;
  const usageCoreNanoSeconds = { value: Math.round((timestamp - status.startedAt) * cores) };
  return criCodec.create('ContainerStats', {
    attributes: { id, metadata, labels, annotations },
    cpu: { timestamp, usageCoreNanoSeconds, usageNanoCores: { value: Math.round(cores * 1e9) } },
    memory: {
      timestamp,
      workingSetBytes: { value: memory },
      usageBytes: { value: memory },
      rssBytes: { value: memory },
    },
    writableLayer: {
      timestamp,
      fsId: { mountpoint: '/' },
      usedBytes: { value: 0 },
      inodesUsed: { value: 0 },
    },
  });
}

export function podStats(node: SimulatedNode, { status }: Pod): PodSandboxStats {
  const containers = node
    .runsOf(status.id)
    .filter(isRunning)
    .map((run) => containerStats(node, run));
  const timestamp = node.nowNs();
  const sum = (pick: (stats: ContainerStats) => number) =>
    containers.reduce((total, stats) => total + pick(stats), 0);
  const nanoCores = sum(({ cpu }) => cpu?.usageNanoCores?.value ?? 0);
  const cpuTotal = sum(({ cpu }) => cpu?.usageCoreNanoSeconds?.value ?? 0);
  const memory = sum(({ memory: usage }) => usage?.workingSetBytes?.value ?? 0);
  return criCodec.create('PodSandboxStats', {
    attributes: {
      id: status.id,
      metadata: status.metadata,
      labels: status.labels,
      annotations: status.annotations,
    },
    linux: {
      cpu: { timestamp, usageNanoCores: { value: nanoCores }, usageCoreNanoSeconds: { value: cpuTotal } },
      memory: { timestamp, workingSetBytes: { value: memory } },
      containers,
    },
  });
}
