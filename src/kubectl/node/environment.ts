import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import {
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { httpsClient } from '../../client/node/https.ts';
import { connectionOptions, inClusterOptions } from '../../client/node/kubeconfig.ts';
import type { Environment, FileInfo, Files } from '../environment.ts';
import { listenOn, serveOn } from './listen.ts';
import { streamOpener } from './streams.ts';
import { inputOf, outputOf } from './terminal.ts';

const files: Files = {
  read: (path) => readFile(path),
  async write(path, data, mode = 0o600) {
    await mkdir(dirname(path), { recursive: true });
    // Written beside and renamed, so that nobody sees half of it.
    const part = `${path}.${randomBytes(4).toString('hex')}`;
    await writeFile(part, data, { mode });
    await rename(part, path);
  },
  async stat(path) {
    try {
      return infoOf(await lstat(path));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
      throw error;
    }
  },
  list: async (path) => (await readdir(path)).sort(),
  mkdir: async (path) => void (await mkdir(path, { recursive: true })),
  readLink: (path) => readlink(path),
  link: (target, path) => symlink(target, path),
  remove: (path) => rm(path, { recursive: true, force: true }),
  temporaryDirectory: (prefix) => mkdtemp(join(tmpdir(), prefix)),
};

const infoOf = (stats: Awaited<ReturnType<typeof lstat>>): FileInfo => ({
  type: stats.isFile()
    ? 'file'
    : stats.isDirectory()
      ? 'directory'
      : stats.isSymbolicLink()
        ? 'link'
        : 'other',
  sizeBytes: Number(stats.size),
  mode: Number(stats.mode) & ~constants.S_IFMT,
  modifiedMs: Number(stats.mtimeMs),
});

/** kubectl on this machine: its files, terminal and network. Ends with the signal, which an interrupt aborts. */
export function nodeEnvironment(signal: AbortSignal): Environment {
  return {
    stdin: inputOf(process.stdin),
    stdout: outputOf(process.stdout),
    stderr: outputOf(process.stderr),
    env: process.env,
    home: process.env.HOME || homedir(),
    workingDirectory: process.cwd(),
    files,
    clock: {
      now: () => Date.now(),
      after(delayMs, fn) {
        const timer = setTimeout(fn, Math.min(delayMs, 2 ** 31 - 1));
        return { cancel: () => clearTimeout(timer) };
      },
    },
    random: Math.random,
    signal,
    async connect(access, { requestTimeoutMs, onExchange }) {
      const options = access ? await connectionOptions(access) : inClusterOptions();
      return (
        options &&
        httpsClient({
          ...options,
          timeoutMs: requestTimeoutMs,
          streamTimeoutMs: requestTimeoutMs,
          onExchange,
        })
      );
    },
    async streams(access) {
      const options = access ? await connectionOptions(access) : inClusterOptions();
      if (!options) throw new Error('there is no cluster to connect to');
      return streamOpener(options);
    },
    async fetch(url) {
      const response = await fetch(url, { signal });
      return { status: response.status, statusText: response.statusText, text: await response.text() };
    },
    run: (command, args, { env } = {}) =>
      new Promise((resolve, reject) => {
        const child = spawn(command, args, { stdio: 'inherit', env: { ...process.env, ...env } });
        child.on('error', reject);
        child.on('close', (code) => resolve(code ?? 1));
      }),
    capture: (command, args) =>
      new Promise((resolve, reject) => {
        const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
        let stdout = '';
        let stderr = '';
        child.stdout.setEncoding('utf8').on('data', (text: string) => {
          stdout += text;
        });
        child.stderr.setEncoding('utf8').on('data', (text: string) => {
          stderr += text;
        });
        child.on('error', reject);
        child.on('close', (code) => resolve({ code: code ?? 1, stdout, stderr }));
      }),
    listen: listenOn,
    serve: serveOn,
    platform: `${process.platform}/${process.arch === 'x64' ? 'amd64' : process.arch}`,
  };
}

/** Runs kubectl as this process: interrupts end it as a shell expects. Resolves to the exit code. */
export async function runKubectlHere(argv: string[]): Promise<number> {
  const { runKubectl } = await import('../main.ts');
  const interrupted = new AbortController();
  const interrupt = () => interrupted.abort(new Error('interrupted'));
  process.once('SIGINT', interrupt);
  process.once('SIGTERM', interrupt);
  return runKubectl(argv, nodeEnvironment(interrupted.signal));
}
