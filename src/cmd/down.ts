import { homedir } from 'node:os';
import { join } from 'node:path';
import { lastInstance, release, runningInstance } from '../cluster/node/instance.ts';
import { mergeKubeconfig } from '../cluster/node/kubeconfig.ts';
import { common, commonHelp, subcommand, UserError } from './command.ts';
import { placeOf } from './place.ts';

export const down = subcommand({
  name: 'down',
  usage: 'down [FLAGS]',
  summary:
    'Ends a cluster: its components, its containers, its network and rules. Its data stays, unless --purge is given.',
  flags: { ...common, purge: { type: 'boolean' }, 'keep-containers': { type: 'boolean' } },
  help: {
    ...commonHelp,
    purge: { help: 'remove the data directory too: the cluster is gone for good' },
    'keep-containers': { help: 'end Wherry alone; containers go on and are taken over by the next "up"' },
  },
  async run(
    _args,
    flags: { name: string; 'data-dir'?: string; purge?: boolean; 'keep-containers'?: boolean },
  ) {
    const { name, dataDir, runDir } = placeOf(flags);
    const running = runningInstance(dataDir);
    const known = running ?? lastInstance(dataDir);
    if (running) {
      process.stdout.write(`stopping cluster "${name}" (process ${running.pid})\n`);
      process.kill(running.pid, 'SIGTERM');
      const until = Date.now() + 20_000;
      while (runningInstance(dataDir) && Date.now() < until)
        await new Promise((resolve) => setTimeout(resolve, 50));
      if (runningInstance(dataDir)) process.kill(running.pid, 'SIGKILL');
    } else if (!known) {
      process.stdout.write(`no cluster "${name}" is running\n`);
    }
    if (!flags['keep-containers']) {
      const { removeNode } = await import('../cluster/node/remove-node.ts');
      for (const line of await removeNode({ name, dataDir, runDir: known?.runDir ?? runDir }))
        process.stdout.write(`${line}\n`);
    }
    release(dataDir);
    if (flags.purge) {
      if (flags['keep-containers'])
        throw new UserError(
          '--purge and --keep-containers do not go together: containers need the data directory.',
          2,
        );
      mergeKubeconfig(
        process.env.KUBECONFIG?.split(':')[0] || join(homedir(), '.kube', 'config'),
        `wherry-${name}`,
        undefined,
      );
      await (await import('../cluster/node/remove-node.ts')).purge(dataDir);
      process.stdout.write(`removed ${dataDir}\n`);
    }
    return 0;
  },
});
