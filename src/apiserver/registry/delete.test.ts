import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { configMaps } from '../../api/core/config-map.ts';
import { pods } from '../../api/core/pod.ts';
import { services } from '../../api/core/service.ts';
import type { Pod } from '../../api/core/v1.gen.ts';
import { clone } from '../../machinery/meta.ts';
import { startControlPlane } from '../../testing/control-plane.ts';
import { refused } from '../../testing/expect.ts';

const plane = await startControlPlane();
after(() => plane.stop());
const { client, server } = plane;
const inDefault = { namespace: 'default' };
const map = (name: string, labels = {}, more: object = {}) =>
  client(configMaps).create({ metadata: { name, namespace: 'default', labels, ...more } });
const pod = async (name: string, nodeName?: string): Promise<Pod> =>
  client(pods).create({
    metadata: { name, namespace: 'default' },
    spec: { containers: [{ name: 'a', image: 'a' }], ...(nodeName ? { nodeName } : {}) },
  });

test('at once, and the answer is a Status that names what went', async () => {
  const made = await map('plain');
  const answer = await client(configMaps).delete('plain', inDefault);
  assert.equal(answer.kind, 'Status');
  assert.deepEqual((answer as any).details, { name: 'plain', kind: 'configmaps', uid: made.metadata.uid });
  await refused(client(configMaps).delete('plain', inDefault), 404);
});

test('conditions on uid and version', async () => {
  const made = await map('cond');
  await refused(
    client(configMaps).delete('cond', { ...inDefault, preconditions: { uid: 'other' } }),
    409,
    'the UID in the precondition (other) does not match',
  );
  await refused(
    client(configMaps).delete('cond', { ...inDefault, preconditions: { resourceVersion: '1' } }),
    409,
    'the ResourceVersion in the precondition (1) does not match',
  );
  const { uid, resourceVersion } = made.metadata;
  await client(configMaps).delete('cond', { ...inDefault, preconditions: { uid, resourceVersion } });
});

test('a pod without a node goes at once, one with a node gets its grace', async () => {
  await pod('free');
  await client(pods).delete('free', inDefault);
  await refused(client(pods).get('free', inDefault), 404);

  await pod('placed', 'n1');
  const going = (await client(pods).delete('placed', inDefault)) as Pod;
  assert.equal(going.metadata.deletionGracePeriodSeconds, 30);
  const ahead = Date.parse(going.metadata.deletionTimestamp!) - Date.now();
  assert.ok(ahead > 27_000 && ahead < 31_000, `${ahead}`);
  const same = (await client(pods).delete('placed', { ...inDefault, gracePeriodSeconds: 60 })) as Pod;
  assert.equal(same.metadata.deletionGracePeriodSeconds, 30, 'grace is not made longer');
  const sooner = (await client(pods).delete('placed', { ...inDefault, gracePeriodSeconds: 5 })) as Pod;
  assert.equal(sooner.metadata.deletionGracePeriodSeconds, 5);
  assert.ok(sooner.metadata.deletionTimestamp! < going.metadata.deletionTimestamp!);
  await client(pods).delete('placed', { ...inDefault, gracePeriodSeconds: 0 });
  await refused(client(pods).get('placed', inDefault), 404);
});

test('a negative grace is one second', async () => {
  await pod('negative', 'n1');
  const going = (await client(pods).delete('negative', { ...inDefault, gracePeriodSeconds: -1 })) as Pod;
  assert.equal(going.metadata.deletionGracePeriodSeconds, 1);
});

test('a finished pod goes at once', async () => {
  const made = await pod('done', 'n1');
  const draft = clone(made);
  draft.status!.phase = 'Succeeded';
  await client(pods).updateStatus(draft);
  await client(pods).delete('done', inDefault);
  await refused(client(pods).get('done', inDefault), 404);
});

test('finalizers hold an object back; a second deletion changes nothing', async () => {
  await map('held', {}, { finalizers: ['example.com/x'] });
  const first = await client(configMaps).delete('held', inDefault);
  assert.equal(first.kind, 'ConfigMap');
  const again = await client(configMaps).delete('held', inDefault);
  assert.equal(again.metadata.resourceVersion, first.metadata.resourceVersion);
  await client(configMaps).patch('held', { metadata: { finalizers: null } }, inDefault);
  await refused(client(configMaps).get('held', inDefault), 404);
});

test('propagation is stated as a finalizer', async () => {
  await map('fg');
  await client(configMaps).delete('fg', { ...inDefault, propagationPolicy: 'Foreground' });
  assert.deepEqual((await client(configMaps).get('fg', inDefault)).metadata.finalizers, [
    'foregroundDeletion',
  ]);
  await client(configMaps).delete('fg', { ...inDefault, propagationPolicy: 'Orphan' });
  assert.deepEqual((await client(configMaps).get('fg', inDefault)).metadata.finalizers, ['orphan']);
  await client(configMaps).delete('fg', { ...inDefault, propagationPolicy: 'Background' });
  await refused(client(configMaps).get('fg', inDefault), 404);
  await map('bad');
  await refused(
    client(configMaps).delete('bad', { ...inDefault, propagationPolicy: 'Sideways' as never }),
    422,
    'propagationPolicy',
  );
});

test('dry run deletes nothing, and gives no address back', async () => {
  const spec = { ports: [{ port: 80 }], clusterIP: '10.96.9.9' };
  await client(services).create({ metadata: { name: 's', namespace: 'default' }, spec } as never);
  await client(services).delete('s', { ...inDefault, dryRun: 'All' });
  await client(services).get('s', inDefault);
  await refused(
    client(services).create({ metadata: { name: 't', namespace: 'default' }, spec } as never),
    422,
    'already allocated',
  );
  await pod('dry', 'n1');
  const before = server.registry.store.revision;
  await client(pods).delete('dry', { ...inDefault, dryRun: 'All' });
  assert.equal(server.registry.store.revision, before);
});

test('a collection goes by its selectors', async () => {
  for (let i = 0; i < 6; i++) await map(`c${i}`, { set: i < 3 ? 'one' : 'two' });
  await client(configMaps).deleteCollection({ ...inDefault, labelSelector: 'set=one' });
  const left = await client(configMaps).list({ ...inDefault, labelSelector: 'set' });
  assert.deepEqual(
    left.items.map((m) => m.metadata.name),
    ['c3', 'c4', 'c5'],
  );
  await client(configMaps).deleteCollection({ ...inDefault, fieldSelector: 'metadata.name=c4' });
  assert.equal((await client(configMaps).list({ ...inDefault, labelSelector: 'set' })).items.length, 2);
  await client(configMaps).deleteCollection({ ...inDefault, labelSelector: 'set', dryRun: 'All' });
  assert.equal((await client(configMaps).list({ ...inDefault, labelSelector: 'set' })).items.length, 2);
  await refused(client(configMaps).deleteCollection({ ...inDefault, fieldSelector: 'data.a=b' }), 400);
});
