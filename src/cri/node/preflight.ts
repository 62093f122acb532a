// Can this machine run containers? Each check is a fact and, when it fails, one sentence that says what to do.

import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CommandError, runCommand } from '../../machinery/node/command.ts';
import { findProgram, missingPackages } from './install.ts';

export interface Check {
  readonly ok: boolean;
  /** False: the node works without it, with the consequence that `hint` tells. */
  readonly required: boolean;
  /** What was looked at, and what was found: 'cgroups: version 1'. */
  readonly what: string;
  /** What to do about it; '' when ok. */
  readonly hint: string;
}

const read = (path: string) => readFile(path, 'utf8').catch(() => '');

const pass = (what: string): Check => ({ ok: true, required: false, what, hint: '' });
const fail = (what: string, hint: string): Check => ({ ok: false, required: true, what, hint });
const warn = (what: string, hint: string): Check => ({ ok: false, required: false, what, hint });

/** Bit of each capability in /proc/self/status, from linux/capability.h. */
const capabilityBits = { CAP_NET_ADMIN: 12, CAP_SYS_ADMIN: 21, CAP_SYS_RESOURCE: 24 } as const;
export type Capability = keyof typeof capabilityBits;

/** Whether this process has a capability in its effective set. Root in a container or a microVM may lack some. */
export async function hasCapability(capability: Capability): Promise<boolean> {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(await read('/proc/self/status'))?.[1] ?? '0';
  return ((BigInt(`0x${effective}`) >> BigInt(capabilityBits[capability])) & 1n) === 1n;
}

/** 2 when /sys/fs/cgroup itself is the unified hierarchy, 1 for legacy and hybrid, 0 when nothing is mounted. */
export async function cgroupVersion(): Promise<0 | 1 | 2> {
  const mounts = await read('/proc/self/mounts');
  if (/^\S+ \/sys\/fs\/cgroup cgroup2 /m.test(mounts)) return 2;
  return /^\S+ \S+ cgroup /m.test(mounts) ? 1 : 0;
}

/** Tries an overlay mount below `dir`: the kernel may lack overlayfs, and some filesystems cannot carry it. */
export async function overlayWorks(dir: string = tmpdir()): Promise<boolean> {
  if (!/\boverlay$/m.test(await read('/proc/filesystems'))) await modprobe('overlay');
  const base = await mkdtemp(join(dir, 'overlay-check-'));
  try {
    // In a mount namespace of its own, so that nothing needs to be unmounted.
    const script =
      'cd "$0" && mkdir lower upper work merged && ' +
      'mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work overlay merged && echo x > merged/f && test -f upper/f';
    await runCommand('unshare', ['-m', 'sh', '-c', script, base]);
    return true;
  } catch (error) {
    if (error instanceof CommandError) return false;
    throw error;
  } finally {
    await rm(base, { recursive: true, force: true });
  }
}

/** Loads a kernel module when there is a modprobe; a kernel without modules has things built in or not at all. */
async function modprobe(module: string): Promise<void> {
  const program = findProgram('modprobe');
  if (program) await runCommand(program, ['-q', module], { accept: [1] });
}

async function cgroups(): Promise<Check> {
  const version = await cgroupVersion();
  if (version === 0) {
    return fail(
      'cgroups: not mounted',
      'Mount cgroups (mount -t cgroup2 none /sys/fs/cgroup), or start with simulated nodes.',
    );
  }
  const controllers =
    version === 2
      ? (await read('/sys/fs/cgroup/cgroup.controllers')).split(/\s+/)
      : (await read('/proc/self/cgroup'))
          .split('\n')
          .flatMap((line) => (line.split(':')[1] ?? '').split(','));
  const absent = ['cpu', 'cpuset', 'memory', 'pids'].filter(
    (controller) => !controllers.includes(controller),
  );
  if (absent.length === 0) return pass(`cgroups: version ${version}`);
  const what = `cgroups: version ${version} without ${absent.join(', ')}`;
  return fail(
    what,
    `Enable the cgroup controllers ${absent.join(', ')} on the kernel command line and restart.`,
  );
}

async function iptablesVariant(): Promise<Check> {
  const program = findProgram('iptables');
  if (!program) return fail('iptables: absent', 'Install iptables.');
  const { stdout } = await runCommand(program, ['--version']);
  const variant = /\((\w+)\)/.exec(stdout)?.[1] ?? 'legacy';
  const list = await runCommand(program, ['-w', '-t', 'nat', '-S'], { accept: [1, 2, 3, 4] });
  if (list.code === 0) return pass(`iptables: ${variant}`);
  const other = variant === 'nf_tables' ? 'iptables-legacy' : 'iptables-nft';
  const hint = `The kernel refuses it (${list.stderr.trim().split('\n')[0]}): try "update-alternatives --set iptables /usr/sbin/${other}".`;
  return fail(`iptables: ${variant}, not usable`, hint);
}

