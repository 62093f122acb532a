import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { runKubectl } from '../kubectl/main.ts';
import { nodeEnvironment } from '../kubectl/node/environment.ts';
import { subcommand } from './command.ts';
import { placeOf } from './place.ts';

export const kubectl = subcommand({
  name: 'kubectl',
  usage: 'kubectl [--name NAME] ...',
  summary:
    'The command line of Kubernetes, for the cluster of that name (or, with --kubeconfig or KUBECONFIG, for any).',
  flags: {},
  help: {},
  raw: true,
  run(argv) {
    // `wherry kubectl` speaks to the cluster of this data directory unless it is told where else.
    const told =
      process.env.KUBECONFIG ||
      argv.some((arg) => /^--(kubeconfig|server|context|cluster)(=|$)/.test(arg) || arg === '-s');
    const own = join(
      placeOf({ name: process.env.WHERRY_NAME ?? 'default', 'data-dir': process.env.WHERRY_DATA_DIR })
        .dataDir,
      'kubeconfig',
    );
    const args = !told && existsSync(own) ? ['--kubeconfig', own, ...argv] : argv;
    return runKubectl(args, nodeEnvironment());
  },
});
