import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { deployments } from '../../api/apps/deployment.ts';
import type { Deployment } from '../../api/apps/v1.gen.ts';
import { configMaps } from '../../api/core/config-map.ts';
import { namespaces } from '../../api/core/namespace.ts';
import { nodes } from '../../api/core/node.ts';
import { pods } from '../../api/core/pod.ts';
import { clone } from '../../machinery/meta.ts';
import { startControlPlane } from '../../testing/control-plane.ts';
import { refused } from '../../testing/expect.ts';

const plane = await startControlPlane();
after(() => plane.stop());
const { client, server } = plane;
const inDefault = { namespace: 'default' };
const map = (name: string, more: object = {}): any => ({ metadata: { name, namespace: 'default' }, ...more });
const deployment = (name: string): any => ({
  metadata: { name, namespace: 'default' },
  spec: {
    selector: { matchLabels: { a: 'b' } },
    template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'a', image: 'a' }] } },
  },
});
const changed = <T>(object: T, change: (draft: any) => void): T => {
  const draft = clone(object);
  change(draft);
  return draft;
};

test('a stale resource version is a conflict; none is "whatever is there"', async () => {
  const first = await client(configMaps).create(map('a', { data: { n: '1' } }));
  const second = await client(configMaps).update(changed(first, (d) => (d.data.n = '2')));
  assert.notEqual(second.metadata.resourceVersion, first.metadata.resourceVersion);
  const error = await refused(client(configMaps).update(changed(first, (d) => (d.data.n = '3'))), 409);
  assert.equal(
    error.message,
    'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the latest version and try again',
  );
  await client(configMaps).update(map('a', { data: { n: '4' } }));
  assert.equal((await client(configMaps).get('a', inDefault)).data!.n, '4');
});

test('resource version "0" is "whatever is there", as if none were given', async () => {
  await client(configMaps).create({ metadata: { name: 'zero', namespace: 'default', resourceVersion: '0' } });
  const next = map('zero', { data: { n: '1' } });
  next.metadata.resourceVersion = '0';
  assert.equal((await client(configMaps).update(next)).data!.n, '1');
});

test('another uid is a conflict', async () => {
  await client(configMaps).create(map('uid'));
  await refused(
    client(configMaps).update({ metadata: { name: 'uid', namespace: 'default', uid: 'other' } }),
    409,
    'Precondition failed: UID in precondition: other',
  );
});

test('what only the server says stays as it was', async () => {
  const first = await client(configMaps).create(map('fixed'));
  const next = await client(configMaps).update(
    changed(first, (d) => {
      d.metadata.creationTimestamp = '2001-01-01T00:00:00Z';
      d.metadata.deletionTimestamp = '2001-01-01T00:00:00Z';
      d.data = { a: 'b' };
    }),
  );
  assert.equal(next.metadata.creationTimestamp, first.metadata.creationTimestamp);
  assert.equal(next.metadata.deletionTimestamp, undefined);
});

test('a write that changes nothing is not made', async () => {
  const first = await client(configMaps).create(map('same', { data: { a: '1' } }));
  const before = server.registry.store.revision;
  const again = await client(configMaps).update(clone(first));
  assert.equal(again.metadata.resourceVersion, first.metadata.resourceVersion);
  await client(configMaps).patch('same', { data: { a: '1' } }, inDefault);
  const other = plane.clientFor('somebody', ['system:masters']);
  await other(configMaps).patch('same', {}, inDefault);
  assert.equal(server.registry.store.revision, before);
});

test('generation counts changes of the spec, and only those', async () => {
  let d: Deployment = await client(deployments).create(deployment('gen'));
  d = await client(deployments).update(changed(d, (x) => (x.metadata.labels = { a: 'b' })));
  assert.equal(d.metadata.generation, 1);
  d = await client(deployments).update(changed(d, (x) => (x.spec.replicas = 3)));
  assert.equal(d.metadata.generation, 2);
  d = await client(deployments).updateStatus(changed(d, (x) => (x.status = { replicas: 1 })));
  assert.equal(d.metadata.generation, 2);
  d = await client(deployments).update(changed(d, (x) => (x.metadata.generation = 99)));
  assert.equal(d.metadata.generation, 2);
});

test('status and the rest do not write into one another', async () => {
  const d = await client(deployments).create(deployment('status'));
  const s = await client(deployments).updateStatus(
    changed(d, (x) => {
      x.spec.replicas = 7;
      x.status = { replicas: 5, observedGeneration: 1 };
    }),
  );
  assert.equal(s.spec!.replicas, 1);
  assert.equal(s.status!.replicas, 5);
  const m = await client(deployments).update(
    changed(s, (x) => {
      x.spec.replicas = 2;
      x.status = { replicas: 99 };
    }),
  );
  assert.equal(m.spec!.replicas, 2);
  assert.equal(m.status!.replicas, 5);
  const p = await client(deployments).patch('status', { status: { replicas: 50 } }, inDefault);
  assert.equal(p.status!.replicas, 5);
  const q = await client(deployments).patch(
    'status',
    { status: { replicas: 6 }, spec: { replicas: 9 } },
    { ...inDefault, subresource: 'status' },
  );
  assert.deepEqual([q.status!.replicas, q.spec!.replicas], [6, 2]);
});

