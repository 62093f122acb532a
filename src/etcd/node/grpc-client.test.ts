// The suite of stores against Wherry's own etcd server, and against etcd itself (Debian's etcd-server).

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { silentLog } from '../../machinery/log.ts';
import { prefixEnd } from '../../machinery/store.ts';
import { checkHistories } from '../histories.ts';
import { memoryStore } from '../memory.ts';
import { put, storeCases, watching } from '../suite.ts';
import { remoteStore } from './grpc-client.ts';
import { type EtcdServer, startEtcdServer } from './grpc-server.ts';

const clock = {
  now: () => performance.now(),
  after: (ms: number, fn: () => void) => {
    const timer = setTimeout(fn, ms);
    return { cancel: () => clearTimeout(timer) };
  },
};
const dir = mkdtempSync(join(tmpdir(), 'wherry-etcd-client-'));
after(() => rmSync(dir, { recursive: true }));

function suite(endpoint: () => string): void {
  for (const [i, one] of storeCases.entries()) {
    test(one.name, async () => {
      const store = await remoteStore({ endpoints: [endpoint()] });
      try {
        await one.run(store, `/registry/case-${i}/`);
      } finally {
        await store.close();
      }
    });
  }
  test('random histories are those of the model', async () => {
    const store = await remoteStore({ endpoints: [endpoint()] });
    try {
      await checkHistories(store, 15);
    } finally {
      await store.close();
    }
  });
}

describe("against Wherry's own server", () => {
  const store = memoryStore();
  let server: EtcdServer;
  const serve = async (url: string) =>
    (server = await startEtcdServer({ store, urls: [url], clock, random: Math.random, log: silentLog }));
  before(() => serve('http://127.0.0.1:0'));
  after(async () => {
    await server.close();
    await store.close();
  });
  suite(() => server.urls[0]!);

  test('a server that goes and comes back: watches go on where they were, nothing twice', async () => {
    const endpoint = server.urls[0]!;
    const remote = await remoteStore({ endpoints: ['http://127.0.0.1:1', endpoint] });
    const watch = watching(remote, '/registry/back/', prefixEnd('/registry/back/'));
    await remote.txn([], [put('/registry/back/1', '1')]);
    await server.close();
    await assert.rejects(remote.txn([], [put('/registry/back/2', '2')]), /etcd at http/);
    await store.txn([], [put('/registry/back/3', '3')]);
    await serve(endpoint);
    await watch.until(() => watch.events.length === 2);
    assert.deepEqual(
      watch.events.map((e) => e.kv.key),
      ['/registry/back/1', '/registry/back/3'],
    );
    await remote.close();
  });

  test('no endpoint that answers', () =>
    assert.rejects(remoteStore({ endpoints: ['http://127.0.0.1:1'] }), /etcd at http:\/\/127\.0\.0\.1:1: /));
});

describe('against etcd', () => {
  let endpoint = '';
  let stop: () => Promise<void>;
  before(async () => {
    const [client, peer] = [await freePort(), await freePort()];
    endpoint = `http://127.0.0.1:${client}`;
    const peers = `http://127.0.0.1:${peer}`;
    const etcd = spawn(
      etcdBinary(),
      [
        ...['--data-dir', join(dir, 'etcd'), '--log-level', 'error', '--unsafe-no-fsync'],
        ...['--listen-client-urls', endpoint, '--advertise-client-urls', endpoint],
        ...['--listen-peer-urls', peers, '--initial-advertise-peer-urls', peers],
        ...['--initial-cluster', `default=${peers}`],
      ],
      { stdio: 'ignore' },
    );
    const ended = new Promise<void>((resolve) => etcd.once('exit', () => resolve()));
    stop = async () => {
      etcd.kill('SIGKILL');
      await ended;
    };
    for (let i = 0; ; i++) {
      try {
        await (await remoteStore({ endpoints: [endpoint] })).close();
        return;
      } catch (error) {
        if (i === 100 || etcd.exitCode !== null) throw error;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  });
  after(() => stop());
  suite(() => endpoint);
});

/** Unpacked, not installed: an installed one would start as a service. */
function etcdBinary(): string {
  if (existsSync('/usr/bin/etcd')) return '/usr/bin/etcd';
  try {
    execFileSync('apt-get', ['-o', 'APT::Sandbox::User=root', 'download', 'etcd-server'], {
      cwd: dir,
      stdio: 'pipe',
    });
    const file = readdirSync(dir).find((name) => name.endsWith('.deb'))!;
    execFileSync('dpkg', ['-x', file, join(dir, 'unpacked')], { cwd: dir, stdio: 'pipe' });
  } catch (error) {
    throw new Error('this test needs etcd, and apt-get could not download etcd-server', { cause: error });
  }
  return join(dir, 'unpacked', 'usr', 'bin', 'etcd');
}

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });
