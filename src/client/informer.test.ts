import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configMaps } from '../api/core/config-map.ts';
import type { ConfigMap } from '../api/core/v1.gen.ts';
import { systemClock } from '../cluster/node/platform.ts';
import { silentLog } from '../machinery/log.ts';
import type { AnyObject, WatchEvent } from '../machinery/meta.ts';
import { gone } from '../machinery/status.ts';
import { startControlPlane } from '../testing/control-plane.ts';
import type { Client } from './client.ts';
import { createInformers } from './informer.ts';

const map = (name: string, resourceVersion: string, data = {}): AnyObject => ({
  metadata: { name, namespace: 'ns', resourceVersion, labels: { of: name } },
  data,
});
const turn = () => new Promise((resolve) => setTimeout(resolve, 5));

/** A server by hand: lists what it is told to, and watches that bring what is pushed. */
function fake() {
  const server = {
    items: [] as AnyObject[],
    revision: '1',
    lists: 0,
    watches: [] as { from: string; push(...events: WatchEvent[]): void; end(error?: Error): void }[],
    client: (() => ({
      async list() {
        server.lists++;
        return { metadata: { resourceVersion: server.revision }, items: server.items };
      },
      async *watch({ resourceVersion, signal }: any) {
        let pending: WatchEvent[] = [];
        let over = false;
        let failure: Error | undefined;
        let wake = () => {};
        signal?.addEventListener('abort', () => wake());
        server.watches.push({
          from: resourceVersion,
          push(...events) {
            pending.push(...events);
            wake();
          },
          end(error) {
            over = true;
            failure = error;
            wake();
          },
        });
        while (!signal?.aborted) {
          if (pending.length) {
            const batch = pending;
            pending = [];
            yield batch;
          } else if (over) {
            if (failure) throw failure;
            return;
          } else await new Promise<void>((resolve) => (wake = resolve));
        }
      },
    })) as unknown as Client,
  };
  return server;
}

function follow(server: ReturnType<typeof fake>) {
  const stop = new AbortController();
  const informers = createInformers(server.client, { clock: systemClock, log: silentLog });
  const informer = informers(configMaps);
  const seen: string[] = [];
  informer.on({
    add: (o) => seen.push(`add ${o.metadata.name}`),
    update: (o, old) => seen.push(`update ${o.metadata.name} ${old.metadata.resourceVersion}`),
    delete: (o) => seen.push(`delete ${o.metadata.name}`),
  });
  informers.start(stop.signal);
  return { stop, informers, informer, seen };
}

test('lists, then watches from there; one informer for all who ask', async () => {
  const server = fake();
  server.items = [map('a', '1')];
  const { stop, informers, informer, seen } = follow(server);
  assert.equal(informer.synced, false);
  await informers.whenSynced();
  assert.equal(informers(configMaps), informer);
  await turn();
  const [watch] = server.watches;
  assert.equal(watch!.from, '1');
  watch!.push(
    { type: 'ADDED', object: map('b', '2') },
    { type: 'MODIFIED', object: map('a', '3') },
    { type: 'DELETED', object: map('b', '4') },
    { type: 'BOOKMARK', object: { metadata: { resourceVersion: '9' } } },
  );
  await turn();
  assert.deepEqual(seen, ['add a', 'add b', 'update a 1', 'delete b']);
  assert.equal(informer.resourceVersion, '9');
  assert.equal(informer.get('a', 'ns')!.metadata.resourceVersion, '3');
  assert.deepEqual(informer.list('other'), []);
  watch!.end();
  await turn();
  assert.equal(server.watches[1]!.from, '9', 'it goes on where it was');
  assert.equal(server.lists, 1);
  stop.abort();
});

