import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Store } from '../../machinery/store.ts';
import { snapshotStatus } from '../snapshot.ts';
import { put } from '../suite.ts';
import { type EmbeddedStore, embeddedStore } from './embedded.ts';
import { EtcdConnection } from './etcd-connection.ts';
import { startEtcd } from './etcd-process.ts';
import { remoteStore } from './grpc-client.ts';
import {
  openSnapshot,
  receiveSnapshot,
  restoreSnapshot,
  SnapshotError,
  saveSnapshot,
} from './snapshot-file.ts';
import { restoreIntoEtcd } from './snapshot-to-etcd.ts';

const root = mkdtempSync(join(tmpdir(), 'wherry-snapshot-test-'));
let store: EmbeddedStore;
before(async () => {
  store = embeddedStore(join(root, 'store'), { segmentBytes: 1 << 16 });
  await store.putLease({ id: 4711, ttlSeconds: 3600 });
  for (let i = 0; i < 600; i++)
    await store.txn([], [put(`/registry/k/${i % 200}`, `value ${i} `.repeat(i % 50))]);
  await store.txn(
    [],
    [put('/registry/long', 'x'.repeat(50_000)), { ...put('/registry/leased', 'l'), lease: 4711 } as never],
  );
  await store.txn([], [{ op: 'delete', key: '/registry/k/7' }]);
  await store.compact(300);
});
after(async () => {
  await store.close();
  rmSync(root, { recursive: true });
});

const all = { key: '/', end: '0' };
const contents = async (from: Store, revision?: number) =>
  (await from.range({ ...all, ...(revision ? { revision } : {}) })).kvs.map(({ decoded: _, ...kv }) => ({
    ...kv,
    value: Buffer.from(kv.value).toString(),
  }));

test('saved while writes go on, and restored: revisions, history, times, leases', async () => {
  const file = join(root, 'a.db');
  const { revision } = store;
  const wanted = await contents(store);
  let writing = true;
  const writer = (async () => {
    for (let i = 0; writing; i++) await store.txn([], [put(`/registry/k/${i % 100}`, `later ${i}`)]);
  })();
  const saved = await saveSnapshot(store, file);
  writing = false;
  await writer;
  assert.ok(saved.revision >= revision);
  using opened = await openSnapshot(file);
  const dir = join(root, 'restored');
  await restoreSnapshot(opened, dir);
  const restored = embeddedStore(dir);
  assert.deepEqual([restored.revision, restored.compactRevision], [saved.revision, 300]);
  assert.deepEqual(await contents(restored, revision), wanted);
  assert.deepEqual(await contents(restored, 450), await contents(store, 450));
  assert.deepEqual(restored.initialLeases, [{ id: 4711, ttlSeconds: 3600 }]);
  assert.equal(restored.timeOf(revision), store.timeOf(revision));
  assert.deepEqual(snapshotStatus(opened.reader).keys, wanted.length);
  await restored.txn([], [put('/registry/k/1', 'goes on')]);
  await restored.close();
});

test('etcdctl reads it and tells the same hash, and etcd restores it', async () => {
  const file = join(root, 'b.db');
  const { revision } = await saveSnapshot(store, file);
  using opened = await openSnapshot(file);
  const found = snapshotStatus(opened.reader);
  const env = { ...process.env, ETCDCTL_API: '3' };
  const told = JSON.parse(
    execFileSync('etcdctl', ['snapshot', 'status', file, '-w', 'json'], { env, encoding: 'utf8' }),
  );
  assert.deepEqual([told.hash, told.revision, told.totalSize], [found.hash, revision, opened.bytes - 32]);
  const dataDir = join(root, 'etcd-data');
  execFileSync('etcdctl', ['snapshot', 'restore', file, '--data-dir', dataDir], { env, stdio: 'pipe' });
  const etcd = await startEtcd(dataDir);
  const remote = await remoteStore({ endpoints: [etcd.endpoint] });
  try {
    assert.equal(remote.revision, revision);
    assert.deepEqual(await contents(remote), await contents(store));
    assert.deepEqual(await contents(remote, 500), await contents(store, 500));
    await remote.txn([], [put('/registry/k/1', 'goes on')]);
  } finally {
    await remote.close();
    await etcd.stop();
  }
});

test('from us into a running etcd, and from etcd to us', async () => {
  const file = join(root, 'c.db');
  await saveSnapshot(store, file);
  const etcd = await startEtcd();
  const connection = new EtcdConnection({ endpoints: [etcd.endpoint] });
  try {
    using opened = await openSnapshot(file);
    const { keys } = await restoreIntoEtcd(opened, connection, () => {});
    const wanted = (await contents(store)).map(({ key, value, lease }) => [key, value, lease]);
    assert.equal(keys, wanted.length);
    await assert.rejects(
      restoreIntoEtcd(opened, connection, () => {}),
      /has 20\d keys already: restore into one/,
    );
    const back = join(root, 'd.db');
    await receiveSnapshot(connection.snapshot(), back);
    using theirs = await openSnapshot(back);
    const dir = join(root, 'from-etcd');
    await restoreSnapshot(theirs, dir);
    const restored = embeddedStore(dir);
    assert.deepEqual(
      (await contents(restored)).map(({ key, value, lease }) => [key, value, lease]),
      wanted,
    );
    assert.deepEqual(restored.initialLeases, [{ id: 4711, ttlSeconds: 3600 }]);
    await restored.close();
  } finally {
    connection.close();
    await etcd.stop();
  }
});

test('what is refused: no snapshot, a damaged one, a place that is taken', async () => {
  const file = join(root, 'e.db');
  await saveSnapshot(store, file);
  const refused = (call: Promise<unknown>, message: RegExp) =>
    assert.rejects(call, (error: Error) => error instanceof SnapshotError && message.test(error.message));
  await refused(saveSnapshot(store, file), /is there already: choose another file/);
  await refused(saveSnapshot(store, join(root, 'none', 'x')), /cannot be written/);
  await refused(openSnapshot(join(root, 'none')), /there is no file/);
  const bytes = readFileSync(file);
  for (const at of [0, 5000, 60_000, bytes.length - 1]) {
    const damaged = Buffer.from(bytes);
    damaged[at]! ^= 4;
    writeFileSync(join(root, 'damaged'), damaged);
    await refused(openSnapshot(join(root, 'damaged')), /damaged \(its checksum is wrong\)/);
  }
  writeFileSync(join(root, 'damaged'), bytes.subarray(0, 8192 + 7));
  await refused(openSnapshot(join(root, 'damaged')), /is cut off/);
  mkdirSync(join(root, 'taken'));
  writeFileSync(join(root, 'taken', 'file'), '');
  using opened = await openSnapshot(file);
  await refused(restoreSnapshot(opened, join(root, 'taken')), /is not empty/);
  async function* cut() {
    yield bytes.subarray(0, 30_000);
  }
  await refused(receiveSnapshot(cut(), join(root, 'f.db')), /did not arrive whole/);
  assert.equal(existsSync(join(root, 'f.db')), false);
});
