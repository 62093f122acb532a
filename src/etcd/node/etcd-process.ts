import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { remoteStore } from './grpc-client.ts';

/**
 * Starts etcd itself (Debian's etcd-server) on free ports of loopback, with what is in `dataDir` or nothing: for tests. Throws
 * when there is none to be had.
 */
export async function startEtcd(dataDir?: string): Promise<{ endpoint: string; stop(): Promise<void> }> {
  const dir = mkdtempSync(join(tmpdir(), 'wherry-real-etcd-'));
  const [client, peer] = [await freePort(), await freePort()];
  const endpoint = `http://127.0.0.1:${client}`;
  const peers = `http://127.0.0.1:${peer}`;
  const etcd = spawn(
    etcdBinary(dir),
    [
      ...['--data-dir', dataDir ?? join(dir, 'etcd'), '--log-level', 'error', '--unsafe-no-fsync'],
      ...['--listen-client-urls', endpoint, '--advertise-client-urls', endpoint],
      ...['--listen-peer-urls', peers, '--initial-advertise-peer-urls', peers],
      ...['--initial-cluster', `default=${peers}`],
    ],
    { stdio: 'ignore' },
  );
  const ended = new Promise<void>((resolve) => etcd.once('exit', () => resolve()));
  const stop = async () => {
    etcd.kill('SIGKILL');
    await ended;
    rmSync(dir, { recursive: true });
  };
  for (let i = 0; ; i++) {
    try {
      await (await remoteStore({ endpoints: [endpoint] })).close();
      return { endpoint, stop };
    } catch (error) {
      if (i < 100 && etcd.exitCode === null) {
        await new Promise((resolve) => setTimeout(resolve, 100));
        continue;
      }
      await stop();
      throw error;
    }
  }
}

const kept = join(import.meta.dirname, '../../../node_modules/.cache/etcd-server');

/** Unpacked, not installed: an installed one would start as a service. What is downloaded to `dir` is kept for the next time. */
export function etcdBinary(dir: string): string {
  const places = ['/usr/bin/etcd', '/usr/local/bin/etcd', join(kept, 'usr', 'bin', 'etcd')];
  const found = places.find((path) => existsSync(path));
  if (found) return found;
  const unpacked = join(dir, 'unpacked');
  const run = (command: string, ...args: string[]) =>
    execFileSync(command, args, { cwd: dir, stdio: 'pipe' });
  const download = () => run('apt-get', '-o', 'APT::Sandbox::User=root', 'download', 'etcd-server');
  try {
    try {
      download();
    } catch {
      run('apt-get', 'update'); // nobody has asked for the lists yet, or they are old
      download();
    }
    const file = readdirSync(dir).find((name) => name.endsWith('.deb'))!;
    run('dpkg', '-x', file, unpacked);
  } catch (error) {
    throw new Error('this needs etcd, and apt-get could not download etcd-server', { cause: error });
  }
  try {
    mkdirSync(dirname(kept), { recursive: true });
    renameSync(unpacked, kept);
    return places.at(-1)!;
  } catch {
    return join(unpacked, 'usr', 'bin', 'etcd'); // another test was faster, or there is no place for it
  }
}

export const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });
