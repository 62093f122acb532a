// A cluster as a user has it: the command line in a process of its own, real kubectl, real containers.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const root = join(import.meta.dirname, '../..');
const cli = ['--disable-warning=ExperimentalWarning', join(root, 'src/cmd/main.ts')];

export interface Result {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs a program to its end, at most `timeoutMs`. */
export function run(
  program: string,
  args: string[],
  options: { input?: string | Buffer; timeoutMs?: number; env?: Record<string, string> } = {},
): Promise<Result> {
  const { input, timeoutMs = 60_000, env } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...env } });
    const parts: { out: Buffer[]; err: Buffer[] } = { out: [], err: [] };
    child.stdout.on('data', (part: Buffer) => parts.out.push(part));
    child.stderr.on('data', (part: Buffer) => parts.err.push(part));
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
    child.on('error', reject);
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      const stderr = Buffer.concat(parts.err).toString();
      resolve({
        code: code ?? -1,
        stdout: Buffer.concat(parts.out).toString(),
        stderr: signal ? `${stderr}\n[ended by ${signal} after ${timeoutMs} ms]` : stderr,
      });
    });
  });
}

/**
 * Real kubectl. Some machines have a dispatcher of that name, which asks the server for its version and takes an older kubectl
 * when the answer is slow: then the newest of those beside it is taken, always the same one.
 */
export function kubectlProgram(): string {
  const path = (process.env.PATH ?? '')
    .split(':')
    .map((dir) => join(dir, 'kubectl'))
    .find((file) => existsSync(file));
  if (!path) throw new Failed('these tests need kubectl: install the package kubernetes-client');
  const dir = dirname(realpathSync(path));
  const minor = (name: string) => Number(/^kubectl\.1\.(\d+)$/.exec(name)?.[1] ?? -1);
  const newest = readdirSync(dir)
    .filter((name) => minor(name) > 0)
    .sort((a, b) => minor(b) - minor(a))[0];
  return newest ? join(dir, newest) : path;
}

export class Failed extends Error {}

export interface TestCluster {
  dataDir: string;
  kubeconfig: string;
  /** Of the Wherry process. */
  pid(): number;
  output(): string;
  /** Starts it (again); resolves when it says that it is ready. */
  start(): Promise<void>;
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Real kubectl; rejects with what it printed when it fails. */
  kubectl(...args: string[]): Promise<string>;
  tryKubectl(args: string[], options?: Parameters<typeof run>[2]): Promise<Result>;
  wherry(...args: string[]): Promise<Result>;
  /** Ends everything and removes all traces. */
  remove(): Promise<void>;
}

export function testCluster(name: string, port: number, flags: string[] = []): TestCluster {
  const dataDir = mkdtempSync(join(tmpdir(), `wherry-${name}-`));
  const kubeconfig = join(dataDir, 'kubeconfig');
  const own = ['--name', name, '--data-dir', dataDir];
  let child: ChildProcess | undefined;
  let output = '';
  const ended = (): Promise<void> =>
    new Promise((resolve) => {
      if (!child || child.exitCode !== null || child.signalCode !== null) resolve();
      else child.once('exit', () => resolve());
    });
  const tryKubectl: TestCluster['tryKubectl'] = (args, options) =>
    // kubectl keeps what servers answered; one that had the same port before must not answer for this one.
    run(
      'kubectl',
      ['--kubeconfig', kubeconfig, '--cache-dir', join(dataDir, 'kubectl-cache'), ...args],
      options,
    );
  const wherry = (...args: string[]) => run(process.execPath, [...cli, ...args, ...own]);
  return {
    dataDir,
    kubeconfig,
    tryKubectl,
    wherry,
    pid: () => child!.pid!,
    output: () => output,
    async start() {
      output = '';
      child = spawn(
        process.execPath,
        [...cli, 'up', ...own, '--api-port', String(port), '--no-kubeconfig-merge', ...flags],
        { stdio: ['ignore', 'pipe', 'pipe'] },
      );
      for (const stream of [child.stdout!, child.stderr!])
        stream.on('data', (part: Buffer) => (output += part));
      const began = Date.now();
      while (!output.includes('Ready in')) {
        if (child.exitCode !== null) throw new Failed(`wherry up ended with ${child.exitCode}:\n${output}`);
        if (Date.now() - began > 300_000)
          throw new Failed(`wherry up is not ready after five minutes:\n${output}\n${logsOf(dataDir)}`);
        await sleep(20);
      }
    },
    async kill(signal) {
      child?.kill(signal);
      await ended();
    },
    async kubectl(...args) {
      const { code, stdout, stderr } = await tryKubectl(args);
      if (code !== 0) throw new Failed(`kubectl ${args.join(' ')}: ${code}\n${stdout}${stderr}`);
      return stdout;
    },
    async remove() {
      child?.kill('SIGTERM');
      await ended();
      const down = await wherry('down');
      if (down.code !== 0) throw new Failed(`wherry down: ${down.stderr}`);
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/** The last lines of every log, for when something goes wrong. */
export function logsOf(dataDir: string): string {
  const dir = join(dataDir, 'logs');
  if (!existsSync(dir)) return '';
  return readdirSync(dir)
    .map((file) => `--- ${file}\n${readFileSync(join(dir, file), 'utf8').split('\n').slice(-20).join('\n')}`)
    .join('\n');
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Asks again and again until the answer is not false; says what it waited for when that takes too long. */
export async function until<T>(
  what: string,
  ask: () => Promise<T | false | undefined>,
  timeoutMs = 30_000,
): Promise<T> {
  const began = Date.now();
  let last: unknown;
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== false && answer !== undefined) return answer;
    } catch (error) {
      last = error;
    }
    if (Date.now() - began > timeoutMs)
      throw new Failed(`waited ${timeoutMs} ms in vain for: ${what}${last ? `\n${last}` : ''}`);
    await sleep(100);
  }
}

/** GET of a URL from the host; the body, or undefined when there is no answer within two seconds. */
export async function fetchText(url: string): Promise<string | undefined> {
  try {
    const response = await fetch(url, {
      signal: AbortSignal.timeout(2000),
      headers: { connection: 'close' },
    });
    return (await response.text()).trim();
  } catch {
    return undefined;
  }
}
