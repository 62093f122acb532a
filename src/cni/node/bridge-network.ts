// The bridge network on the machine: its CNI configuration in the directory that this cluster's containerd watches,
// and the rules by which pods reach the world.

import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand } from '../../machinery/node/command.ts';
import { type BridgeNetwork, bridgeConflist, masqueradeJumps, masqueradeRules } from '../bridge.ts';

export interface NodeNetwork extends Omit<BridgeNetwork, 'mtu'> {
  /** The cluster's own, never /etc/cni/net.d: containerd takes the first file that it finds. */
  readonly confDir: string;
  readonly clusterCIDR: string;
  /** Default: that of the interface of the default route. */
  readonly mtu?: number;
  /** Path of the node's network namespace when it is not ours. */
  readonly netns?: string;
}

const confFile = '10-wherry.conflist';

const inside = (netns: string | undefined, program: string, ...args: string[]): [string, string[]] =>
  netns ? ['nsenter', [`--net=${netns}`, program, ...args]] : [program, args];

/** MTU of the interface of the default route; 1500 when there is no such route. */
export async function defaultMtu(netns?: string): Promise<number> {
  const ip = async (...args: string[]) =>
    JSON.parse((await runCommand(...inside(netns, 'ip', '-j', ...args))).stdout || '[]');
  const [route] = (await ip('-4', 'route', 'show', 'default')) as { dev: string }[];
  if (!route) return 1500;
  const [link] = (await ip('link', 'show', 'dev', route.dev)) as { mtu: number }[];
  return link?.mtu ?? 1500;
}

/** Writes the configuration and the rules. Idempotent; containerd notices the file by itself within a second. */
export async function setUpBridgeNetwork(network: NodeNetwork): Promise<void> {
  const { confDir, netns, ipamDir } = network;
  const conflist = bridgeConflist({ ...network, mtu: network.mtu ?? (await defaultMtu(netns)) });
  await mkdir(confDir, { recursive: true });
  await mkdir(ipamDir, { recursive: true });
  const temporary = join(confDir, `.${confFile}`);
  await writeFile(temporary, `${JSON.stringify(conflist, undefined, 2)}\n`);
  await applyMasquerade(network);
  await rename(temporary, join(confDir, confFile)); // last: from here on the network counts as ready
}

/** Puts the rules into the kernel again, whatever has become of them: others flush tables now and then. */
export async function applyMasquerade(
  network: Pick<NodeNetwork, 'bridge' | 'podCIDR' | 'clusterCIDR' | 'netns'>,
): Promise<void> {
  const { netns, bridge } = network;
  await runCommand(...inside(netns, 'iptables-restore', '-w', '5', '--noflush'), {
    input: masqueradeRules(network),
  });
  for (const { table, chain, target } of masqueradeJumps(bridge)) {
    const iptables = (verb: string, accept: number[] = []) =>
      runCommand(...inside(netns, 'iptables', '-w', '5', '-t', table, verb, chain, '-j', target), { accept });
    if ((await iptables('-C', [1])).code !== 0) await iptables('-A');
  }
}

/** Removes configuration, rules and the bridge. For when no pod is left; fine when there is nothing. */
export async function tearDownBridgeNetwork(
  network: Pick<NodeNetwork, 'confDir' | 'ipamDir' | 'bridge' | 'netns'>,
): Promise<void> {
  const { netns, bridge, confDir, ipamDir } = network;
  await rm(join(confDir, confFile), { force: true });
  for (const { table, chain, target } of masqueradeJumps(bridge)) {
    const iptables = (...args: string[]) =>
      runCommand(...inside(netns, 'iptables', '-w', '5', '-t', table, ...args), { accept: [1, 2] });
    while ((await iptables('-D', chain, '-j', target)).code === 0);
    await iptables('-F', target);
    await iptables('-X', target);
  }
  await runCommand(...inside(netns, 'ip', 'link', 'delete', bridge), { accept: [1] });
  await rm(ipamDir, { recursive: true, force: true });
}
