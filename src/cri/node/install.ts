// What a node needs from the distribution, and how it gets there. A thing counts as present when its program is, no
// matter which package brought it (containerd.io and docker's runc are fine), so nothing that works is replaced.

import { existsSync } from 'node:fs';
import { chmod, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '../../machinery/log.ts';
import { CommandError, runCommand } from '../../machinery/node/command.ts';

export interface Requirement {
  /** Debian's package. */
  readonly package: string;
  /** Programs that must be there; an absolute path has alternatives in `directories`. */
  readonly programs: readonly string[];
  readonly directories?: readonly string[];
}

/** Where CNI plugins are: Debian's and upstream's place. */
export const cniDirectories = ['/usr/lib/cni', '/opt/cni/bin'] as const;

export const requirements: readonly Requirement[] = [
  { package: 'containerd', programs: ['containerd', 'containerd-shim-runc-v2', 'ctr'] },
  { package: 'runc', programs: ['runc'] },
  {
    package: 'containernetworking-plugins',
    programs: ['bridge', 'host-local', 'portmap', 'loopback'],
    directories: cniDirectories,
  },
  { package: 'iptables', programs: ['iptables', 'iptables-restore'] },
  { package: 'nftables', programs: ['nft'] },
  { package: 'iproute2', programs: ['ip'] },
  { package: 'conntrack', programs: ['conntrack'] },
  { package: 'mount', programs: ['mount', 'umount'] },
  { package: 'util-linux', programs: ['nsenter', 'unshare'] },
];

// A service's PATH often lacks the sbin directories.
const searchPath = () => [
  ...new Set([
    ...(process.env['PATH'] ?? '').split(':'),
    '/usr/local/sbin',
    '/usr/sbin',
    '/sbin',
    '/usr/bin',
    '/bin',
  ]),
];

/** The full path of a program, or undefined. */
export function findProgram(name: string, directories: readonly string[] = searchPath()): string | undefined {
  return directories
    .filter(Boolean)
    .map((directory) => join(directory, name))
    .find((path) => existsSync(path));
}

/** The directory of the CNI plugins, or undefined when they are not installed. */
export const cniBinDir = (): string | undefined =>
  cniDirectories.find((directory) => existsSync(join(directory, 'bridge')));

/** Packages to install for the programs that are not there. Empty: the node has everything. */
export function missingPackages(needed: readonly Requirement[] = requirements): string[] {
  return needed
    .filter(({ programs, directories }) => programs.some((name) => !findProgram(name, directories)))
    .map((requirement) => requirement.package);
}

const policyFile = '/usr/sbin/policy-rc.d';

/**
 * Installs with apt-get; needs root. No service is started by it: Wherry runs its own containerd, and Debian's would be
 * a second one for nothing. (invoke-rc.d and deb-systemd-invoke ask policy-rc.d; one that is already there stays.)
 */
export async function installPackages(
  packages: readonly string[],
  options: { log: Log; signal?: AbortSignal },
): Promise<void> {
  if (packages.length === 0) return;
  const { log, signal } = options;
  const wanted = packages.join(' ');
  if (!findProgram('apt-get')) {
    throw new Error(
      `These are missing and this is not Debian: install ${wanted} with the system's package manager.`,
    );
  }
  const apt = (...args: string[]) =>
    runCommand('apt-get', ['-q', '-o', 'DPkg::Lock::Timeout=120', ...args], {
      env: { DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' },
      signal,
    });
  const ownPolicy = !existsSync(policyFile);
  if (ownPolicy) {
    await writeFile(policyFile, '#!/bin/sh\nexit 101\n');
    await chmod(policyFile, 0o755);
  }
  try {
    log.info('installing packages', { packages });
    const install = () => apt('install', '-y', '--no-install-recommends', ...packages);
    // The package lists on the machine may be absent or name versions that the mirror has dropped.
    await apt('update').catch((error) => log.warn('apt-get update failed', { error: String(error) }));
    await install();
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    throw new Error(`Could not install ${wanted}: run "apt-get install ${wanted}" and see what it says.`, {
      cause: error,
    });
  } finally {
    if (ownPolicy) await rm(policyFile, { force: true });
  }
}
