// Cgroups of pods, versions 1 and 2 of the kernel's interface.
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../machinery/clock.ts';
import { sleep } from '../../machinery/clock.ts';
import type { CgroupLimits } from '../host.ts';

const root = '/sys/fs/cgroup';
/** Version 1: where we set limits. Others are made by the runtime, and removed with the rest. */
const ours = ['cpu', 'memory', 'cpuset', 'pids'];
const v2Controllers = ['cpu', 'memory', 'pids', 'cpuset', 'io', 'hugetlb'];

const missing = (error: NodeJS.ErrnoException): undefined => {
  if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') throw error;
  return undefined;
};

interface Layout {
  version: 1 | 2;
  /** Controller -> directory of its hierarchy (one, '', in version 2). */
  hierarchies: Map<string, string>;
}

async function findLayout(): Promise<Layout> {
  const hierarchies = new Map<string, string>();
  let unified: string | undefined;
  for (const line of (await readFile('/proc/self/mountinfo', 'utf8')).split('\n')) {
    const [before, after] = line.split(' - ');
    const target = before?.split(' ')[4];
    const [type, , options] = after?.split(' ') ?? [];
    if (!target) continue;
    if (type === 'cgroup2') unified ??= target;
    // A hierarchy may be mounted in several places; any will do.
    else if (type === 'cgroup')
      for (const option of options!.split(','))
        if (option !== 'rw' && option !== 'xattr') hierarchies.set(option, target);
  }
  if (hierarchies.has('memory') || hierarchies.has('cpu')) {
    // Beside the old hierarchies there may be the new one, without controllers: runtimes make cgroups there, too.
    if (unified) hierarchies.set('', unified);
    return { version: 1, hierarchies };
  }
  return { version: 2, hierarchies: new Map([['', unified ?? root]]) };
}

/** Version 2 weighs from 1 to 10000 what version 1 shares from 2 to 262144. */
export const cpuWeight = (shares: number): number =>
  Math.floor(1 + ((Math.max(2, shares) - 2) * 9999) / 262_142);

export class Cgroups {
  readonly #layout: Promise<Layout> = findLayout();
  readonly #clock: Clock;
  readonly #root: string;
  /** Shares of the burstable pods: their parent gets the sum. */
  readonly #burstable = new Map<string, number>();

  constructor(cgroupRoot: string, clock: Clock) {
    this.#root = cgroupRoot;
    this.#clock = clock;
    // Whoever asks first learns of a failure.
    this.#layout.catch(() => {});
  }

