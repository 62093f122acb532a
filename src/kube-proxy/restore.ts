import type { Chains } from './chains.ts';
import type { RuleConfig } from './rules.ts';
import { portRules } from './rules.ts';
import type { ServiceMap } from './service-map.ts';
import { buildTables, type Jump, jumps, type Table, type TableName, type Tables } from './tables.ts';

// A service that has endpoints again is translated first, and no longer refused then.
const tableNames: readonly TableName[] = ['nat', 'filter'];

/** What a table holds of ours: chains, and the rules of other chains that lead into them. */
export interface Present {
  readonly chains: readonly string[];
  /** As iptables-save prints them: `-A INPUT ... -j KUBE-SERVICES`. */
  readonly jumps: readonly string[];
}

/** Picks what is ours out of the output of `iptables-save -t TABLE`. */
export function parseSave(text: string, chains: Chains): Present {
  const found = { chains: [] as string[], jumps: [] as string[] };
  for (const line of text.split('\n')) {
    if (line.startsWith(':')) {
      const name = line.slice(1, line.indexOf(' '));
      if (chains.owns(name)) found.chains.push(name);
    } else if (line.startsWith('-A ')) {
      const [, from = ''] = line.split(' ', 2);
      const [, target = ''] = /(?:^| )-[jg] (\S+)/.exec(line) ?? [];
      if (chains.owns(target) && !chains.owns(from)) found.jumps.push(line);
    }
  }
  return found;
}

/**
 * Text for `iptables-restore --noflush` that brings a table from what is there to what is wanted, in one transaction.
 * A chain that is declared is emptied first, so only chains that differ are. Returns '' when there is nothing to do.
 */
function restoreTable(
  table: TableName,
  write: ReadonlyMap<string, readonly string[]>,
  remove: readonly string[],
  ways: readonly string[],
): string {
  if (write.size + remove.length + ways.length === 0) return '';
  const declared = [...write.keys(), ...remove].map((chain) => `:${chain} - [0:0]\n`).join('');
  const rules = [...write.values()].flat();
  return [`*${table}\n${declared}${[...rules, ...ways].join('\n')}`]
    .concat(
      remove.map((chain) => `-X ${chain}`),
      'COMMIT',
      '',
    )
    .join('\n');
}

const same = (a: readonly string[] | undefined, b: readonly string[]): boolean =>
  a === b || (a?.length === b.length && a.every((line, i) => line === b[i]));

/**
 * From one set of tables, known to be in the kernel, to another: only what differs. '' when nothing does.
 *
 * Each table is a transaction of its own, so there is a moment between them. A packet to a service that is neither
 * translated nor refused in that moment would go astray, and with it its connection, for conntrack translates only what is
 * new. So refusals that come are written before the nat table, and those that go after it.
 */
export function partialRestore(before: Tables, after: Tables): string {
  const changes = (table: TableName, from: Table, to: Table): string => {
    const changed = [...to].filter(([chain, lines]) => !same(from.get(chain), lines));
    const gone = [...from.keys()].filter((chain) => !to.has(chain));
    return restoreTable(table, new Map(changed), gone, []);
  };
  const union = (a: readonly string[] = [], b: readonly string[] = []) => [...new Set([...a, ...b])];
  const both = new Map(
    [...after.filter].map(([chain, lines]) => {
      const old = before.filter.get(chain);
      const all = union(old, lines);
      return [chain, all.length === old?.length ? old : all];
    }),
  );
  return (
    changes('filter', before.filter, both) +
    changes('nat', before.nat, after.nat) +
    changes('filter', both, after.filter)
  );
}

/** Everything anew, whatever is there: chains of ours that are not wanted go, and so do ways into them. */
export function fullRestore(
  after: Tables,
  wanted: readonly Jump[],
  present: Readonly<Record<TableName, Present>>,
): string {
  return tableNames
    .map((table) => {
      const there = present[table];
      const stale = there.chains.filter((chain) => !after[table].has(chain));
      const ways = wanted.filter((jump) => jump.table === table).map((jump) => jump.line);
      return restoreTable(table, after[table], stale, jumpChanges(ways, there.jumps));
    })
    .join('');
}

/** Removes what is not wanted, what is doubled, and puts the rest at the head of the built-in chains, keeping the order. */
function jumpChanges(wanted: readonly string[], there: readonly string[]): string[] {
  const left = [...wanted];
  const extra = there.filter((line) => {
    const at = left.indexOf(line);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
  return [
    ...extra.map((line) => line.replace(/^-A/, '-D')),
    ...left.reverse().map((line) => line.replace(/^-A/, '-I')),
  ];
}

/** Takes away all that is there of ours. '' when there is nothing. */
export function removal(present: Readonly<Record<TableName, Present>>): string {
  return tableNames
    .map((table) =>
      restoreTable(table, new Map(), present[table].chains, jumpChanges([], present[table].jumps)),
    )
    .join('');
}

const nothing: Present = { chains: [], jumps: [] };

/** The whole state as text for `iptables-restore --noflush`, for a machine where nothing of ours is yet. */
export function iptablesRules(services: ServiceMap, config: RuleConfig, owner: string): string {
  const rules = [...services.values()].flat().map((routed) => portRules(routed, config));
  return fullRestore(buildTables(rules, config), jumps(config, owner), { nat: nothing, filter: nothing });
}
