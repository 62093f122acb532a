import type { PortRules, RuleConfig } from './rules.ts';

export type TableName = 'filter' | 'nat';
export type Table = ReadonlyMap<string, readonly string[]>;
/** Every chain of the cluster with its rules, each a line of iptables-restore. */
export type Tables = Readonly<Record<TableName, Table>>;

/** A rule of a built-in chain that leads into one of ours, as iptables-save prints it. */
export interface Jump {
  readonly table: TableName;
  readonly line: string;
}

/** The chains that all services share, filled from the rules of each, and the chains of each. */
export function buildTables(rules: Iterable<PortRules>, config: RuleConfig): Tables {
  const { chains, mark, nodePortAddresses, localhostNodePorts = true } = config;
  const nat = new Map<string, readonly string[]>();
  const services: string[] = [];
  const nodePorts: string[] = [];
  const refused: string[] = [];
  const refusedExternal: string[] = [];
  const healthPorts: string[] = [];
  const firewall: string[] = [];
  for (const each of rules) {
    services.push(...each.natServices);
    nodePorts.push(...each.natNodePorts);
    refused.push(...each.filterServices);
    refusedExternal.push(...each.filterExternal);
    healthPorts.push(...each.filterNodePorts);
    firewall.push(...each.filterFirewall);
    for (const [chain, lines] of each.natChains) nat.set(chain, lines);
  }

  // Last in its chain: an external IP may be an address of the node.
  const toNode =
    '-m addrtype --dst-type LOCAL -m comment --comment "service nodeports; this must be the last rule"';
  const notLoopback = localhostNodePorts ? '' : '! -d 127.0.0.0/8 ';
  for (const range of nodePortAddresses ? nodePortAddresses.map((r) => `-d ${r} `) : [notLoopback])
    services.push(`-A ${chains.services} ${range}${toNode} -j ${chains.nodePorts}`);

  const bit = `0x${(mark >>> 0).toString(16)}`;
  nat.set(chains.services, services);
  nat.set(chains.nodePorts, nodePorts);
  nat.set(chains.markMasq, [`-A ${chains.markMasq} -j MARK --set-xmark ${bit}/${bit}`]);
  nat.set(chains.postrouting, [
    `-A ${chains.postrouting} -m mark ! --mark ${bit}/${bit} -j RETURN`,
    // The packet may come by again, in a tunnel for instance: once is enough.
    `-A ${chains.postrouting} -j MARK --set-xmark ${bit}/0x0`,
    `-A ${chains.postrouting} -m comment --comment "service traffic requiring SNAT" -j MASQUERADE` +
      (config.randomFully ? ' --random-fully' : ''),
  ]);

  const filter = new Map<string, readonly string[]>();
  filter.set(chains.services, refused);
  filter.set(chains.externalServices, refusedExternal);
  filter.set(chains.nodePorts, healthPorts);
  filter.set(chains.proxyFirewall, firewall);
  filter.set(chains.forward, [
    // A packet that conntrack takes for invalid would go on untranslated, and its receiver would reset the connection.
    `-A ${chains.forward} -m conntrack --ctstate INVALID -j DROP`,
    `-A ${chains.forward} -m comment --comment "forwarding rules" -m mark --mark ${bit}/${bit} -j ACCEPT`,
    `-A ${chains.forward} -m comment --comment "forwarding conntrack rule" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`,
  ]);
  // route_localnet, which node ports on 127.0.0.1 need, would let neighbours on the wire reach services that listen there.
  filter.set(
    chains.firewall,
    localhostNodePorts
      ? [
          `-A ${chains.firewall} ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m comment --comment "block incoming localnet connections" ` +
            '-m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP',
        ]
      : [],
  );
  return { nat, filter };
}

/** The ways in. `owner` is written into each, so that one can see whose they are; the first is asked first. */
export function jumps({ chains }: RuleConfig, owner: string): Jump[] {
  const fresh = '-m conntrack --ctstate NEW ';
  const jump = (table: TableName, from: string, to: string, match: string, what: string): Jump => ({
    table,
    line: `-A ${from} ${match}-m comment --comment "${owner}: ${what}" -j ${to}`,
  });
  const three = ['INPUT', 'FORWARD', 'OUTPUT'];
  return [
    ...three.map((from) => jump('filter', from, chains.proxyFirewall, fresh, 'load balancer firewall')),
    ...['FORWARD', 'OUTPUT'].map((from) => jump('filter', from, chains.services, fresh, 'service portals')),
    ...['INPUT', 'FORWARD'].map((from) =>
      jump('filter', from, chains.externalServices, fresh, 'externally-visible service portals'),
    ),
    jump('filter', 'INPUT', chains.nodePorts, '', 'health check service ports'),
    jump('filter', 'FORWARD', chains.forward, '', 'forwarding rules'),
    ...['INPUT', 'OUTPUT'].map((from) => jump('filter', from, chains.firewall, '', 'localnet guard')),
    ...['PREROUTING', 'OUTPUT'].map((from) => jump('nat', from, chains.services, '', 'service portals')),
    jump('nat', 'POSTROUTING', chains.postrouting, '', 'postrouting rules'),
  ];
}
