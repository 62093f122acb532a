import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { crc32 } from 'node:zlib';
import { open } from 'lmdb';
import { embeddedStore, takeOverFormat1 } from './embedded.ts';

const dir = mkdtempSync(join(tmpdir(), 'wherry-format-1-'));
after(() => rmSync(dir, { recursive: true }));

function change(key: string, value: string, create: number, version: number): Buffer {
  const bytes = Buffer.alloc(20 + key.length + value.length);
  bytes.writeDoubleLE(create, 4);
  bytes.writeUInt32LE(version, 12);
  bytes.writeUInt32LE(key.length, 16);
  bytes.write(key + value, 20);
  bytes.writeUInt32LE(crc32(bytes.subarray(4)), 0);
  return bytes;
}

test('a directory of format 1 is taken over: revisions, values, deletions, leases, what is compacted', async () => {
  writeFileSync(join(dir, 'format'), '1\n');
  const db = open<Buffer, any>({
    ...{ path: join(dir, 'wherry.mdb'), encoding: 'binary', keyEncoding: 'ordered-binary' },
    ...{ compression: false, noSubdir: true },
  });
  for (let i = 2; i < 1200; i++) await db.put([i, 0], change(`/k/${i}`, `value ${i}`, i, 1));
  await db.put([1200, 1], change('/k/1100', '', 0, 0));
  await db.put([0], Buffer.from(JSON.stringify({ compactRevision: 1000 })));
  await db.put([0, 77], Buffer.from(JSON.stringify({ id: 77, ttlSeconds: 9 })));
  await db.close();
  assert.throws(() => embeddedStore(dir), /has format 1/);
  await takeOverFormat1(dir);
  await takeOverFormat1(dir);
  const store = embeddedStore(dir);
  assert.deepEqual([store.revision, store.compactRevision], [1200, 1000]);
  assert.deepEqual(store.initialLeases, [{ id: 77, ttlSeconds: 9 }]);
  const all = { key: '/k/', end: '/k0' };
  assert.equal((await store.range(all)).count, 1197);
  assert.equal((await store.range({ ...all, revision: 1150 })).count, 1149);
  const { kvs } = await store.range({ key: '/k/500' });
  assert.equal(new TextDecoder().decode(kvs[0]!.value), 'value 500');
  assert.equal(existsSync(join(dir, 'wherry.mdb')), false);
  await store.close();
});
