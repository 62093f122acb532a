// The programs of iptables and conntrack, in this network namespace or in a node's own.

import { runCommand } from '../../machinery/node/command.ts';
import type { BackendFactory } from '../backend.ts';
import { iptablesBackend, type Netfilter } from '../iptables.ts';
import type { Protocol } from '../service-port.ts';

export type Variant = 'nft' | 'legacy';

export interface IptablesOptions {
  /** Path of the node's network namespace, like /run/netns/node-2, when it is not ours. */
  readonly netns?: string;
  /** Which of the two kinds of iptables; the machine's own choice where it works. */
  readonly variant?: Variant;
}

/** Seconds to wait for other users of the tables. */
const wait = ['-w', '10'];

const inside = (netns: string | undefined, program: string, args: readonly string[]): [string, string[]] =>
  netns ? ['nsenter', [`--net=${netns}`, program, ...args]] : [program, [...args]];

/** Command names for a variant: `iptables-legacy` and `iptables-legacy-restore`, or plain `iptables` and `iptables-restore`. */
interface Programs {
  readonly iptables: string;
  readonly restore: string;
  readonly save: string;
}
const programs = (variant?: Variant): Programs => {
  const iptables = variant ? `iptables-${variant}` : 'iptables';
  return { iptables, restore: `${iptables}-restore`, save: `${iptables}-save` };
};

/**
 * The machine's `iptables` when the kernel takes its rules, else the variant that works. Both in use at once would each see
 * only its own rules. Throws when none works, and says why.
 */
async function choose(netns: string | undefined, wanted?: Variant): Promise<Programs> {
  const failures: string[] = [];
  for (const variant of wanted ? [wanted] : [undefined, 'nft' as const, 'legacy' as const]) {
    const candidate = programs(variant);
    try {
      await runCommand(...inside(netns, candidate.iptables, [...wait, '-t', 'nat', '-S', 'POSTROUTING']));
      return candidate;
    } catch (error) {
      failures.push((error as Error).message);
    }
  }
  throw new Error(
    `iptables does not work here, so services cannot be reached: ${failures.join('; ')}. ` +
      'Install the package iptables, or use simulated nodes.',
  );
}

/** The machine's netfilter; features of program and kernel are found out by asking. */
export async function openNetfilter({ netns, variant }: IptablesOptions = {}): Promise<Netfilter> {
  const { iptables, restore, save } = await choose(netns, variant);
  const tryRules = async (rules: string): Promise<boolean> => {
    const input = `*nat\n:WHERRY-PROBE - [0:0]\n-A WHERRY-PROBE ${rules}\n-F WHERRY-PROBE\n-X WHERRY-PROBE\nCOMMIT\n`;
    const args = [...wait, '--noflush'];
    return (await runCommand(...inside(netns, restore, args), { input, accept: [1, 2, 3, 4] })).code === 0;
  };
  const protocols: Protocol[] = ['tcp', 'udp'];
  const randomFully = await tryRules('-j MASQUERADE --random-fully');
  if (await tryRules('-p sctp -m sctp --dport 1 -j DNAT --to-destination 127.0.0.1:1'))
    protocols.push('sctp');
  let hasConntrack = true;

  return {
    randomFully,
    protocols,
    async restore(input) {
      await runCommand(...inside(netns, restore, [...wait, '--noflush']), { input });
    },
    save: async (table) => (await runCommand(...inside(netns, save, ['-t', table]))).stdout,
    async chain(table, chain) {
      const args = [...wait, '-t', table, '-S', chain];
      const { code, stdout } = await runCommand(...inside(netns, iptables, args), { accept: [1] });
      return code === 0 ? stdout.split('\n').filter((line) => line.startsWith('-A ')) : [];
    },
    async conntrack(args) {
      if (!hasConntrack) return '';
      try {
        // 1: no entry was there to be deleted.
        return (await runCommand(...inside(netns, 'conntrack', args), { accept: [1] })).stdout;
      } catch (error) {
        if (!String(error).includes('not found') && !String(error).includes('No such file')) throw error;
        hasConntrack = false;
        return '';
      }
    },
  };
}

async function sysctl(netns: string | undefined, name: string, value?: string): Promise<string | undefined> {
  const path = `/proc/sys/${name}`;
  const accept = [1];
  if (value !== undefined)
    await runCommand(...inside(netns, 'sh', ['-c', `echo ${value} > ${path}`]), { accept });
  // These files show the namespace of whoever reads them.
  const { code, stdout } = await runCommand(...inside(netns, 'cat', [path]), { accept });
  return code === 0 ? stdout.trim() : undefined;
}

const bridgeSwitch = 'net/bridge/bridge-nf-call-iptables';

/** Whether packets between ports of one bridge pass netfilter; makes them where the kernel can. */
export async function bridgedPacketsPassNetfilter(netns?: string): Promise<boolean> {
  if ((await sysctl(netns, bridgeSwitch)) === undefined) {
    // Absent: a kernel without the module. A failure of modprobe is answered by the sysctl, which stays absent.
    await runCommand('modprobe', ['br_netfilter'], { accept: [1] }).catch(() => undefined);
  }
  return (await sysctl(netns, bridgeSwitch, '1')) === '1';
}

/**
 * Services as iptables rules on this machine or in a node's namespace. Sets the sysctls that they need: ip_forward,
 * route_localnet (for node ports on 127.0.0.1), bridge-nf-call-iptables; where that last one cannot be, traffic between
 * pods of the node is masqueraded (see RuleConfig.masqueradeLocal).
 */
export function iptables(options: IptablesOptions = {}): BackendFactory {
  return async (config) => {
    const { netns } = options;
    const { log, localhostNodePorts = true } = config;
    const netfilter = await openNetfilter(options);
    await sysctl(netns, 'net/ipv4/ip_forward', '1');
    const routesLocalnet =
      localhostNodePorts && (await sysctl(netns, 'net/ipv4/conf/all/route_localnet', '1')) === '1';
    const masqueradeLocal = config.masqueradeLocal ?? !(await bridgedPacketsPassNetfilter(netns));
    if (masqueradeLocal) log.info('bridged packets bypass netfilter: local service traffic is masqueraded');
    return iptablesBackend({ ...config, masqueradeLocal, localhostNodePorts: routesLocalnet }, netfilter);
  };
}
