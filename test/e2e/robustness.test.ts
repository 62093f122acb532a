// What users meet on a bad day: no root, a port that is taken, a data directory that is not ours or is damaged, a full disk.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { run, testCluster, until } from './harness.ts';

const main = join(import.meta.dirname, '../../src/cmd/main.ts');
const cli = ['--disable-warning=ExperimentalWarning', main];
const up = (dir: string, ...flags: string[]) =>
  run(
    process.execPath,
    [
      ...cli,
      'up',
      '--name',
      'bad',
      '--data-dir',
      dir,
      '--api-port',
      '26553',
      '--no-kubeconfig-merge',
      '--nodes',
      '0',
      ...flags,
    ],
    { timeoutMs: 20_000 },
  );
const temporary: string[] = [];
const directory = (): string => {
  const dir = mkdtempSync(join(tmpdir(), 'wherry-robust-'));
  temporary.push(dir);
  return dir;
};
after(() => {
  for (const dir of temporary) rmSync(dir, { recursive: true, force: true });
});

/** One sentence on standard error, a non-zero exit, no stack trace. */
function refused(result: { code: number; stderr: string; stdout: string }, pattern: RegExp): void {
  assert.notEqual(result.code, 0, result.stdout);
  assert.match(result.stderr, pattern);
  assert.equal(result.stderr.trim().split('\n').length, 1, result.stderr);
  assert.doesNotMatch(result.stderr, /\n\s+at /);
}

test('a port in use', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(26553, '127.0.0.1', resolve));
  refused(await up(directory()), /port 26553 is in use: .*--api-port/);
  server.close();
});

test('flags that cannot be read', async () => {
  refused(await up(directory(), '--simulated-nodes', 'many'), /--simulated-nodes takes a whole number/);
  refused(await up(directory(), '--store', 'paper'), /--store takes/);
  refused(await up(directory(), '--colour', 'red'), /Unknown option '--colour'; see "wherry up --help"/);
  refused(await run(process.execPath, [...cli, 'sail']), /"sail" is not a command/);
});

/** A data directory that has been used, to be spoilt. */
let used: string;
before(async () => {
  const cluster = testCluster('used', 26543, ['--nodes', '0', '--simulated-nodes', '1']);
  await cluster.start();
  await cluster.kubectl('create', 'configmap', 'kept', '--from-literal=a=b');
  await cluster.kill('SIGTERM');
  used = directory();
  cpSync(cluster.dataDir, used, { recursive: true });
  await cluster.remove();
});
const copy = (): string => {
  const dir = directory();
  cpSync(used, dir, { recursive: true });
  return dir;
};
const hashes = (dir: string) =>
  readdirSync(join(dir, 'etcd')).map((f) => `${f} ${readFileSync(join(dir, 'etcd', f)).length}`);

test('a data directory of another version is left alone', async () => {
  const dir = copy();
  writeFileSync(join(dir, 'etcd', 'format'), '99\n');
  const before = hashes(dir);
  refused(await up(dir), /has format 99, this version of Wherry knows 2: /);
  assert.deepEqual(hashes(dir), before);
});

test('a half-written data directory is refused', async () => {
  const without = copy();
  rmSync(join(without, 'etcd', 'format'));
  refused(await up(without), /half made/);
  const cut = copy();
  truncateSync(join(cut, 'etcd', '00000001.log'), 20_000);
  refused(
    await up(cut),
    /is damaged \(it ends at revision \d+, and revision \d+ was acknowledged\): restore a backup/,
  );
  const empty = copy();
  rmSync(join(empty, 'etcd', '00000001.log'));
  refused(await up(empty), /is missing: restore a backup/);
});

