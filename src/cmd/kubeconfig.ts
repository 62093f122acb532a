import { common, commonHelp, subcommand } from './command.ts';
import { kubeconfigOf } from './place.ts';

export const kubeconfig = subcommand({
  name: 'kubeconfig',
  usage: 'kubeconfig [--path]',
  summary: 'Prints the kubeconfig of the administrator.',
  flags: { ...common, path: { type: 'boolean' } },
  help: { ...commonHelp, path: { help: 'print where it is' } },
  examples: ['export KUBECONFIG=$(wherry kubeconfig --path)'],
  async run(_args, flags: { name: string; 'data-dir'?: string; path?: boolean }) {
    const { path, text } = kubeconfigOf(flags);
    process.stdout.write(flags.path ? `${path}\n` : text);
    return 0;
  },
});
