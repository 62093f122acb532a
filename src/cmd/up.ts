import { spawn } from 'node:child_process';
import { mkdirSync, openSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { ClusterConfig } from '../cluster/config.ts';
import { runningInstance } from '../cluster/node/instance.ts';
import { fileLogs } from '../cluster/node/logs.ts';
import { portProblem } from '../cluster/node/ports.ts';
import { rangesOf } from '../cluster/node/ranges.ts';
import { apiFlags, apiSettings } from './api-flags.ts';
import { common, commonHelp, subcommand, UserError } from './command.ts';
import { leaderFlags, leaderSettings } from './leader-flags.ts';
import { placeOf } from './place.ts';
import { portSentence } from './port.ts';

interface UpFlags {
  name: string;
  'data-dir'?: string;
  nodes?: string;
  'simulated-nodes': string;
  store: string;
  'api-port': string;
  detach?: boolean;
  wait?: boolean;
  install: boolean;
  'component-ports'?: boolean;
  'kubeconfig-merge': boolean;
}

const upFlags = [...apiFlags, ...leaderFlags('true with --store etcd=…, as others may have it, too')];

const say = (line: string): void => void process.stdout.write(`${line}\n`);

export const up = subcommand({
  name: 'up',
  usage: 'up [FLAGS]',
  summary:
    'Starts a cluster: installs what the node lacks, makes certificates, starts every component, waits until it is ready.',
  flags: {
    ...common,
    nodes: { type: 'string' },
    'simulated-nodes': { type: 'string', default: '0' },
    store: { type: 'string', default: 'embedded' },
    'api-port': { type: 'string', default: '6443' },
    detach: { type: 'boolean', short: 'd' },
    wait: { type: 'boolean' },
    install: { type: 'boolean', default: true },
    'component-ports': { type: 'boolean' },
    'kubeconfig-merge': { type: 'boolean', default: true },
    ...Object.fromEntries(
      upFlags.map((f) => [f.name, { type: 'string' as const, ...(f.default ? { default: f.default } : {}) }]),
    ),
  },
  help: {
    ...commonHelp,
    nodes: { value: 'K', help: 'real nodes on this machine, 0 or 1 (default 1 where it can run containers)' },
    'simulated-nodes': { value: 'K', help: 'nodes whose containers are acted' },
    store: {
      value: 'memory|embedded|etcd=URL,...',
      help: 'where the state is kept; memory forgets it at the end',
    },
    'api-port': { value: 'PORT', help: 'port of the API server on 127.0.0.1' },
    detach: { help: 'leave it running in the background' },
    wait: { help: 'with --detach: return when the nodes are Ready and DNS answers' },
    install: { help: 'install what is missing; --no-install only tells' },
    'component-ports': {
      help: 'answer on 127.0.0.1, too, where components alone do: 10257, 10259 (HTTPS), 10249, 10256, 9153; their metrics are at /metrics of the API server anyway',
    },
    'kubeconfig-merge': {
      help: 'add the context wherry-NAME to your own kubeconfig; --no-kubeconfig-merge leaves it alone',
    },
    ...Object.fromEntries(upFlags.map(({ name, value, help }) => [name, { value, help }])),
  },
  examples: [
    'wherry up',
    'wherry up --detach --wait',
    'wherry up --name dev --api-port 6444 --nodes 0 --simulated-nodes 100',
  ],
  async run(args, flags: UpFlags) {
    if (args.length)
      throw new UserError(
        `"up" takes no arguments, but was given "${args.join(' ')}"; see "wherry up --help".`,
        2,
      );
    const place = placeOf(flags);
    const running = runningInstance(place.dataDir);
    if (running) {
      say(`Cluster "${place.name}" is running already (process ${running.pid}), at ${running.server}.`);
      hints(place.dataDir, place.name);
      return 0;
    }
    const config = configOf(flags, place);
    const problem = await portProblem('127.0.0.1', config.apiPort);
    if (problem) throw new UserError(portSentence(config.apiPort, problem, '--api-port'));
    return flags.detach ? detach(config, flags) : foreground(config, flags);
  },
});

function whole(name: string, text: string, least: number, most: number): number {
  const n = Number(text);
  if (!Number.isInteger(n) || n < least || n > most)
    throw new UserError(`--${name} takes a whole number from ${least} to ${most}, not "${text}".`, 2);
  return n;
}

function storeOf(text: string): ClusterConfig['store'] {
  if (text === 'memory' || text === 'embedded') return text;
  if (/^etcd=https?:\/\/[^,]+(,https?:\/\/[^,]+)*$/.test(text)) return text as `etcd=${string}`;
  throw new UserError(`--store takes "memory", "embedded" or "etcd=http://HOST:PORT", not "${text}".`, 2);
}

function configOf(flags: UpFlags, place: { name: string; dataDir: string; runDir: string }): ClusterConfig {
  return {
    ...place,
    ...rangesOf(place),
    apiPort: whole('api-port', flags['api-port'], 1, 65535),
    bindAddresses: ['127.0.0.1'],
    store: storeOf(flags.store),
    nodes: flags.nodes === undefined ? -1 : whole('nodes', flags.nodes, 0, 1),
    simulatedNodes: whole('simulated-nodes', flags['simulated-nodes'], 0, 250),
    clusterDomain: 'cluster.local',
    apiServer: apiSettings(flags),
    componentPorts: flags['component-ports'] === true,
    leaderElection: leaderSettings(flags, flags.store.startsWith('etcd=')),
    userKubeconfig: flags['kubeconfig-merge']
      ? process.env.KUBECONFIG?.split(':')[0] || join(homedir(), '.kube', 'config')
      : undefined,
  };
}

/** Decides what kind of nodes there will be; says so in one line when they are simulated though nobody asked for that. */
async function settleNodes(config: ClusterConfig, flags: UpFlags): Promise<void> {
  const asked = config.nodes;
  if (asked === 0) return;
  const { prepareMachine } = await import('../cluster/node/real-node.ts');
  const logs = fileLogs(join(config.dataDir, 'logs'));
  const problem = await prepareMachine(flags.install, logs.log.child({ component: 'install' }), say);
  logs.close();
  if (!problem) {
    config.nodes = 1;
    return;
  }
  if (asked === 1) throw new UserError(`this machine cannot run a real node: ${problem}.`);
  config.nodes = 0;
  if (!config.simulatedNodes) config.simulatedNodes = 1;
  say(
    `No containers here (${problem}): starting with ${config.simulatedNodes} simulated node${config.simulatedNodes > 1 ? 's' : ''} instead.`,
  );
}

async function foreground(config: ClusterConfig, flags: UpFlags): Promise<number> {
  const began = performance.now();
  try {
    mkdirSync(config.dataDir, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new UserError(
      `the data directory ${config.dataDir} cannot be made (${(error as Error).message}): choose another with --data-dir.`,
    );
  }
  await settleNodes(config, flags);
  const { startCluster } = await import('../cluster/start.ts');
  const cluster = await startCluster(config, say);
  const ended = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => ended.abort());
  await Promise.race([
    cluster.ready(ended.signal),
    new Promise((resolve) => ended.signal.addEventListener('abort', resolve)),
  ]);
  if (!ended.signal.aborted) {
    say(`Ready in ${((performance.now() - began) / 1000).toFixed(1)} s.`);
    process.send?.('ready');
    hints(config.dataDir, config.name);
    await new Promise((resolve) => ended.signal.addEventListener('abort', resolve));
  }
  say('Stopping; containers go on until "wherry down".');
  await cluster.stop();
  process.exit(0);
}

function hints(dataDir: string, name: string): void {
  const option = name === 'default' ? '' : ` --name ${name}`;
  say(
    `\nKubeconfig: ${join(dataDir, 'kubeconfig')} (context wherry-${name})\n` +
      `Go on:      kubectl --kubeconfig ${join(dataDir, 'kubeconfig')} get nodes\n` +
      `            npm exec -- wherry status${option}      npm exec -- wherry trace POD${option}      npm run down${option ? ` --${option}` : ''}`,
  );
}

/** Starts the same again in the background, and reports from there until it is up (or, with --wait, ready). */
async function detach(config: ClusterConfig, flags: UpFlags): Promise<number> {
  const logDir = join(config.dataDir, 'logs');
  mkdirSync(logDir, { recursive: true, mode: 0o700 });
  const output = join(logDir, 'up.log');
  const fd = openSync(output, 'w', 0o600);
  const args = process.argv.slice(1).filter((arg) => !['--detach', '-d', '--wait'].includes(arg));
  const child = spawn(process.execPath, [...process.execArgv, ...args], {
    detached: true,
    stdio: ['ignore', fd, fd, 'ipc'],
    cwd: '/',
  });
  let told = 0;
  const tell = () => {
    const text = readFileSync(output, 'utf8');
    process.stdout.write(text.slice(told));
    told = text.length;
  };
  const follow = setInterval(tell, 100);
  const outcome = await new Promise<'ready' | 'up' | number>((resolve) => {
    child.on('message', () => resolve('ready'));
    child.on('exit', (code) => resolve(code ?? 1));
    if (!flags.wait) {
      const poll = setInterval(() => {
        if (!runningInstance(config.dataDir)) return;
        clearInterval(poll);
        resolve('up');
      }, 50);
    }
  });
  clearInterval(follow);
  tell();
  if (typeof outcome === 'number')
    throw new UserError(`the cluster did not start (see above, and ${logDir}).`);
  child.disconnect();
  child.unref();
  if (outcome === 'up') hints(config.dataDir, config.name);
  process.exit(0);
}
