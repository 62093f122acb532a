// The host on Linux, as root.
import { chmod, mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../machinery/clock.ts';
import type { Host } from '../host.ts';
import { Cgroups } from './cgroups.ts';
import { grpcProbe } from './grpc-probe.ts';
import type { ImageMounts } from './image-mounts.ts';
import { logFiles } from './log-files.ts';
import { readMachine, readUsage } from './machine.ts';
import { isMountPoint, unmountBelow } from './mounts.ts';
import { httpProbe, tcpProbe } from './probes.ts';
import { bindSubPath } from './subpath.ts';
import { setUpVolume } from './volumes.ts';

export interface LinuxHostOptions {
  clock: Clock;
  /** Pods' directories and volumes on disk go to `<dataDir>/pods`. */
  dataDir: string;
  /** On a tmpfs such as /run: secrets and tokens are written here, and never to a disk. */
  runDir: string;
  /** `<logDir>/<namespace>_<name>_<uid>/<container>/<n>.log` */
  logDir: string;
  /** Prefix of the pods' cgroups, '' for /kubepods. */
  cgroupRoot?: string;
  /** How image volumes are mounted; without it there are none, unless the runtime mounts them itself. */
  imageMounts?: ImageMounts;
  /** The resolver that pods with dnsPolicy Default get. */
  resolvConf?: string;
}

const missing = (error: NodeJS.ErrnoException): undefined => {
  if (error.code !== 'ENOENT') throw error;
  return undefined;
};

export async function linuxHost(options: LinuxHostOptions): Promise<Host> {
  const { clock, dataDir, runDir, logDir, cgroupRoot = '', resolvConf = '/etc/resolv.conf' } = options;
  const podsDir = join(dataDir, 'pods');
  const memoryDir = join(runDir, 'pods');
  await mkdir(podsDir, { recursive: true, mode: 0o750 });
  await mkdir(memoryDir, { recursive: true, mode: 0o750 });
  await mkdir(logDir, { recursive: true, mode: 0o755 });
  const cgroups = new Cgroups(cgroupRoot, clock);
  const logs = logFiles(logDir, clock);
  const podDir = (uid: string) => join(podsDir, uid);
  const images = (uid: string) => join(podDir(uid), 'images');
  const subPaths = (uid: string, container: string) => join(podDir(uid), 'subpaths', container);
  return {
    machine: () => readMachine(dataDir),
    usage: () => readUsage(dataDir, clock.now()),
    resolvConf: async () => (await readFile(resolvConf, 'utf8').catch(missing)) ?? '',
    hostsFile: async () => (await readFile('/etc/hosts', 'utf8').catch(missing)) ?? '',

    async preparePod(pod) {
      await mkdir(join(podDir(pod.uid), 'volumes'), { recursive: true, mode: 0o750 });
      for (const container of pod.containers)
        await mkdir(join(logs.podDirectory(pod), container), { recursive: true, mode: 0o755 });
    },
    setUpVolume: (uid, volume) =>
      setUpVolume(volume, join(podDir(uid), 'volumes'), join(memoryDir, uid), new Date(clock.now())),
    async mountImage(uid, volume, imageId) {
      if (!options.imageMounts) throw new Error('image volumes are not supported by this node');
      const target = join(images(uid), volume);
      if (!(await isMountPoint(target))) await options.imageMounts.mount(imageId, target);
      return target;
    },
    async writePodFile(uid, name, content) {
      await mkdir(podDir(uid), { recursive: true, mode: 0o750 });
      const path = join(podDir(uid), name);
      // Containers have the file itself mounted: it is written over, not replaced.
      const file = await open(path, 'a+', 0o644);
      try {
        await file.truncate(0);
        await file.writeFile(content);
      } finally {
        await file.close();
      }
      await chmod(path, 0o644);
      return path;
    },
    readPodFile: (uid, name) => readFile(join(podDir(uid), name), 'utf8').catch(missing),
    async terminationLog(uid, container, attempt) {
      const directory = join(podDir(uid), 'containers', container);
      await mkdir(directory, { recursive: true, mode: 0o750 });
      const path = join(directory, String(attempt));
      // Any user of the container may write to it.
      await writeFile(path, '');
      await chmod(path, 0o666);
      return path;
    },
    async readFile(path, limit) {
      const file = await open(path).catch(missing);
      if (!file) return undefined;
      try {
        const bytes = new Uint8Array(limit);
        const { bytesRead } = await file.read(bytes, 0, limit, 0);
        return bytes.subarray(0, bytesRead);
      } finally {
        await file.close();
      }
    },
    subPath: (uid, container, index, volumePath, subPath) =>
      bindSubPath(volumePath, subPath, join(subPaths(uid, container), String(index))),
    async removePod(uid) {
      await unmountBelow(join(podDir(uid), 'subpaths'));
      for (const volume of (await readdir(images(uid)).catch(missing)) ?? [])
        await options.imageMounts?.unmount(join(images(uid), volume));
      // Nothing may be mounted when files are removed: a volume's data is not ours to delete.
      await unmountBelow(podDir(uid));
      const grave = `${podDir(uid)}.removed`;
      await rename(podDir(uid), grave).catch(missing);
      await rm(grave, { recursive: true, force: true });
      await rm(join(memoryDir, uid), { recursive: true, force: true });
    },
    podsOnDisk: async () => [
      ...new Set(
        [...(await readdir(podsDir)), ...(await readdir(memoryDir))].map((name) =>
          name.replace(/\.removed$/, ''),
        ),
      ),
    ],
    logs,

    applyCgroup: (cgroup, limits) => cgroups.apply(cgroup, limits),
    removeCgroup: (cgroup) => cgroups.remove(cgroup),
    podCgroups: () => cgroups.pods(),

    httpProbe,
    tcpProbe,
    grpcProbe,
  };
}
