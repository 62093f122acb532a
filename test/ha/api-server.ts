// An API server as a process of its own, that can be killed and started again.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { lowPort } from './ports.ts';

export interface Access {
  port: number;
  ca: Buffer;
  cert: Buffer;
  key: Buffer;
}

export interface ServerProcess {
  name: string;
  access: Access;
  kubeconfig: string;
  start(): Promise<void>;
  /** As `kill -9`; resolves when it is gone. */
  kill(): Promise<void>;
  /** As SIGTERM. */
  end(): Promise<void>;
  isRunning(): boolean;
  log(): string;
}

const main = join(import.meta.dirname, '../../src/cmd/main.ts');

/** `dir` is shared by all servers of a test: their authorities are in it. */
export async function apiServer(
  name: string,
  dir: string,
  endpoints: string[],
  flags: string[] = [],
): Promise<ServerProcess> {
  const port = await lowPort();
  const dataDir = join(dir, name);
  const logFile = join(dir, `${name}.log`);
  let child: ChildProcess | undefined;
  let access: Access | undefined;
  const over = (process: ChildProcess) => process.exitCode !== null || process.signalCode !== null;
  const stop = async (signal: NodeJS.Signals) => {
    const dying = child;
    if (!dying || over(dying)) return;
    const gone = new Promise((resolve) => dying.once('exit', resolve));
    dying.kill(signal);
    await gone;
  };
  const kubeconfig = join(dataDir, 'kubeconfig');
  return {
    name,
    kubeconfig,
    get access() {
      if (!access) {
        const config = parse(readFileSync(kubeconfig, 'utf8'));
        const { user } = config.users[0];
        const bytes = (text: string) => Buffer.from(text, 'base64');
        access = {
          port,
          ca: bytes(config.clusters[0].cluster['certificate-authority-data']),
          cert: bytes(user['client-certificate-data']),
          key: bytes(user['client-key-data']),
        };
      }
      return access;
    },
    async start() {
      const log = openSync(logFile, 'a');
      const args = ['--data-dir', dataDir, '--cert-dir', join(dir, 'pki'), '--secure-port', String(port)];
      const started = spawn(
        process.execPath,
        [main, 'apiserver', ...args, '--etcd-servers', endpoints.join(','), ...flags],
        { stdio: ['ignore', 'pipe', log] },
      );
      closeSync(log);
      child = started;
      await new Promise<void>((resolve, reject) => {
        started.stdout!.once('data', () => resolve());
        started.once('exit', (code) =>
          reject(new Error(`API server ${name} ended with ${code}: see ${logFile}`)),
        );
      });
      started.stdout!.resume();
      started.removeAllListeners('exit');
    },
    kill: () => stop('SIGKILL'),
    end: () => stop('SIGTERM'),
    isRunning: () => child !== undefined && !over(child),
    log: () => readFileSync(logFile, 'utf8'),
  };
}