test('not root: it starts with a simulated node, says so in a line, and a pod there becomes Ready', async () => {
  const home = directory();
  chmodSync(home, 0o777);
  const dir = join(home, 'data');
  const args = [
    '--reuid=65534',
    '--regid=65534',
    '--clear-groups',
    'env',
    `HOME=${home}`,
    process.execPath,
    ...cli,
    'up',
    '--detach',
    '--wait',
    '--data-dir',
    dir,
    '--api-port',
    '26563',
  ];
  const started = await run('setpriv', args, { timeoutMs: 60_000 });
  try {
    assert.equal(started.code, 0, started.stderr + started.stdout);
    const lines = started.stdout.split('\n').filter((line) => line.includes('simulated node'));
    assert.match(lines[0]!, /No containers here \(not root\): starting with 1 simulated node instead\./);
    const kubeconfig = join(dir, 'kubeconfig');
    const kubectl = async (...a: string[]) =>
      (await run('kubectl', ['--kubeconfig', kubeconfig, ...a])).stdout;
    await kubectl('create', 'deployment', 'acted', '--image=anything', '--replicas=3');
    await until(
      'three pods are ready',
      async () =>
        (await kubectl('get', 'deployment', 'acted', '-o', 'jsonpath={.status.readyReplicas}')) === '3',
    );
    assert.match(
      await kubectl('config', 'get-contexts', '--kubeconfig', join(home, '.kube', 'config')),
      /wherry-default/,
    );
  } finally {
    const down = await run('setpriv', [
      '--reuid=65534',
      '--regid=65534',
      '--clear-groups',
      'env',
      `HOME=${home}`,
      process.execPath,
      ...cli,
      'down',
      '--data-dir',
      dir,
    ]);
    assert.equal(down.code, 0, down.stderr);
  }
});

test('no containerd, and nothing may be installed: it says what is missing and why, and starts with a simulated node', async () => {
  const scratch = directory();
  // In a mount namespace of its own, /usr/bin is without containerd; the machine's stays as it is.
  const hide = `mount --make-rprivate / && mkdir ${scratch}/upper ${scratch}/work && \
    mount -t overlay overlay -o lowerdir=/usr/bin,upperdir=${scratch}/upper,workdir=${scratch}/work /usr/bin && rm /usr/bin/containerd && exec "$@"`;
  const up = [
    process.execPath,
    ...cli,
    'up',
    '--no-install',
    '--name',
    'bare',
    '--data-dir',
    join(scratch, 'data'),
    '--api-port',
    '26593',
    '--no-kubeconfig-merge',
  ];
  const child = spawn('unshare', ['-m', 'sh', '-c', hide, 'sh', ...up], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part: Buffer) => (output += part));
  const ended = new Promise((resolve) => child.on('exit', resolve));
  try {
    await until('it is ready', async () => output.includes('Ready in'));
    assert.match(
      output,
      /No containers here \(missing from the distribution: containerd \(containerd, .*\); run "apt-get install containerd".*\): starting with 1 simulated node instead/,
    );
  } finally {
    child.kill('SIGTERM');
    await ended;
  }
});

test('a full disk: writes are refused with a reason, nothing acknowledged is lost, and it goes on when there is room', async () => {
  const disk = directory();
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', disk]);
  assert.equal(mounted.status, 0, mounted.stderr.toString());
  const cluster = testCluster('full', 26573, ['--nodes', '0', '--simulated-nodes', '1', '--data-dir', disk]);
  const kubeconfig = join(disk, 'kubeconfig');
  const kubectl = (args: string[], input?: string) =>
    run('kubectl', ['--kubeconfig', kubeconfig, ...args], { input });
  try {
    await cluster.start();
    const acknowledged: string[] = [];
    let failure = '';
    for (let i = 0; i < 100 && !failure; i++) {
      const object = {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: `big-${i}` },
        data: { x: 'x'.repeat(700_000) },
      };
      const { code, stderr } = await kubectl(['create', '-f', '-'], JSON.stringify(object));
      if (code === 0) acknowledged.push(`big-${i}`);
      else failure = stderr;
    }
    assert.match(failure, /the store cannot write .*nothing was changed/);
    await cluster.kill('SIGTERM');
    assert.equal(spawnSync('mount', ['-o', 'remount,size=200m', disk]).status, 0);
    await cluster.start();
    const { stdout } = await kubectl(['get', 'configmaps', '-o', 'jsonpath={.items[*].metadata.name}']);
    assert.deepEqual(
      acknowledged.filter((name) => !stdout.split(' ').includes(name)),
      [],
    );
    assert.equal((await kubectl(['create', 'configmap', 'again', '--from-literal=a=b'])).code, 0);
  } finally {
    await cluster.kill('SIGTERM');
    await cluster.remove();
    spawnSync('umount', [disk]);
    assert.ok(!existsSync(kubeconfig));
  }
});
