import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { configMaps } from '../../api/core/config-map.ts';
import { namespaces } from '../../api/core/namespace.ts';
import { pods } from '../../api/core/pod.ts';
import type { Options } from '../../client/client.ts';
import { startControlPlane } from '../../testing/control-plane.ts';
import { refused } from '../../testing/expect.ts';

const plane = await startControlPlane();
after(() => plane.stop());
const { client, server } = plane;
const { store } = server.registry;
for (const name of ['a', 'b', 'many']) await client(namespaces).create({ metadata: { name }, spec: {} });
const create = (namespace: string, name: string, labels = {}) =>
  client(configMaps).create({ metadata: { name, namespace, labels } });
const list = (options: Options & { namespace?: string }) => client(configMaps).list(options);
const names = (found: { items: { metadata: { name?: string } }[] }) =>
  found.items.map((i) => i.metadata.name);

test('one namespace or all, in order of names', async () => {
  await create('b', 'x', { app: 'web', tier: 'front' });
  await create('a', 'y', { app: 'db' });
  await create('a', 'x', { app: 'web' });
  assert.deepEqual(names(await list({ namespace: 'a' })), ['x', 'y']);
  const all = await list({});
  assert.deepEqual(
    all.items.map((i) => `${i.metadata.namespace}/${i.metadata.name}`),
    ['a/x', 'a/y', 'b/x'],
  );
  assert.equal(all.metadata.resourceVersion, String(store.revision));
});

test('label selectors', async () => {
  const by = async (labelSelector: string) =>
    (await list({ labelSelector })).items.map((i) => `${i.metadata.namespace}/${i.metadata.name}`);
  assert.deepEqual(await by('app=web'), ['a/x', 'b/x']);
  assert.deepEqual(await by('app!=web'), ['a/y']);
  assert.deepEqual(await by('app in (web,db),!tier'), ['a/x', 'a/y']);
  assert.deepEqual(await by('tier'), ['b/x']);
  assert.deepEqual(await by('app notin (web)'), ['a/y']);
  await refused(list({ labelSelector: 'app in web' }), 400);
});

test('field selectors, and those that there are not', async () => {
  assert.deepEqual(names(await list({ fieldSelector: 'metadata.name=y' })), ['y']);
  assert.deepEqual(names(await list({ fieldSelector: 'metadata.name!=x' })), ['y']);
  assert.deepEqual(names(await list({ namespace: 'a', fieldSelector: 'metadata.name=x' })), ['x']);
  assert.deepEqual(names(await list({ fieldSelector: 'metadata.namespace=b' })), ['x']);
  assert.deepEqual(
    names(await list({ namespace: 'a', fieldSelector: 'metadata.name=x', labelSelector: 'app=db' })),
    [],
  );
  await refused(list({ fieldSelector: 'data.a=b' }), 400, 'field label not supported: data.a');
  await refused(list({ fieldSelector: 'constructor=b' }), 400, 'field label not supported');
  await client(pods).create({
    metadata: { name: 'p', namespace: 'default' },
    spec: { nodeName: 'n1', containers: [{ name: 'a', image: 'a' }] },
  });
  const on = (fieldSelector: string) => client(pods).list({ fieldSelector }).then(names);
  assert.deepEqual(await on('spec.nodeName=n1,status.phase=Pending'), ['p']);
  assert.deepEqual(await on('spec.nodeName!=n1'), []);
  assert.deepEqual(await on('status.phase!=Failed,status.phase!=Succeeded'), ['p']);
});

