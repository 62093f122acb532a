import type { PodTrace } from '../cluster/trace.ts';
import { ask } from './api.ts';
import { common, commonHelp, subcommand, UserError } from './command.ts';
import { demandRunning } from './place.ts';
import { drawTrace } from './trace-picture.ts';

export const trace = subcommand({
  name: 'trace',
  usage: 'trace POD [-n NAMESPACE] [-o json]',
  summary:
    "Shows the eight steps of a pod's life, component by component, with times and the gaps between, as the components recorded them.",
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
    if (!pod) throw new UserError('which pod? Say "wherry trace POD".', 2);
    const { dataDir } = demandRunning(flags);
    const found = await ask<PodTrace>(
      dataDir,
      `/wherry/trace/${encodeURIComponent(flags.namespace)}/${encodeURIComponent(pod)}`,
    );
    process.stdout.write(
      flags.output === 'json'
        ? `${JSON.stringify(found, null, 2)}\n`
        : drawTrace(found, process.stdout.isTTY ? process.stdout.columns : 110),
    );
    return 0;
  },
});
