import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configMaps } from '../api/core/config-map.ts';
import { systemClock, systemRandom } from '../cluster/node/platform.ts';
import { memoryStore } from '../etcd/memory.ts';
import { remoteStore } from '../etcd/node/grpc-client.ts';
import { startEtcdServer } from '../etcd/node/grpc-server.ts';
import { silentLog } from '../machinery/log.ts';
import { startControlPlane } from './control-plane.ts';

test('an API server on a remote etcd: reads its own writes, and finds all after a restart', async () => {
  const store = memoryStore();
  const platform = { clock: systemClock, random: systemRandom, log: silentLog };
  const etcd = await startEtcdServer({ store, urls: ['http://127.0.0.1:0'], ...platform });
  try {
    const first = await startControlPlane({ store: await remoteStore({ endpoints: etcd.urls }) });
    const maps = first.client(configMaps);
    const named = (name: string) => ({ metadata: { name, namespace: 'default' }, data: { n: '0' } });
    await Promise.all(
      Array.from({ length: 50 }, async (_, i) => {
        const name = `map-${i}`;
        let map = await maps.create(named(name));
        for (let n = 1; n < 5; n++) {
          map = await maps.update({ ...map, data: { n: String(n) } });
          const { data } = await maps.get(name, { namespace: 'default' });
          assert.equal(data?.n, String(n), 'what was written is read');
        }
        if (i % 2) await maps.delete(name, { namespace: 'default' });
      }),
    );
    const { items } = await maps.list({ namespace: 'default' });
    const names = items.map((map) => map.metadata.name).filter((name) => name?.startsWith('map-'));
    assert.equal(names.length, 25);
    await first.stop();

    const second = await startControlPlane({ store: await remoteStore({ endpoints: etcd.urls }) });
    const again = await second.client(configMaps).list({ namespace: 'default' });
    assert.deepEqual(
      again.items.map((map) => [map.metadata.name, map.metadata.resourceVersion, map.data]),
      items.map((map) => [map.metadata.name, map.metadata.resourceVersion, map.data]),
    );
    await second.stop();
  } finally {
    await etcd.close();
    await store.close();
  }
});
