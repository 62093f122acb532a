import type { Log } from '../machinery/log.ts';
import type { Backend, BackendConfig } from './backend.ts';
import { chainNames } from './chains.ts';
import { deletions, parseFlows, staleFlows } from './conntrack.ts';
import { fullRestore, type Present, parseSave, partialRestore, removal } from './restore.ts';
import { type PortRules, portRules, type RuleConfig } from './rules.ts';
import type { RoutedPort, ServiceMap } from './service-map.ts';
import type { Protocol } from './service-port.ts';
import { buildTables, jumps, type TableName, type Tables } from './tables.ts';

/** The machine's side: what the iptables programs do. */
export interface Netfilter {
  /** `iptables-restore --noflush`: all of the text, or nothing and a rejection. */
  restore(text: string): Promise<void>;
  /** `iptables-save -t TABLE`. */
  save(table: TableName): Promise<string>;
  /** Rules of one chain, as iptables-save prints them; [] when there is no such chain. */
  chain(table: TableName, chain: string): Promise<string[]>;
  /** `conntrack` with these arguments: what it prints. '' where the program does not exist. */
  conntrack(args: readonly string[]): Promise<string>;
  readonly randomFully: boolean;
  /** Protocols for which the kernel has a match. */
  readonly protocols: readonly Protocol[];
}

/**
 * Services as iptables rules. What was last written is kept by chain, and the next write has only the chains that differ:
 * an endpoint that comes or goes is its own chain and that of its service.
 */
export function iptablesBackend(config: BackendConfig, netfilter: Netfilter): Backend {
  const { owner, log } = config;
  const chains = chainNames(config.prefix);
  const ruleConfig: RuleConfig = { ...config, chains, randomFully: netfilter.randomFully };
  const ways = jumps(ruleConfig, owner);
  // Routed ports keep their identity as long as nothing about them changes.
  const rulesOf = new WeakMap<RoutedPort, PortRules>();
  let written: Tables | undefined;

  const tablesOf = (services: ServiceMap): Tables => {
    const rules: PortRules[] = [];
    for (const routed of [...services.values()].flat()) {
      let known = rulesOf.get(routed);
      if (!known) {
        if (!netfilter.protocols.includes(routed.port.protocol)) {
          unsupported(log, routed);
          known = empty;
        } else known = portRules(routed, ruleConfig);
        rulesOf.set(routed, known);
      }
      rules.push(known);
    }
    return buildTables(rules, ruleConfig);
  };
  const present = async (): Promise<Record<TableName, Present>> => {
    const [nat, filter] = await Promise.all([netfilter.save('nat'), netfilter.save('filter')]);
    return { nat: parseSave(nat, chains), filter: parseSave(filter, chains) };
  };

  return {
    name: 'iptables',
    async write(services, full) {
      const next = tablesOf(services);
      const text =
        written && !full ? partialRestore(written, next) : fullRestore(next, ways, await present());
      written = undefined; // until the kernel has it, nothing is known
      if (text) await netfilter.restore(text);
      written = next;
    },
    async intact() {
      // One rule that never changes in a chain of each table, and the jumps of one built-in chain that lead to it.
      const [postrouting, forward, intoNat, intoFilter] = await Promise.all([
        netfilter.chain('nat', chains.postrouting),
        netfilter.chain('filter', chains.forward),
        netfilter.chain('nat', 'PREROUTING'),
        netfilter.chain('filter', 'FORWARD'),
      ]);
      const leads = (lines: string[], to: string) => lines.some((line) => line.endsWith(`-j ${to}`));
      return (
        postrouting.length > 0 &&
        forward.length > 0 &&
        leads(intoNat, chains.services) &&
        leads(intoFilter, chains.forward)
      );
    },
    async dropStaleFlows(services) {
      const flows = parseFlows(await netfilter.conntrack(['-L', '-p', 'udp']));
      const stale = deletions(staleFlows(flows, services));
      for (const args of stale) await netfilter.conntrack(args);
      return stale.length;
    },
    async cleanup() {
      written = undefined;
      const text = removal(await present());
      if (text) await netfilter.restore(text);
    },
  };
}

const empty: PortRules = {
  natServices: [],
  natNodePorts: [],
  filterServices: [],
  filterExternal: [],
  filterNodePorts: [],
  filterFirewall: [],
  natChains: new Map(),
};

function unsupported(log: Log, { port }: RoutedPort): void {
  log.warn('the kernel has no match for the protocol; the port is not served', {
    port: port.name,
    protocol: port.protocol,
  });
}
