import type { Clock } from '../machinery/clock.ts';
import type { CgroupLimits, Host, HostVolume, Machine, MachineUsage, ProbeResult } from './host.ts';

export interface SimulatedHostOptions {
  clock: Clock;
  nodeName: string;
  cpus?: number;
  memoryBytes?: number;
  /** What the simulated runtime has "written" to a log (SimulatedRuntime.readLog). */
  readLog?: (path: string) => string;
  /** What probes answer; success unless told. */
  probe?: (host: string, port: number) => ProbeResult;
}

const root = '/simulated';
const gibibyte = 2 ** 30;

/** A node without a machine: nothing is written, mounted or limited, and probes succeed. */
export function simulatedHost(options: SimulatedHostOptions): Host {
  const { clock, nodeName, cpus = 8, memoryBytes = 32 * gibibyte, readLog = () => '' } = options;
  const machine: Machine = {
    cpus,
    memoryBytes,
    diskBytes: 100 * gibibyte,
    hugepages: {},
    machineID: nodeName,
    systemUUID: nodeName,
    bootID: nodeName,
    kernelVersion: 'simulated',
    osImage: 'Wherry simulated node',
    operatingSystem: 'linux',
    architecture: 'amd64',
    swapBytes: 0,
  };
  const usage = (): MachineUsage => ({
    atMs: clock.now(),
    cpuNanoSeconds: 0,
    memoryAvailableBytes: memoryBytes,
    memoryWorkingSetBytes: 0,
    memoryUsageBytes: 0,
    memoryRssBytes: 0,
    diskAvailableBytes: machine.diskBytes,
    diskCapacityBytes: machine.diskBytes,
    inodesFree: 1e6,
    inodes: 1e6,
    pidsInUse: 0,
    pidsMax: 32_768,
  });
  const answer = async (host: string, port: number): Promise<ProbeResult> =>
    options.probe?.(host, port) ?? { result: 'success', output: 'ok' };
  const podFiles = new Map<string, string>();
  const cgroups = new Map<string, CgroupLimits>();
  const bytesOf = (path: string) => new TextEncoder().encode(readLog(path));
  const none = async (): Promise<void> => {};
  return {
    machine: async () => machine,
    usage: async () => usage(),
    resolvConf: async () => '',
    hostsFile: async () => '',
    preparePod: none,
    setUpVolume: async (uid: string, { name }: HostVolume) => `${root}/pods/${uid}/volumes/${name}`,
    mountImage: async (uid, volume) => `${root}/pods/${uid}/images/${volume}`,
    async writePodFile(uid, name, content) {
      podFiles.set(`${uid}/${name}`, content);
      return `${root}/pods/${uid}/${name}`;
    },
    readPodFile: async (uid, name) => podFiles.get(`${uid}/${name}`),
    terminationLog: async (uid, container, attempt) =>
      `${root}/pods/${uid}/containers/${container}/${attempt}`,
    readFile: async () => undefined,
    subPath: async (_uid, _container, _index, volumePath, subPath) => `${volumePath}/${subPath}`,
    async removePod(uid) {
      for (const key of podFiles.keys()) if (key.startsWith(`${uid}/`)) podFiles.delete(key);
    },
    podsOnDisk: async () => [],
    logs: {
      podDirectory: ({ namespace, name, uid }) => `${root}/logs/${namespace}_${name}_${uid}`,
      list: async () => [],
      size: async (path) => bytesOf(path).length,
      read: async (path, from, limit) => bytesOf(path).subarray(from, from + limit),
      rename: none,
      remove: none,
      changed: (_path, withinMs, signal) =>
        new Promise((resolve) => {
          const timer = clock.after(Math.min(withinMs, 1000), resolve);
          const abort = () => {
            timer.cancel();
            resolve();
          };
          signal?.addEventListener('abort', abort, { once: true });
        }),
      podDirectories: async () => [],
      removePodDirectory: none,
    },
    async applyCgroup(cgroup, limits) {
      cgroups.set(cgroup, limits);
    },
    async removeCgroup(cgroup) {
      cgroups.delete(cgroup);
    },
    podCgroups: async () =>
      new Map([...cgroups.keys()].map((cgroup) => [cgroup.split('/pod').at(-1)!, cgroup])),
    httpProbe: ({ host, port }) => answer(host, port),
    tcpProbe: (host, port) => answer(host, port),
    grpcProbe: (host, port) => answer(host, port),
  };
}
