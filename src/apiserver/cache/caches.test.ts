import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryStore } from '../../etcd/memory.ts';
import type { Store } from '../../machinery/store.ts';
import { StoreUnavailableError } from '../../machinery/store.ts';
import { Caches } from './caches.ts';

test('who alone writes to a store is never behind', async () => {
  const caches = new Caches(memoryStore());
  assert.equal(caches.shared, false);
  await caches.catchUp();
});

test('who shares one asks it, and says when it is away', async () => {
  let away = false;
  const catchUp = async () => {
    if (away) throw new StoreUnavailableError('no member of etcd answers');
  };
  const caches = new Caches(Object.assign(memoryStore(), { catchUp }) as Store);
  assert.equal(caches.shared, true);
  await caches.catchUp();
  away = true;
  await assert.rejects(caches.catchUp(), { code: 503 });
});
