import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { configMaps } from '../../api/core/config-map.ts';
import { namespaces } from '../../api/core/namespace.ts';
import type { Options } from '../../client/client.ts';
import type { WatchEvent } from '../../machinery/meta.ts';
import { startControlPlane } from '../../testing/control-plane.ts';
import { refused } from '../../testing/expect.ts';

const plane = await startControlPlane();
after(() => plane.stop());
const { client, server } = plane;
const { store } = server.registry;
let n = 0;
/** A namespace of its own for each test. */
async function space(): Promise<string> {
  const name = `w${n++}`;
  await client(namespaces).create({ metadata: { name }, spec: {} });
  return name;
}
const create = (namespace: string, name: string, labels = {}) =>
  client(configMaps).create({ metadata: { name, namespace, labels } });
const text = ({ type, object }: WatchEvent) => `${type} ${object.metadata.name ?? ''}`.trim();

/** Collects what a watch brings; `until(k)` waits for the first k events. */
function follow(options: Options & { namespace?: string }) {
  const stop = new AbortController();
  const events: WatchEvent[] = [];
  let wake = () => {};
  let failure: unknown;
  const done = (async () => {
    try {
      for await (const batch of client(configMaps).watch({ ...options, signal: stop.signal })) {
        events.push(...(batch as WatchEvent[]));
        wake();
      }
    } catch (error) {
      failure = error;
      wake();
    }
  })();
  return {
    events,
    async until(count: number): Promise<string[]> {
      while (events.length < count && !failure) await new Promise<void>((resolve) => (wake = resolve));
      if (failure) throw failure;
      return events.map(text);
    },
    async stop() {
      stop.abort();
      await done;
    },
  };
}

test('from nowhere and from 0: what is there, then what comes', async () => {
  const namespace = await space();
  await create(namespace, 'a');
  for (const resourceVersion of [undefined, '', '0']) {
    const w = follow({ namespace, resourceVersion });
    assert.deepEqual(await w.until(1), ['ADDED a']);
    await client(configMaps).patch('a', { data: { x: `${resourceVersion}` } }, { namespace });
    assert.deepEqual(await w.until(2), ['ADDED a', 'MODIFIED a']);
    await w.stop();
  }
});

test('from a version: only what came after it', async () => {
  const namespace = await space();
  const a = await create(namespace, 'a');
  await create(namespace, 'b');
  await client(configMaps).delete('a', { namespace });
  const w = follow({ namespace, resourceVersion: a.metadata.resourceVersion });
  assert.deepEqual(await w.until(2), ['ADDED b', 'DELETED a']);
  assert.ok(
    Number(w.events[1]!.object.metadata.resourceVersion) > Number(a.metadata.resourceVersion),
    'a deletion has the version at which it happened',
  );
  await w.stop();
});

test('initial events, and the bookmark that ends them', async () => {
  const namespace = await space();
  await create(namespace, 'a');
  await create(namespace, 'b');
  const options = {
    namespace,
    sendInitialEvents: true,
    resourceVersionMatch: 'NotOlderThan' as const,
    allowWatchBookmarks: true,
  };
  const w = follow(options);
  assert.deepEqual(await w.until(3), ['ADDED a', 'ADDED b', 'BOOKMARK']);
  const { metadata } = w.events[2]!.object;
  assert.equal(metadata.annotations?.['k8s.io/initial-events-end'], 'true');
  assert.equal(metadata.resourceVersion, String(store.revision));
  await create(namespace, 'c');
  assert.deepEqual((await w.until(4))[3], 'ADDED c');
  await w.stop();
  const w2 = follow({ ...options, resourceVersion: '1' });
  assert.deepEqual(await w2.until(4), ['ADDED a', 'ADDED b', 'ADDED c', 'BOOKMARK']);
  await w2.stop();
  await refused(follow({ ...options, resourceVersionMatch: undefined }).until(1), 422, 'requires setting');
  await refused(
    follow({ namespace, resourceVersionMatch: 'NotOlderThan' }).until(1),
    422,
    'forbidden for watch unless sendInitialEvents is provided',
  );
  await refused(follow({ ...options, resourceVersion: '99999999' }).until(1), 504, 'Too large');
});

test('a selector: what begins to match is added, what ceases to is deleted', async () => {
  const namespace = await space();
  const a = await create(namespace, 'a', { app: 'x' });
  await create(namespace, 'b', { app: 'y' });
  const w = follow({ namespace, labelSelector: 'app=x', resourceVersion: a.metadata.resourceVersion });
  const label = (name: string, app: string) =>
    client(configMaps).patch(name, { metadata: { labels: { app } } }, { namespace });
  await label('b', 'x');
  await client(configMaps).patch('b', { data: { k: 'v' } }, { namespace });
  await label('b', 'y');
  await label('b', 'z');
  await label('a', 'y');
  await client(configMaps).delete('a', { namespace });
  await create(namespace, 'c', { app: 'x' });
  await client(configMaps).delete('c', { namespace });
  assert.deepEqual(await w.until(6), [
    'ADDED b',
    'MODIFIED b',
    'DELETED b',
    'DELETED a',
    'ADDED c',
    'DELETED c',
  ]);
  assert.equal(w.events[2]!.object.metadata.labels!.app, 'x', 'as it was when it last matched');
  await w.stop();
});

test('one name, by field selector', async () => {
  const namespace = await space();
  await create(namespace, 'a');
  const w = follow({ namespace, fieldSelector: 'metadata.name=b' });
  await create(namespace, 'b');
  await client(configMaps).delete('a', { namespace });
  await client(configMaps).delete('b', { namespace });
  assert.deepEqual(await w.until(2), ['ADDED b', 'DELETED b']);
  await w.stop();
  await refused(follow({ namespace, fieldSelector: 'data.x=b' }).until(1), 400, 'field label not supported');
});

test('a version to come brings nothing until then', async () => {
  const namespace = await space();
  const w = follow({ namespace, resourceVersion: String(store.revision + 2) });
  await create(namespace, 'a');
  await create(namespace, 'b');
  await create(namespace, 'c');
  assert.deepEqual(await w.until(1), ['ADDED c']);
  await w.stop();
});

test('410 when the history is gone', async () => {
  const namespace = await space();
  await create(namespace, 'a');
  for (let i = 0; i < 5; i++) await create(namespace, `x${i}`);
  await store.compact(store.revision);
  const fresh = await (await import('../server.ts')).createApiServer({ ...server.options });
  const { inProcessTransport } = await import('../in-process.ts');
  const { createClient } = await import('../../client/typed.ts');
  const other = createClient(inProcessTransport(fresh, { name: 'x', groups: ['system:masters'] }, 'x'));
  const error = await refused(async () => {
    for await (const _ of other(configMaps).watch({ namespace, resourceVersion: '3' })) break;
  }, 410);
  assert.equal(error.reason, 'Expired');
  await fresh[Symbol.asyncDispose]();
});

test('a watch that nobody reads any more ends', async () => {
  const namespace = await space();
  const before = server.registry.caches.of(configMaps)!.watchers;
  for await (const _ of (async function* () {
    await create(namespace, 'a');
    yield* client(configMaps).watch({ namespace });
  })())
    break;
  assert.equal(server.registry.caches.of(configMaps)!.watchers, before);
});
