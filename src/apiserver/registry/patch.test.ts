import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { deployments } from '../../api/apps/deployment.ts';
import { configMaps } from '../../api/core/config-map.ts';
import { pods } from '../../api/core/pod.ts';
import type { PatchType } from '../../client/client.ts';
import { startControlPlane } from '../../testing/control-plane.ts';
import { refused } from '../../testing/expect.ts';

const plane = await startControlPlane();
after(() => plane.stop());
const { client } = plane;
const inDefault = { namespace: 'default' };
const create = (name: string, data: Record<string, string>, more: object = {}) =>
  client(configMaps).create({ metadata: { name, namespace: 'default', ...more }, data });
const patch = (name: string, type: PatchType, body: unknown, options: object = {}) =>
  client(configMaps).patch(name, body, { ...inDefault, type, ...options });
const applyMap = (
  name: string,
  fieldManager: string,
  data: Record<string, string> | undefined,
  options: object = {},
  metadata: object = {},
) =>
  patch(
    name,
    'apply',
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, ...metadata }, ...(data ? { data } : {}) },
    { fieldManager, ...options },
  );

test('merge: null removes, objects merge', async () => {
  await create('merge', { a: '1', b: '2' });
  const next = await patch('merge', 'merge', { data: { a: null, c: '3' } });
  assert.deepEqual(next.data, { b: '2', c: '3' });
});

test('json: operations, and the ones that fail', async () => {
  await create('json', { a: '1' });
  const next = await patch('json', 'json', [
    { op: 'test', path: '/data/a', value: '1' },
    { op: 'replace', path: '/data/a', value: '2' },
    { op: 'add', path: '/data/b~1c', value: '3' },
  ]).catch((e) => e);
  assert.equal(next.code, 422, 'a slash is no character of a key');
  const ok = await patch('json', 'json', [{ op: 'add', path: '/data/b', value: '3' }]);
  assert.deepEqual(ok.data, { a: '1', b: '3' });
  await refused(patch('json', 'json', [{ op: 'test', path: '/data/a', value: 'x' }]), 422);
  await refused(patch('json', 'json', [{ op: 'remove', path: '/data/none' }]), 422);
  await refused(patch('json', 'json', { op: 'remove' }), 400);
});

test('strategic: lists merge by key; custom fields of lists are kept', async () => {
  await client(pods).create({
    metadata: { name: 'p', namespace: 'default' },
    spec: {
      containers: [
        { name: 'a', image: 'a' },
        { name: 'b', image: 'b' },
      ],
    },
  });
  const next = await client(pods).patch(
    'p',
    { spec: { containers: [{ name: 'b', image: 'c' }] } },
    { ...inDefault, type: 'strategic' },
  );
  assert.deepEqual(
    next.spec!.containers.map((c) => c.image),
    ['a', 'c'],
  );
});

test('a resource version in a patch is a condition, and so is a uid', async () => {
  const made = await create('condition', { a: '1' });
  await patch('condition', 'merge', { data: { a: '2' } });
  await refused(
    patch('condition', 'merge', { metadata: { resourceVersion: made.metadata.resourceVersion }, data: {} }),
    409,
  );
  await refused(patch('condition', 'merge', { metadata: { uid: 'other' } }), 409);
  await refused(patch('none', 'merge', {}), 404);
});

test('a patch may not rename, and its result is checked like any object', async () => {
  await create('named', { a: '1' });
  await refused(patch('named', 'merge', { metadata: { name: 'other' } }), 400);
  await refused(patch('named', 'merge', { metadata: { labels: { a: '-' } } }), 422);
  await refused(patch('named', 'merge', { data: { a: 1 } }), 422, 'cannot unmarshal number');
  const warned = await patch('named', 'merge', { nonsense: 1 });
  assert.ok(!('nonsense' in warned));
  await refused(
    patch('named', 'merge', { nonsense: 1 }, { fieldValidation: 'Strict' }),
    422,
    'unknown field',
  );
});

