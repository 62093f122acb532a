import type { ClusterStatus } from '../cluster/status.ts';
import { ask } from './api.ts';
import { common, commonHelp, subcommand } from './command.ts';
import { demandRunning } from './place.ts';

const size = (bytes: number): string =>
  bytes > 1e6 ? `${(bytes / 1e6).toFixed(0)} MB` : `${(bytes / 1e3).toFixed(0)} kB`;

export const status = subcommand({
  name: 'status',
  usage: 'status [-o json]',
  summary: 'Says what runs, and whether it is well. The exit code is 1 when something is not.',
  flags: { ...common, output: { type: 'string', short: 'o' } },
  help: { ...commonHelp, output: { value: 'json', help: 'as JSON' } },
  async run(_args, flags: { name: string; 'data-dir'?: string; output?: string }) {
    const instance = demandRunning(flags);
    const found = await ask<ClusterStatus>(instance.dataDir, '/wherry/status');
    const well = found.components.every((c) => c.healthy) && found.nodes.every((n) => n.ready);
    if (flags.output === 'json') process.stdout.write(`${JSON.stringify(found, null, 2)}\n`);
    else process.stdout.write(render(found));
    return well ? 0 : 1;
  },
});

function render(s: ClusterStatus): string {
  const rows = [
    ...s.components.map((c) => [c.healthy ? 'ok' : 'FAILS', c.name, c.detail]),
    ...s.nodes.slice(0, 20).map((n) => [n.ready ? 'ok' : 'NOT READY', `node ${n.name}`, `${n.pods} pods`]),
  ];
  const more = s.nodes.length > 20 ? `and ${s.nodes.length - 20} more nodes\n` : '';
  const widths = [0, 1].map((i) => Math.max(...rows.map((row) => row[i]!.length)));
  return (
    `cluster ${s.name}, wherry ${s.version}, process ${s.pid}, up ${s.upSeconds} s, ${size(s.memoryBytes)} of memory\n` +
    `data in ${s.dataDir}, store ${s.store.kind}, ${size(s.store.bytes)}\n\n` +
    rows
      .map((row) => `${row[0]!.padEnd(widths[0]!)}  ${row[1]!.padEnd(widths[1]!)}  ${row[2]}`.trimEnd())
      .join('\n') +
    `\n${more}`
  );
}