  async apply(cgroup: string, limits: CgroupLimits): Promise<void> {
    const { version, hierarchies } = await this.#layout;
    if (version === 2) {
      const directory = await this.#make2(hierarchies.get('')!, cgroup);
      await this.#limit2(directory, limits);
      await this.#share(cgroup, limits.cpuShares, async (parent, shares) =>
        writeFile(join(hierarchies.get('')!, parent, 'cpu.weight'), String(cpuWeight(shares))),
      );
      return;
    }
    for (const controller of ours) {
      const hierarchy = hierarchies.get(controller);
      if (hierarchy) await this.#make1(hierarchy, cgroup, controller);
    }
    await this.#limit1(hierarchies, cgroup, limits);
    const cpu = hierarchies.get('cpu');
    if (cpu)
      await this.#share(cgroup, limits.cpuShares, (parent, shares) =>
        writeFile(join(cpu, parent, 'cpu.shares'), String(shares)),
      );
  }

  async #share(
    cgroup: string,
    shares: number,
    write: (parent: string, shares: number) => Promise<void>,
  ): Promise<void> {
    const parent = cgroup.slice(0, cgroup.lastIndexOf('/'));
    if (parent.endsWith('/besteffort')) return write(parent, 2);
    if (!parent.endsWith('/burstable')) return;
    this.#burstable.set(cgroup, shares);
    await write(
      parent,
      Math.max(
        2,
        [...this.#burstable.values()].reduce((sum, each) => sum + each, 0),
      ),
    );
  }

  async #make1(hierarchy: string, cgroup: string, controller: string): Promise<void> {
    let at = hierarchy;
    for (const name of cgroup.split('/').filter(Boolean)) {
      const parent = at;
      at = join(at, name);
      if (existsSync(at)) continue;
      await mkdir(at).catch((error) => {
        if (error.code !== 'EEXIST') throw error;
      });
      // A new cpuset is empty, and nothing could run in it.
      if (controller === 'cpuset')
        for (const file of ['cpuset.cpus', 'cpuset.mems'])
          await writeFile(join(at, file), await readFile(join(parent, file)));
    }
  }

  async #limit1(hierarchies: Map<string, string>, cgroup: string, limits: CgroupLimits): Promise<void> {
    const cpu = hierarchies.get('cpu');
    if (cpu) {
      const write = (file: string, value: number) => writeFile(join(cpu, cgroup, file), String(value));
      await write('cpu.shares', limits.cpuShares);
      if (limits.cpuQuota !== undefined) {
        await write('cpu.cfs_period_us', limits.cpuPeriod);
        await write('cpu.cfs_quota_us', limits.cpuQuota);
      }
    }
    const memory = hierarchies.get('memory');
    if (memory && limits.memoryBytes !== undefined)
      await writeFile(join(memory, cgroup, 'memory.limit_in_bytes'), String(limits.memoryBytes));
  }

  async #make2(hierarchy: string, cgroup: string): Promise<string> {
    let at = hierarchy;
    for (const name of cgroup.split('/').filter(Boolean)) {
      const there = (await readFile(join(at, 'cgroup.controllers'), 'utf8')).trim().split(' ');
      const wanted = v2Controllers
        .filter((controller) => there.includes(controller))
        .map((controller) => `+${controller}`);
      const on = (await readFile(join(at, 'cgroup.subtree_control'), 'utf8')).trim().split(' ');
      if (wanted.some((controller) => !on.includes(controller.slice(1))))
        await writeFile(join(at, 'cgroup.subtree_control'), wanted.join(' '));
      at = join(at, name);
      await mkdir(at, { recursive: true });
    }
    return at;
  }

  async #limit2(
    directory: string,
    { cpuShares, cpuQuota, cpuPeriod, memoryBytes }: CgroupLimits,
  ): Promise<void> {
    await writeFile(join(directory, 'cpu.weight'), String(cpuWeight(cpuShares)));
    if (cpuQuota !== undefined)
      await writeFile(join(directory, 'cpu.max'), `${cpuQuota < 0 ? 'max' : cpuQuota} ${cpuPeriod}`);
    if (memoryBytes !== undefined)
      await writeFile(join(directory, 'memory.max'), memoryBytes < 0 ? 'max' : String(memoryBytes));
  }

  async #directories(cgroup: string): Promise<string[]> {
    const { hierarchies } = await this.#layout;
    return [...new Set(hierarchies.values())]
      .map((hierarchy) => join(hierarchy, cgroup))
      .filter((path) => existsSync(path));
  }

  async remove(cgroup: string): Promise<void> {
    this.#burstable.delete(cgroup);
    for (const directory of await this.#directories(cgroup)) await this.#removeTree(directory);
  }

  /** The kernel removes empty cgroups only, and takes its time to see that one is empty. */
  async #removeTree(directory: string): Promise<void> {
    const children = await readdir(directory, { withFileTypes: true }).catch(missing);
    for (const child of children ?? [])
      if (child.isDirectory()) await this.#removeTree(join(directory, child.name));
    for (let tries = 0; ; tries++) {
      try {
        await rmdir(directory);
        return;
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === 'ENOENT') return;
        if (code !== 'EBUSY' || tries === 20) throw error;
      }
      const procs = (await readFile(join(directory, 'cgroup.procs'), 'utf8').catch(missing)) ?? '';
      for (const pid of procs.split('\n').filter(Boolean)) killQuietly(Number(pid));
      await sleep(this.#clock, 20);
    }
  }

  async pods(): Promise<Map<string, string>> {
    const { hierarchies } = await this.#layout;
    const found = new Map<string, string>();
    for (const hierarchy of new Set(hierarchies.values()))
      for (const parent of ['', '/burstable', '/besteffort']) {
        const cgroup = `${this.#root}/kubepods${parent}`;
        for (const name of (await readdir(join(hierarchy, cgroup)).catch(missing)) ?? [])
          if (name.startsWith('pod')) found.set(name.slice(3), `${cgroup}/${name}`);
      }
    return found;
  }
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
