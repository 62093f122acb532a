// What a cluster keeps: its past, backups of it, and secrets that nobody can read on the disk.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { run, testCluster } from './harness.ts';

const dir = mkdtempSync(join(tmpdir(), 'wherry-state-'));
const encryption = join(dir, 'encryption.yaml');
const key = Buffer.alloc(32, 'k').toString('base64');
writeFileSync(
  encryption,
  `kind: EncryptionConfiguration
apiVersion: apiserver.config.k8s.io/v1
resources:
- resources: [secrets]
  providers: [{secretbox: {keys: [{name: one, secret: ${key}}]}}, {identity: {}}]
`,
);
const cluster = testCluster('state', 26663, [
  ...[
    '--nodes',
    '0',
    '--simulated-nodes',
    '1',
    '--history',
    '1h',
    '--encryption-provider-config',
    encryption,
  ],
]);
before(() => cluster.start());
after(async () => {
  await cluster.remove();
  rmSync(dir, { recursive: true });
});

const backup = join(dir, 'backup.db');
const main = join(import.meta.dirname, '../../src/cmd/main.ts');
/** Without the flags that name the cluster. */
const wherry = (...args: string[]) =>
  run(process.execPath, ['--disable-warning=ExperimentalWarning', main, ...args]);

test('the past: get --at, diff, and what is too old', async () => {
  await cluster.kubectl('create', 'configmap', 'c', '--from-literal=a=1');
  const revision = (
    await cluster.kubectl('get', 'configmap', 'c', '-o', 'jsonpath={.metadata.resourceVersion}')
  ).trim();
  await cluster.kubectl('patch', 'configmap', 'c', '-p', '{"data":{"a":"2"}}');
  const at = async (...args: string[]) =>
    (await wherry('kubectl', '--kubeconfig', cluster.kubeconfig, 'get', ...args)).stdout;
  assert.equal(await at('configmap', 'c', '--at', revision, '-o', 'jsonpath={.data.a}'), '1');
  assert.match(await at('configmaps', '--at', revision, '-o', 'name'), /configmap\/c/);
  const { stderr } = await wherry('kubectl', '--kubeconfig', cluster.kubeconfig, 'get', 'pods', '--at', '3h');
  assert.match(
    stderr,
    /is no longer known: history goes back to revision \d+, of .*; 60 minutes of it are kept/,
  );
  await cluster.kubectl('delete', 'configmap', 'c');
  const { stdout } = await cluster.wherry('diff', 'cm/c', '--since', revision);
  assert.match(stdout, /^configmap default\/c: 2 changes since revision/);
  assert.match(stdout, /kubectl-patch \(Update\)\n {2}~ data.a: 1 -> 2\n/);
  assert.match(stdout, /revision \d+ {3}.* {3}deleted\n$/);
  const versions = JSON.parse((await cluster.wherry('diff', 'cm/c', '-o', 'json')).stdout).versions;
  assert.equal(versions.length, 3);
});

test('secrets are encrypted on the disk, and nothing else', async () => {
  await cluster.kubectl('create', 'secret', 'generic', 's', '--from-literal=p=very-secret-words');
  await cluster.kubectl('create', 'configmap', 'open', '--from-literal=p=open-words');
  const log = readdirSync(join(cluster.dataDir, 'etcd'))
    .filter((name) => name.endsWith('.log'))
    .map((name) => readFileSync(join(cluster.dataDir, 'etcd', name), 'latin1'))
    .join('');
  assert.ok(log.includes('k8s:enc:secretbox:v1:one:') && log.includes('open-words'));
  assert.ok(!log.includes(Buffer.from('very-secret-words').toString('base64')));
  const p = await cluster.kubectl('get', 'secret', 's', '-o', 'jsonpath={.data.p}');
  assert.equal(Buffer.from(p, 'base64').toString(), 'very-secret-words');
});

test('a backup of the running cluster, and a cluster of it', async () => {
  const saved = await cluster.wherry('snapshot', 'save', backup);
  assert.match(saved.stdout, /revision \d+, \d+ keys, \d+\.\d MB/, saved.stderr);
  const again = await cluster.wherry('snapshot', 'save', backup);
  assert.match(again.stderr, /is there already: choose another file/);
  const status = JSON.parse((await cluster.wherry('snapshot', 'status', backup, '-o', 'json')).stdout);
  assert.ok(status.keys > 100 && status.revision > 100 && /^[0-9a-f]{64}$/.test(status.sha256));
  const other = testCluster('state-again', 26673, [
    ...['--nodes', '0', '--simulated-nodes', '1', '--encryption-provider-config', encryption],
  ]);
  try {
    const refused = await cluster.wherry('snapshot', 'restore', backup);
    assert.match(refused.stderr, /is running: stop it/);
    rmSync(other.dataDir, { recursive: true, force: true });
    const restored = await other.wherry('snapshot', 'restore', backup);
    assert.match(restored.stdout, /Restored \d+ changes, up to revision \d+/, restored.stderr);
    await other.start();
    assert.equal(
      (await other.kubectl('get', 'configmap', 'open', '-o', 'jsonpath={.data.p}')).trim(),
      'open-words',
    );
    const p = await other.kubectl('get', 'secret', 's', '-o', 'jsonpath={.data.p}');
    assert.equal(Buffer.from(p, 'base64').toString(), 'very-secret-words');
  } finally {
    await other.remove();
  }
  mkdirSync(join(dir, 'taken'));
  writeFileSync(join(dir, 'taken', 'file'), '');
  const taken = await wherry(
    'snapshot',
    'restore',
    backup,
    '--name',
    'state-x',
    '--data-dir',
    join(dir, 'taken'),
  );
  assert.match(taken.stderr, /is not empty: restore under another --name or --data-dir/);
});

test('a backup of a stopped cluster; a wrong encryption key is a clear refusal', async () => {
  await cluster.kill('SIGTERM');
  const stopped = join(dir, 'stopped.db');
  const saved = await cluster.wherry('snapshot', 'save', stopped);
  assert.match(saved.stdout, /revision \d+/, saved.stderr);
  writeFileSync(
    encryption,
    readFileSync(encryption, 'utf8').replace(key, Buffer.alloc(32, 'x').toString('base64')),
  );
  await assert.rejects(
    cluster.start(),
    /cannot be used: unable to transform key "\/registry\/secrets\/default\/s": secretbox: message authentication failed .*; values that cannot be read: 1/,
  );
});