test('managedFields name the status apart', async () => {
  const d = await client(deployments).create(deployment('fields'));
  const s = await client(deployments).updateStatus(changed(d, (x) => (x.status = { replicas: 1 })));
  assert.deepEqual(
    s.metadata.managedFields!.map((f) => [f.operation, f.subresource]),
    [
      ['Update', undefined],
      ['Update', 'status'],
    ],
  );
});

test('labels of a node may be written through its status, as kubelets do', async () => {
  const node = await client(nodes).create({ metadata: { name: 'n1' }, spec: {} });
  const next = await client(nodes).updateStatus(changed(node, (x) => (x.metadata.labels = { a: 'b' })));
  assert.equal(next.metadata.labels!.a, 'b');
});

test('the status of a pod does not touch its owners', async () => {
  const owner = { apiVersion: 'v1', kind: 'ConfigMap', name: 'x', uid: 'u' };
  const made = await client(pods).create({
    metadata: { name: 'owned', namespace: 'default', ownerReferences: [owner] },
    spec: { containers: [{ name: 'a', image: 'a' }] },
  });
  const next = await client(pods).updateStatus(
    changed(made, (x) => {
      x.metadata.ownerReferences = [];
      x.status.message = 'hello';
    }),
  );
  assert.equal(next.metadata.ownerReferences?.length, 1);
  assert.equal(next.status!.message, 'hello');
});

test('what may not change', async () => {
  const d = await client(deployments).create(deployment('immutable'));
  await refused(
    client(deployments).update(
      changed(d, (x) => {
        x.spec.selector.matchLabels.a = 'c';
        x.spec.template.metadata.labels.a = 'c';
      }),
    ),
    422,
    'field is immutable',
  );
  const p = await client(pods).create({
    metadata: { name: 'immutable', namespace: 'default' },
    spec: { containers: [{ name: 'a', image: 'a' }] },
  });
  await refused(client(pods).update(changed(p, (x) => (x.spec.restartPolicy = 'Never'))), 422);
  const image = await client(pods).update(changed(p, (x) => (x.spec.containers[0].image = 'b')));
  assert.equal(image.spec!.containers[0]!.image, 'b');
});

test('an object goes when the last finalizer does', async () => {
  const made = await client(configMaps).create(
    changed(map('held'), (d) => (d.metadata.finalizers = ['example.com/a', 'example.com/b'])),
  );
  await client(configMaps).delete('held', inDefault);
  let now = await client(configMaps).get('held', inDefault);
  assert.ok(now.metadata.deletionTimestamp);
  await refused(
    client(configMaps).update(changed(now, (d) => d.metadata.finalizers.push('example.com/c'))),
    422,
    'no new finalizers can be added',
  );
  now = await client(configMaps).update(changed(now, (d) => d.metadata.finalizers.pop()));
  assert.equal(now.metadata.uid, made.metadata.uid);
  await client(configMaps).update(
    changed(now, (d) => (d.metadata.finalizers = [])),
    { dryRun: 'All' },
  );
  await client(configMaps).get('held', inDefault);
  await client(configMaps).update(changed(now, (d) => (d.metadata.finalizers = [])));
  await refused(client(configMaps).get('held', inDefault), 404);
});

test('a namespace goes by way of finalize', async () => {
  await client(namespaces).create({ metadata: { name: 'fin' }, spec: {} });
  await client(namespaces).delete('fin');
  const going = await client(namespaces).get('fin');
  assert.deepEqual(going.spec!.finalizers, ['kubernetes']);
  await client(namespaces).update(
    changed(going, (d) => (d.spec.finalizers = [])),
    { subresource: 'finalize' },
  );
  await refused(client(namespaces).get('fin'), 404);
  await refused(client(namespaces).delete('kube-system'), 403, 'this namespace may not be deleted');
});

test('two who change different fields at once: both are there in the end', async () => {
  await client(configMaps).create(map('many', { data: {} }));
  await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      client(configMaps).patch('many', { data: { [`k${i}`]: 'x' } }, inDefault),
    ),
  );
  assert.equal(Object.keys((await client(configMaps).get('many', inDefault)).data!).length, 20);
});

test('managedFields with one empty entry are reset', async () => {
  const made = await client(configMaps).create(map('managed', { data: { a: '1' } }));
  const reset = await client(configMaps).update(changed(made, (d) => (d.metadata.managedFields = [{}])));
  assert.equal(reset.metadata.managedFields, undefined);
});