test('pages show one state, whatever is written meanwhile', async () => {
  for (let i = 0; i < 25; i++) await create('many', `m${String(i).padStart(2, '0')}`, { odd: String(i % 2) });
  const first = await list({ namespace: 'many', limit: 10 });
  assert.equal(first.items.length, 10);
  assert.equal(first.metadata.remainingItemCount, 15);
  await client(configMaps).delete('m15', { namespace: 'many' });
  await create('many', 'm105');
  await client(configMaps).patch('m20', { data: { new: 'x' } }, { namespace: 'many' });
  const second = await list({ namespace: 'many', limit: 10, continue: first.metadata.continue });
  assert.equal(second.metadata.remainingItemCount, 5);
  assert.equal(second.metadata.resourceVersion, first.metadata.resourceVersion);
  const third = await list({ namespace: 'many', limit: 10, continue: second.metadata.continue });
  assert.equal(third.metadata.continue, undefined);
  assert.equal(third.metadata.remainingItemCount, undefined);
  const all = [...names(first), ...names(second), ...names(third)];
  assert.deepEqual(
    all,
    Array.from({ length: 25 }, (_, i) => `m${String(i).padStart(2, '0')}`),
  );
  assert.equal(third.items[0]!.data, undefined);
});

test('pages with a selector: no count of what remains', async () => {
  const found: (string | undefined)[] = [];
  let token: string | undefined;
  let pages = 0;
  do {
    const page = await list({ namespace: 'many', labelSelector: 'odd=1', limit: 5, continue: token });
    assert.equal(page.metadata.remainingItemCount, undefined);
    found.push(...names(page));
    token = page.metadata.continue;
    if (!pages++) await client(configMaps).patch('m21', { data: { a: 'b' } }, { namespace: 'many' });
  } while (token);
  assert.equal(found.length, 11);
  assert.equal(new Set(found).size, 11);
});

test('versions: newest, not older than, exact, and those to come', async () => {
  const old = await list({ namespace: 'a' });
  const rv = old.metadata.resourceVersion!;
  await create('a', 'z');
  for (const options of [
    {},
    { resourceVersion: '0' },
    { resourceVersion: rv },
    { resourceVersion: rv, resourceVersionMatch: 'NotOlderThan' as const },
  ])
    assert.equal((await list({ namespace: 'a', ...options })).items.length, 3);
  const exact = await list({ namespace: 'a', resourceVersion: rv, resourceVersionMatch: 'Exact' });
  assert.deepEqual(names(exact), names(old));
  assert.equal(exact.metadata.resourceVersion, rv);
  const page = await list({ namespace: 'a', resourceVersion: rv, resourceVersionMatch: 'Exact', limit: 1 });
  assert.deepEqual(names(page), ['x']);
  assert.equal(page.metadata.remainingItemCount, 1);

  const future = await refused(list({ resourceVersion: String(store.revision + 1000) }), 504, 'Too large');
  assert.equal(future.status.details?.causes?.[0]?.reason, 'ResourceVersionTooLarge');
  await refused(client(configMaps).get('x', { namespace: 'a', resourceVersion: '999999' }), 504);
});

test('options that do not go together', async () => {
  await refused(list({ resourceVersion: 'x' }), 400);
  await refused(list({ resourceVersionMatch: 'Exact' }), 422, 'forbidden unless resourceVersion is provided');
  await refused(list({ resourceVersionMatch: 'Exact', resourceVersion: '0' }), 422);
  await refused(list({ resourceVersionMatch: 'About' as never, resourceVersion: '1' }), 422);
  await refused(list({ sendInitialEvents: true }), 422, 'sendInitialEvents is forbidden for list');
  await refused(list({ continue: 'nonsense' }), 400, 'continue key is not valid');
  const { metadata } = await list({ limit: 1 });
  await refused(list({ continue: metadata.continue, resourceVersion: '5' }), 400);
});

test('410 when the history of a page is gone, with a token to go on anyhow', async () => {
  const first = await list({ namespace: 'many', limit: 2 });
  await create('many', 'new-one');
  await store.compact(store.revision);
  const error = await refused(
    list({ namespace: 'many', limit: 2, continue: first.metadata.continue }),
    410,
    'continue parameter is too old',
  );
  assert.equal(error.reason, 'Expired');
  const on = (error.status.metadata as { continue?: string }).continue;
  assert.ok(on);
  const rest = await list({ namespace: 'many', continue: on });
  assert.equal(names(rest)[0], 'm02');
  await refused(list({ resourceVersion: '5', resourceVersionMatch: 'Exact' }), 410);
});