test('410: lists again, and finds out what went meanwhile', async () => {
  const server = fake();
  server.items = [map('a', '1'), map('b', '2'), map('c', '3')];
  const { stop, informer, seen } = follow(server);
  await informer.whenSynced();
  await turn();
  seen.length = 0;
  server.items = [map('a', '1'), map('b', '7'), map('d', '8')];
  server.revision = '8';
  server.watches[0]!.end(gone('too old'));
  await turn();
  assert.deepEqual(seen, ['delete c', 'update b 2', 'add d'], 'a is as it was');
  assert.equal(server.watches[1]!.from, '8');
  stop.abort();
});

test('indexes follow changes', async () => {
  const server = fake();
  server.items = [map('a', '1', { x: '1' })];
  const { stop, informer } = follow(server);
  informer.index('x', (o: ConfigMap) => (o.data?.x ? [o.data.x] : []));
  await informer.whenSynced();
  await turn();
  const names = (value: string) => informer.byIndex('x', value).map((o) => o.metadata.name);
  assert.deepEqual(names('1'), ['a']);
  server.watches[0]!.push(
    { type: 'ADDED', object: map('b', '2', { x: '1' }) },
    { type: 'MODIFIED', object: map('a', '3', { x: '2' }) },
  );
  await turn();
  assert.deepEqual([names('1'), names('2')], [['b'], ['a']]);
  informer.index('late', (o) => [o.metadata.namespace!]);
  assert.equal(informer.byIndex('late', 'ns').length, 2);
  server.watches[0]!.push({ type: 'DELETED', object: map('b', '4') });
  await turn();
  assert.deepEqual(names('1'), []);
  stop.abort();
});

test('a handler that throws stops nobody; one that comes late hears of all there is', async () => {
  const server = fake();
  server.items = [map('a', '1')];
  const { stop, informer, seen } = follow(server);
  informer.on({
    add() {
      throw new Error('oh');
    },
  });
  await informer.whenSynced();
  const late: string[] = [];
  const off = informer.on({ add: (o) => late.push(o.metadata.name!) });
  assert.deepEqual([late, seen], [['a'], ['add a']]);
  off();
  await turn();
  server.watches[0]!.push({ type: 'ADDED', object: map('b', '2') });
  await turn();
  assert.deepEqual([late, seen], [['a'], ['add a', 'add b']]);
  stop.abort();
});

test('a server that ends each watch at once is not asked at once again', async () => {
  const server = fake();
  const { stop, informer } = follow(server);
  await informer.whenSynced();
  const until = Date.now() + 300;
  while (Date.now() < until) {
    for (const watch of server.watches) watch.end();
    await turn();
  }
  assert.ok(server.watches.length <= 4, `${server.watches.length} watches`);
  stop.abort();
});

test('waiting for what never comes ends with the signal', async () => {
  const informers = createInformers(fake().client, { clock: systemClock, log: silentLog });
  const informer = informers(configMaps);
  await assert.rejects(informer.whenSynced(AbortSignal.timeout(10)));
  await assert.rejects(informer.whenSynced(AbortSignal.abort()));
});

test('over the real server: filters, and a writer sees its own writes come', async () => {
  await using plane = await startControlPlane();
  const { client, informers } = plane;
  const all = informers(configMaps);
  const some = informers(configMaps, { namespace: 'default', labelSelector: 'app=x' });
  await informers.whenSynced();
  const make = (name: string, app: string) =>
    client(configMaps).create({ metadata: { name, namespace: 'default', labels: { app } } });
  await make('a', 'x');
  await make('b', 'y');
  await turn();
  assert.deepEqual([all.list().length, some.list().map((o) => o.metadata.name)], [2, ['a']]);
  await client(configMaps).patch('a', { metadata: { labels: { app: 'y' } } }, { namespace: 'default' });
  const last = await client(configMaps).patch(
    'b',
    { metadata: { labels: { app: 'x' } } },
    { namespace: 'default' },
  );
  await turn();
  assert.deepEqual(
    some.list().map((o) => o.metadata.name),
    ['b'],
  );
  assert.equal(all.resourceVersion, last.metadata.resourceVersion);
  assert.equal(all.get('b', 'default'), some.get('b', 'default'), 'the same frozen object');
});