async function bridgeNetfilter(): Promise<Check> {
  if (!existsSync('/proc/sys/net/bridge/bridge-nf-call-iptables')) await modprobe('br_netfilter');
  if (existsSync('/proc/sys/net/bridge/bridge-nf-call-iptables')) return pass('bridge netfilter');
  return warn(
    'bridge netfilter: absent',
    'Without br_netfilter a pod cannot reach a service whose endpoint is on the same node: load that module or enable CONFIG_BRIDGE_NETFILTER.',
  );
}

/** Everything, in the order in which one would fix it. The node can start when no required check failed. */
export async function preflight(options: { dataDir?: string } = {}): Promise<Check[]> {
  if (process.platform !== 'linux') {
    return [
      fail(`system: ${process.platform}`, 'Containers need Linux: start with --nodes 0 --simulated-nodes 1.'),
    ];
  }
  if (process.getuid?.() !== 0) {
    return [
      fail('user: not root', 'Containers need root: use sudo, or start with --nodes 0 --simulated-nodes 1.'),
    ];
  }
  const missing = missingPackages();
  const checks: Check[] = [pass('system: Linux, as root')];
  checks.push(
    missing.length === 0
      ? pass('programs: all there')
      : fail(`programs: ${missing.join(', ')} missing`, `Run "apt-get install ${missing.join(' ')}".`),
  );
  for (const capability of ['CAP_SYS_ADMIN', 'CAP_NET_ADMIN'] as const) {
    if (await hasCapability(capability)) continue;
    checks.push(
      fail(
        `capability: ${capability} missing`,
        `Run with ${capability}, for instance in a privileged container.`,
      ),
    );
  }
  checks.push(
    (await hasCapability('CAP_SYS_RESOURCE'))
      ? pass('capability: CAP_SYS_RESOURCE')
      : warn(
          'capability: CAP_SYS_RESOURCE missing',
          'Containers run with the OOM score of Wherry instead of a lower one.',
        ),
  );
  checks.push(await cgroups());
  checks.push(
    (await overlayWorks(options.dataDir))
      ? pass('overlayfs')
      : warn(
          'overlayfs: not usable here',
          'Images are copied instead, which is slow and large: put the data directory on ext4 or xfs.',
        ),
  );
  checks.push(await iptablesVariant(), await bridgeNetfilter());
  return checks;
}

interface Tuning {
  readonly path: string;
  readonly least: number;
  readonly why: string;
}

const tunings: readonly Tuning[] = [
  { path: 'net/ipv4/ip_forward', least: 1, why: 'pods are routed through the node' },
  {
    path: 'net/bridge/bridge-nf-call-iptables',
    least: 1,
    why: 'service rules apply between pods of one bridge',
  },
  { path: 'net/bridge/bridge-nf-call-ip6tables', least: 1, why: 'the same for IPv6' },
  { path: 'fs/inotify/max_user_instances', least: 8192, why: 'each shim and each log follower takes one' },
  { path: 'fs/inotify/max_user_watches', least: 524288, why: 'pods watch their files' },
  { path: 'kernel/keys/root_maxkeys', least: 1000000, why: 'runc makes a keyring per container' },
  { path: 'kernel/keys/root_maxbytes', least: 25000000, why: 'the same' },
];

export interface RefusedTuning {
  readonly path: string;
  readonly why: string;
  readonly error: string;
}

/**
 * Raises kernel settings that are too low (never lowers one); those of the network in `netns`, when given (the path of
 * a network namespace). Returns those that could not be set.
 */
export async function tuneKernel(netns?: string): Promise<RefusedTuning[]> {
  const refused: RefusedTuning[] = [];
  for (const { path, least, why } of tunings) {
    const file = join('/proc/sys', path);
    try {
      if (netns && path.startsWith('net/')) {
        const script = `test "$(cat ${file})" -ge ${least} || echo ${least} > ${file}`;
        await runCommand('nsenter', [`--net=${netns}`, 'sh', '-c', script]);
      } else if (Number(await readFile(file, 'utf8')) < least) await writeFile(file, String(least));
    } catch (error) {
      refused.push({ path, why, error: String(error) });
    }
  }
  return refused;
}
