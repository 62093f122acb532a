// What the kubelet needs of the machine that it runs on. node/host.ts does it on Linux; simulated-host.ts has no machine.

/** Facts of the machine. They do not change while the kubelet runs. */
export interface Machine {
  cpus: number;
  memoryBytes: number;
  /** Capacity of the file system that holds the kubelet's data. */
  diskBytes: number;
  hugepages: Record<string, number>;
  machineID: string;
  systemUUID: string;
  bootID: string;
  kernelVersion: string;
  osImage: string;
  /** As Go names them: `linux`, `amd64`. */
  operatingSystem: string;
  architecture: string;
  /** 0: none. */
  swapBytes: number;
}

/** How much of the machine is in use now. */
export interface MachineUsage {
  atMs: number;
  /** Since boot. */
  cpuNanoSeconds: number;
  memoryAvailableBytes: number;
  memoryWorkingSetBytes: number;
  memoryUsageBytes: number;
  memoryRssBytes: number;
  diskAvailableBytes: number;
  diskCapacityBytes: number;
  inodesFree: number;
  inodes: number;
  pidsInUse: number;
  pidsMax: number;
  network?: { name: string; rxBytes: number; txBytes: number; rxErrors: number; txErrors: number };
}

/** One file of a projected volume; `path` is relative, without `..`. */
export interface ProjectedFile {
  path: string;
  data: Uint8Array;
  /** Permission bits. */
  mode: number;
  /** Owner, where it is not root. */
  uid?: number;
}

/** A volume as the host is to provide it. */
export type HostVolume =
  | {
      type: 'emptyDir';
      name: string;
      /** In memory (tmpfs) rather than on disk; hugetlbfs with this page size. */
      medium: 'disk' | 'memory' | { pageBytes: number };
      sizeBytes?: number;
      gid?: number;
    }
  | {
      /** Swapped in as a whole: readers see the old set of files or the new one, never a mixture. */
      type: 'files';
      name: string;
      files: ProjectedFile[];
      gid?: number;
    }
  | {
      type: 'path';
      name: string;
      path: string;
      /** The hostPath type: '', DirectoryOrCreate, Directory, FileOrCreate, File, Socket, CharDevice, BlockDevice. */
      check: string;
      /** Set for volumes whose owner the pod may change (persistent ones). */
      gid?: number;
      gidPolicy?: 'Always' | 'OnRootMismatch';
    };

export interface ProbeResult {
  result: 'success' | 'warning' | 'failure';
  output: string;
}

export interface HttpProbe {
  scheme: 'http' | 'https';
  host: string;
  port: number;
  path: string;
  headers: { name: string; value: string }[];
  timeoutMs: number;
  /** `kube-probe` or `kube-lifecycle`. */
  agent: string;
}

export interface CgroupLimits {
  cpuShares: number;
  /** Microseconds per period, -1 for none; undefined leaves it as it is. */
  cpuQuota?: number;
  cpuPeriod: number;
  /** -1 for none; undefined leaves it as it is. */
  memoryBytes?: number;
}

/** Files, mounts, cgroups and sockets of a node. Failures are Errors whose messages are fit for events. */
export interface Host {
  machine(): Promise<Machine>;
  usage(): Promise<MachineUsage>;
  /** Contents of the node's own resolv.conf and hosts file. */
  resolvConf(): Promise<string>;
  hostsFile(): Promise<string>;

  /** Makes the pod's directories (data and logs). Idempotent. */
  preparePod(pod: PodPlace): Promise<void>;
  /** Provides a volume and returns its path. Idempotent; called again for changed files. */
  setUpVolume(podUid: string, volume: HostVolume): Promise<string>;
  /** Mounts the files of an image that the runtime has, read-only, and returns the path. Idempotent. */
  mountImage(podUid: string, volume: string, imageId: string): Promise<string>;
  /** Writes a small file into the pod's own directory (`etc-hosts`) and returns its path. Replaced in place. */
  writePodFile(podUid: string, name: string, content: string): Promise<string>;
  readPodFile(podUid: string, name: string): Promise<string | undefined>;
  /** An empty file that the container may write its last words to; returns its path. */
  terminationLog(podUid: string, container: string, attempt: number): Promise<string>;
  /** At most the first `limit` bytes; undefined when there is no such file. */
  readFile(path: string, limit: number): Promise<Uint8Array | undefined>;
  /**
   * A path that is safely inside the volume: what a container may be given for `subPath`, made as a directory when missing.
   * No symbolic link in it leads out of the volume, even when someone changes links meanwhile.
   */
  subPath(
    podUid: string,
    container: string,
    index: number,
    volumePath: string,
    subPath: string,
  ): Promise<string>;
  /** Unmounts and removes all that belongs to the pod except its logs. Idempotent. */
  removePod(podUid: string): Promise<void>;
  /** Uids of the pods that have directories here. */
  podsOnDisk(): Promise<string[]>;

  /** Directory and files of logs; see container-logs.ts for names. */
  logs: LogFiles;

  /** Makes the cgroup with these limits, or changes them. `cgroup` is a path as in pod-resources.ts. */
  applyCgroup(cgroup: string, limits: CgroupLimits): Promise<void>;
  /** Kills what is left in it and removes it. Idempotent. */
  removeCgroup(cgroup: string): Promise<void>;
  /** Uids of pods that have a cgroup, with their cgroups. */
  podCgroups(): Promise<Map<string, string>>;

  httpProbe(probe: HttpProbe): Promise<ProbeResult>;
  tcpProbe(host: string, port: number, timeoutMs: number): Promise<ProbeResult>;
  grpcProbe(host: string, port: number, service: string, timeoutMs: number): Promise<ProbeResult>;
}

export interface PodPlace {
  uid: string;
  namespace: string;
  name: string;
  /** Names of all its containers: each has a directory of logs. */
  containers: string[];
}

export interface LogFiles {
  /** `<logDir>/<namespace>_<name>_<uid>`. */
  podDirectory(pod: Omit<PodPlace, 'containers'>): string;
  /** Names in a container's directory, [] when there is none. */
  list(directory: string): Promise<string[]>;
  /** undefined when there is no such file. */
  size(path: string): Promise<number | undefined>;
  /** Bytes [from, from + limit); shorter at the end. */
  read(path: string, from: number, limit: number): Promise<Uint8Array>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** Resolves when the file may have changed, at the latest after `withinMs`. */
  changed(path: string, withinMs: number, signal?: AbortSignal): Promise<void>;
  /** Directories of pods' logs: their names. */
  podDirectories(): Promise<string[]>;
  removePodDirectory(name: string): Promise<void>;
}
