import type { Explanation } from '../scheduler/explain.ts';
import { ask } from './api.ts';
import { common, commonHelp, subcommand, UserError } from './command.ts';
import { demandRunning } from './place.ts';

export const why = subcommand({
  name: 'why',
  usage: 'why POD [-n NAMESPACE] [-o json]',
  summary: 'Says what each plugin of the scheduler thinks of each node for this pod, now.',
  flags: {
    ...common,
    namespace: { type: 'string', short: 'n', default: 'default' },
    output: { type: 'string', short: 'o' },
  },
  help: {
    ...commonHelp,
    namespace: { value: 'NS', help: "the pod's namespace" },
    output: { value: 'json', help: 'as JSON' },
  },
  async run(args, flags: { name: string; 'data-dir'?: string; namespace: string; output?: string }) {
    const pod = args[0]?.replace(/^pods?\//, '');
    if (!pod) throw new UserError('which pod? Say "wherry why POD".', 2);
    const { dataDir } = demandRunning(flags);
    const found = await ask<Explanation>(
      dataDir,
      `/wherry/why/${encodeURIComponent(flags.namespace)}/${encodeURIComponent(pod)}`,
    );
    process.stdout.write(flags.output === 'json' ? `${JSON.stringify(found, null, 2)}\n` : draw(found));
    return 0;
  },
});

function draw({ rejected, nodes }: Explanation): string {
  if (rejected) return `No node is looked at: ${rejected.plugin} says: ${rejected.reasons.join(', ')}\n`;
  const fitting = nodes.filter((n) => n.fits).toSorted((a, b) => b.total - a.total);
  const lines = [`${fitting.length} of ${nodes.length} nodes fit.`];
  for (const { node, fits, filters, scores, total } of [...fitting, ...nodes.filter((n) => !n.fits)]) {
    lines.push('', `${fits ? 'fits  ' : 'no    '} ${node}${fits ? `  score ${total}` : ''}`);
    if (fits) for (const s of scores) lines.push(`          ${s.plugin}: ${s.score} x ${s.weight}`);
    else
      for (const f of filters)
        if (f.verdict !== 'fits' && f.verdict !== 'nothing to check')
          lines.push(`          ${f.plugin}: ${f.verdict}`);
  }
  return `${lines.join('\n')}\n`;
}