test('apply creates, and owns what it states', async () => {
  const made = await applyMap('own', 'one', { a: '1', b: '2' });
  assert.deepEqual(
    made.metadata.managedFields!.map((f) => [f.manager, f.operation, f.fieldsV1]),
    [['one', 'Apply', { 'f:data': { 'f:a': {}, 'f:b': {} } }]],
  );
  const again = await applyMap('own', 'one', { a: '1', b: '2' });
  assert.equal(again.metadata.resourceVersion, made.metadata.resourceVersion, 'nothing changed');
  const less = await applyMap('own', 'one', { a: '1' });
  assert.deepEqual(less.data, { a: '1' }, 'what it no longer states goes');
});

test('apply: conflicts, force, and shared ownership', async () => {
  await applyMap('fight', 'one', { a: '1' });
  const error = await refused(applyMap('fight', 'two', { a: '2' }), 409);
  assert.equal(error.message, 'Apply failed with 1 conflict: conflict with "one": .data.a');
  assert.deepEqual(error.status.details?.causes, [
    { reason: 'FieldManagerConflict', message: 'conflict with "one"', field: '.data.a' },
  ]);
  await applyMap('fight', 'two', { a: '1' });
  const both = await applyMap('fight', 'one', {});
  assert.deepEqual(both.data, { a: '1' }, 'two still owns it');
  await applyMap('fight', 'one', { a: '3' }, { force: true });
  const none = await applyMap('fight', 'two', {});
  assert.deepEqual(none.data, { a: '3' });
  const gone = await applyMap('fight', 'one', {});
  assert.equal(gone.data?.a, undefined);
});

test('a change by other means takes over, and apply sees it', async () => {
  await applyMap('taken', 'one', { a: '1' });
  await patch('taken', 'merge', { data: { a: '2' } }, { fieldManager: 'hand' });
  await refused(applyMap('taken', 'one', { a: '1' }), 409, 'conflict with "hand"');
});

test('apply: what it must and must not say', async () => {
  await refused(patch('x', 'apply', { apiVersion: 'v1', kind: 'ConfigMap' }), 422, 'fieldManager');
  await refused(patch('x', 'apply', { kind: 'ConfigMap' }, { fieldManager: 'a' }), 400);
  await refused(
    applyMap('x', 'a', {}, {}, { managedFields: [{ manager: 'a' }] }),
    400,
    'metadata.managedFields must be nil',
  );
  await refused(patch('x', 'merge', {}, { fieldManager: 'x'.repeat(129) }), 422);
  await refused(patch('x', 'merge', {}, { force: true }), 422, 'force');
});

test('apply to a status owns it apart, and creates nothing', async () => {
  const body = (replicas: number) => ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'd' },
    status: { replicas },
  });
  const options = { ...inDefault, type: 'apply' as const, subresource: 'status', fieldManager: 'st' };
  await refused(client(deployments).patch('d', body(1), options), 404);
  await client(deployments).create({
    metadata: { name: 'd', namespace: 'default' },
    spec: {
      selector: { matchLabels: { a: 'b' } },
      template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'a', image: 'a' }] } },
    },
  });
  const next = await client(deployments).patch('d', body(2), options);
  assert.equal(next.status!.replicas, 2);
  const own = next.metadata.managedFields!.find((f) => f.manager === 'st');
  assert.deepEqual([own?.subresource, own?.operation], ['status', 'Apply']);
});

test('two who apply different labels', async () => {
  await applyMap('labels', 'one', undefined, {}, { labels: { a: '1' } });
  const both = await applyMap('labels', 'two', undefined, {}, { labels: { b: '2' } });
  assert.deepEqual(both.metadata.labels, { a: '1', b: '2' });
  const left = await applyMap('labels', 'one', undefined);
  assert.deepEqual(left.metadata.labels, { b: '2' });
});

test('apply with dry run stores nothing', async () => {
  const made = await applyMap('dry', 'one', { a: '1' }, { dryRun: 'All' });
  assert.deepEqual(made.data, { a: '1' });
  await refused(client(configMaps).get('dry', inDefault), 404);
});
