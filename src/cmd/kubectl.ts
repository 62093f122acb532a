import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { runKubectlHere } from '../kubectl/node/environment.ts';
import { subcommand } from './command.ts';
import { placeOf } from './place.ts';

/** `--name N` and `--data-dir D` are ours where they stand first; behind the command they are kubectl's. */
function takeOwn(argv: string[]): { own: { name: string; 'data-dir'?: string } | undefined; rest: string[] } {
  const own: { name: string; 'data-dir'?: string } = { name: 'default' };
  let rest = argv;
  let given = false;
  for (;;) {
    const match = /^--(name|data-dir)(?:=(.*))?$/.exec(rest[0] ?? '');
    if (!match) return { own: given ? own : undefined, rest };
    given = true;
    own[match[1] as 'name' | 'data-dir'] = match[2] ?? rest[1] ?? '';
    rest = rest.slice(match[2] === undefined ? 2 : 1);
  }
}

export const kubectl = subcommand({
  name: 'kubectl',
  usage: 'kubectl [--name NAME] [--data-dir DIR] ...',
  summary:
    'The command line of Kubernetes, for the cluster of that name (or, with --kubeconfig or KUBECONFIG, for any).',
  flags: {},
  help: {},
  raw: true,
  run(argv) {
    const { own, rest } = takeOwn(argv);
    const told =
      process.env.KUBECONFIG ||
      rest.some((arg) => /^--(kubeconfig|server|context|cluster)(=|$)/.test(arg) || arg === '-s');
    const kubeconfig = join(placeOf(own ?? { name: 'default' }).dataDir, 'kubeconfig');
    const ours = own !== undefined || (!told && existsSync(kubeconfig));
    return runKubectlHere(ours ? ['--kubeconfig', kubeconfig, ...rest] : rest);
  },
});
