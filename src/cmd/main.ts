import { DataDirectoryError } from '../etcd/node/embedded.ts';
import { runSubcommand, type Subcommand, UserError } from './command.ts';
import { summaries } from './summaries.ts';

/** Each subcommand is loaded when it is asked for: `wherry status` does not wait for the API server's code. */
const loaders: Record<string, () => Promise<{ [name: string]: Subcommand }>> = {
  up: () => import('./up.ts') as never,
  down: () => import('./down.ts') as never,
  status: () => import('./status.ts') as never,
  logs: () => import('./logs.ts') as never,
  kubeconfig: () => import('./kubeconfig.ts') as never,
  load: () => import('./load.ts') as never,
  trace: () => import('./trace.ts') as never,
  why: () => import('./why.ts') as never,
  kubectl: () => import('./kubectl.ts') as never,
  diff: () => import('./diff.ts') as never,
  snapshot: () => import('./snapshot.ts') as never,
  completion: () => import('./completion.ts') as never,
  apiserver: () => import('./components.ts') as never,
  'controller-manager': () => import('./components.ts') as never,
  scheduler: () => import('./components.ts') as never,
  kubelet: () => import('./components.ts') as never,
  proxy: () => import('./components.ts') as never,
  dns: () => import('./components.ts') as never,
  etcd: () => import('./components.ts') as never,
};

function usage(): string {
  const width = Math.max(...Object.keys(summaries).map((name) => name.length)) + 2;
  const list = Object.entries(summaries)
    .map(([name, summary]) => `  ${name.padEnd(width)}${summary}`)
    .join('\n');
  return `Wherry: Kubernetes v1.36 in one process.\n\nUsage: wherry COMMAND [FLAGS]\n\nCommands:\n${list}\n\n"wherry COMMAND --help" tells more of each.\n`;
}

async function main(argv: string[]): Promise<number> {
  const [name, ...rest] = argv;
  if (!name || name === 'help' || name === '--help' || name === '-h') {
    process.stdout.write(usage());
    return name ? 0 : 2;
  }
  if (name === 'version' || name === '--version') {
    const { version } = await import('../cluster/version.ts');
    process.stdout.write(`wherry ${version}, Kubernetes API v1.36.2, Node ${process.version}\n`);
    return 0;
  }
  const load = loaders[name];
  if (!load) throw new UserError(`"${name}" is not a command of wherry; see "wherry help".`, 2);
  const module = await load();
  const command = Object.values(module).find((value) => value?.name === name);
  if (!command) throw new Error(`the module of ${name} has no such subcommand`);
  return runSubcommand(command, rest);
}

// Whoever reads us may stop reading (`| head`).
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

try {
  process.exitCode = await main(process.argv.slice(2));
  if (process.exitCode !== 0) process.exit();
} catch (error) {
  const { message, code } = error as Error & { code?: unknown };
  if (error instanceof UserError || error instanceof DataDirectoryError)
    process.stderr.write(`wherry: ${message}\n`);
  else process.stderr.write(`wherry: ${process.env.WHERRY_DEBUG ? (error as Error).stack : message}\n`);
  process.exit(error instanceof UserError ? error.code : typeof code === 'number' ? code : 1);
}
