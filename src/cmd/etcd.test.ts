import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { embeddedStore } from '../etcd/node/embedded.ts';

const main = new URL('./main.ts', import.meta.url).pathname;

test('wherry etcd: serves, keeps, ends; says in a sentence what is wrong', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'wherry-etcd-'));
  const data = join(dir, 'data');
  const args = ['etcd', '--data-dir', data, '--listen-client-urls', 'http://127.0.0.1:0'];
  const server = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const line = await new Promise<string>((resolve) =>
      server.stdout.once('data', (d) => resolve(String(d))),
    );
    const [, endpoint] = /^etcd at http:\/\/(127\.0\.0\.1:\d+), data in/.exec(line)!;
    const { stdout } = await promisify(execFile)('etcdctl', ['--endpoints', endpoint!, 'put', '/a', '1'], {
      env: { ...process.env, ETCDCTL_API: '3' },
    });
    assert.equal(stdout, 'OK\n');
    const second = promisify(execFile)(process.execPath, [main, ...args]);
    await assert.rejects(second, ({ stderr }: { stderr: string }) => {
      assert.match(stderr, /^wherry: .* is in use by process \d+: stop it first\n$/);
      return true;
    });
    const ended = new Promise((resolve) => server.once('exit', resolve));
    server.kill('SIGTERM');
    assert.equal(await ended, 0);
    const store = embeddedStore(data);
    assert.equal((await store.range({ key: '/a' })).count, 1);
    await store.close();
  } finally {
    server.kill('SIGKILL');
    rmSync(dir, { recursive: true });
  }
});
