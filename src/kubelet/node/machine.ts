import { readdir, readFile, statfs } from 'node:fs/promises';
import { arch, cpus, platform, release, totalmem } from 'node:os';
import type { Machine, MachineUsage } from '../host.ts';

/** '' for a file that is not there, or that we may not read. */
const text = async (path: string): Promise<string> =>
  readFile(path, 'utf8').then(
    (content) => content.trim(),
    () => '',
  );

/** As Go names architectures. */
const goArch: Record<string, string> = {
  x64: 'amd64',
  ia32: '386',
  arm: 'arm',
  arm64: 'arm64',
  ppc64: 'ppc64le',
  s390x: 's390x',
};

/** Page size as the API names it -> bytes reserved. */
async function hugepages(): Promise<Record<string, number>> {
  const root = '/sys/kernel/mm/hugepages';
  const sizes: Record<string, number> = {};
  for (const name of await readdir(root).catch(() => [])) {
    const kib = Number(/^hugepages-(\d+)kB$/.exec(name)?.[1]);
    if (!kib) continue;
    const size = kib >= 2 ** 20 ? `${kib / 2 ** 20}Gi` : kib >= 1024 ? `${kib / 1024}Mi` : `${kib}Ki`;
    sizes[size] = Number(await text(`${root}/${name}/nr_hugepages`)) * kib * 1024;
  }
  return sizes;
}

const osName = (release: string): string => /^PRETTY_NAME="?(.*?)"?$/m.exec(release)?.[1] ?? 'Unknown';
const kibibytes = (meminfo: string, field: string): number =>
  Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(meminfo)?.[1] ?? 0) * 1024;

export async function readMachine(dataDir: string): Promise<Machine> {
  const [disk, meminfo] = [await statfs(dataDir), await text('/proc/meminfo')];
  const machineID = await text('/etc/machine-id');
  return {
    cpus: cpus().length,
    memoryBytes: totalmem(),
    diskBytes: disk.blocks * disk.bsize,
    hugepages: await hugepages(),
    machineID,
    systemUUID: (await text('/sys/class/dmi/id/product_uuid')) || machineID,
    bootID: await text('/proc/sys/kernel/random/boot_id'),
    kernelVersion: release(),
    osImage: osName(await text('/etc/os-release')),
    operatingSystem: platform(),
    architecture: goArch[arch()] ?? arch(),
    swapBytes: kibibytes(meminfo, 'SwapTotal'),
  };
}

/** /proc/stat counts in hundredths of a second: user nice system idle iowait irq softirq steal. */
function busyNanoSeconds(stat: string): number {
  const ticks = /^cpu\s+(.*)$/m.exec(stat)?.[1]?.split(' ').map(Number) ?? [];
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = ticks;
  return (user + nice + system + irq + softirq + steal) * 1e7;
}

async function network(): Promise<MachineUsage['network']> {
  const route = (await text('/proc/net/route'))
    .split('\n')
    .find((line) => line.split('\t')[1] === '00000000');
  const name = route?.split('\t')[0];
  if (!name) return undefined;
  const line = (await text('/proc/net/dev')).split('\n').find((each) => each.trim().startsWith(`${name}:`));
  const counts = line?.split(':')[1]?.trim().split(/\s+/).map(Number) ?? [];
  return {
    name,
    rxBytes: counts[0] ?? 0,
    rxErrors: counts[2] ?? 0,
    txBytes: counts[8] ?? 0,
    txErrors: counts[10] ?? 0,
  };
}

export async function readUsage(dataDir: string, nowMs: number): Promise<MachineUsage> {
  const [meminfo, stat, loadavg, pidMax, disk, net] = await Promise.all([
    text('/proc/meminfo'),
    text('/proc/stat'),
    text('/proc/loadavg'),
    text('/proc/sys/kernel/pid_max'),
    statfs(dataDir),
    network(),
  ]);
  const total = kibibytes(meminfo, 'MemTotal');
  const available = kibibytes(meminfo, 'MemAvailable');
  return {
    atMs: nowMs,
    cpuNanoSeconds: busyNanoSeconds(stat),
    memoryAvailableBytes: available,
    memoryWorkingSetBytes: total - available,
    memoryUsageBytes: total - kibibytes(meminfo, 'MemFree'),
    memoryRssBytes: kibibytes(meminfo, 'AnonPages'),
    diskAvailableBytes: disk.bavail * disk.bsize,
    diskCapacityBytes: disk.blocks * disk.bsize,
    inodesFree: disk.ffree,
    inodes: disk.files,
    pidsInUse: Number(/\/(\d+) /.exec(loadavg)?.[1] ?? 0),
    pidsMax: Number(pidMax),
    ...(net ? { network: net } : {}),
  };
}
