import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { deployments } from '../../api/apps/deployment.ts';
import { leases } from '../../api/coordination/lease.ts';
import { configMaps } from '../../api/core/config-map.ts';
import { namespaces } from '../../api/core/namespace.ts';
import { nodes } from '../../api/core/node.ts';
import { pods } from '../../api/core/pod.ts';
import { services } from '../../api/core/service.ts';
import { startControlPlane } from '../../testing/control-plane.ts';
import { refused } from '../../testing/expect.ts';

const plane = await startControlPlane();
after(() => plane.stop());
const { client, server } = plane;
const map = (name: string, more: object = {}) => ({ metadata: { name, namespace: 'default' }, ...more });
const pod = (name: string, more: object = {}): any => ({
  metadata: { name, namespace: 'default' },
  spec: { containers: [{ name: 'a', image: 'a' }], ...more },
});

test('what the server says of a new object', async () => {
  const made = await client(configMaps).create({
    metadata: {
      name: 'new',
      namespace: 'default',
      uid: 'mine',
      creationTimestamp: '2001-01-01T00:00:00Z',
      deletionTimestamp: '2001-01-01T00:00:00Z',
      generation: 7,
      selfLink: '/x',
    },
    data: { a: '1' },
  });
  assert.notEqual(made.metadata.uid, 'mine');
  assert.ok(Date.now() - Date.parse(made.metadata.creationTimestamp!) < 5000);
  assert.equal(made.metadata.deletionTimestamp, undefined);
  assert.equal(made.metadata.generation, undefined, 'a config map has no generation');
  assert.equal(made.metadata.selfLink, undefined);
  assert.equal(made.kind, 'ConfigMap');
  assert.equal(made.apiVersion, 'v1');
  assert.equal(made.metadata.resourceVersion, String(server.registry.store.revision));
  assert.equal(made.metadata.managedFields?.[0]?.operation, 'Update');
});

test('generation begins at 1, and a status in the body is not taken', async () => {
  const made = await client(deployments).create({
    metadata: { name: 'gen', namespace: 'default' },
    spec: {
      selector: { matchLabels: { a: 'b' } },
      template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'a', image: 'a' }] } },
    },
    status: { replicas: 9 },
  });
  assert.equal(made.metadata.generation, 1);
  assert.equal(made.spec!.replicas, 1);
  assert.equal(made.status?.replicas, undefined);
  assert.equal(made.spec!.template.spec!.containers[0]!.imagePullPolicy, 'Always');
});

test('a node is created together with its status, which is checked', async () => {
  const node = (memory: string): any => ({ metadata: { name: 'n' }, status: { capacity: { memory } } });
  await refused(client(nodes).create(node('-1')), 422);
  const { status } = await client(nodes).create(node('1Gi'));
  assert.deepEqual(status!.capacity, { memory: '1Gi' });
  assert.deepEqual(status!.allocatable, { memory: '1Gi' });
});

test('generateName: five characters after it, and at most 63 in all', async () => {
  const made = await client(configMaps).create({ metadata: { generateName: 'gen-', namespace: 'default' } });
  assert.match(made.metadata.name!, /^gen-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
  const long = await client(configMaps).create({
    metadata: { generateName: 'x'.repeat(80), namespace: 'default' },
  });
  assert.equal(long.metadata.name!.length, 63);
  await refused(
    client(configMaps).create({ metadata: { namespace: 'default' } }),
    422,
    'name or generateName',
  );
  await refused(client(configMaps).create({ metadata: { generateName: 'Bad_', namespace: 'default' } }), 422);
});

test('what is there already, and what may not be given', async () => {
  await client(configMaps).create(map('twice'));
  const error = await refused(client(configMaps).create(map('twice')), 409);
  assert.equal(error.reason, 'AlreadyExists');
  assert.equal(error.message, 'configmaps "twice" already exists');
  await refused(
    client(configMaps).create({ metadata: { name: 'rv', namespace: 'default', resourceVersion: '5' } }),
    400,
    'resourceVersion should not be set',
  );
});

test('two at the same time: one is created', async () => {
  const tries = await Promise.allSettled(
    Array.from({ length: 10 }, () => client(configMaps).create(map('race'))),
  );
  assert.equal(tries.filter((t) => t.status === 'fulfilled').length, 1);
});

test('names that are none', async () => {
  for (const name of ['', 'A', 'a_b', '-a', 'a/b', '..', 'x'.repeat(254)])
    await refused(client(configMaps).create(map(name)), 422);
});

test('dry run answers as if, and stores nothing', async () => {
  const before = server.registry.store.revision;
  const made = await client(configMaps).create(map('dry'), { dryRun: 'All' });
  assert.ok(made.metadata.uid);
  assert.equal(made.metadata.resourceVersion, undefined);
  assert.equal(server.registry.store.revision, before);
  await refused(client(configMaps).get('dry', { namespace: 'default' }), 404);
  await client(configMaps).create(map('there'));
  await refused(client(configMaps).create(map('there'), { dryRun: 'All' }), 409);
});

test('a namespace that is not there, and one that is going', async () => {
  const error = await refused(
    client(configMaps).create({ metadata: { name: 'a', namespace: 'nowhere' } }),
    404,
  );
  assert.equal(error.message, 'namespaces "nowhere" not found');
  await client(namespaces).create({ metadata: { name: 'going' }, spec: {} });
  await client(namespaces).delete('going');
  assert.equal((await client(namespaces).get('going')).status!.phase, 'Terminating');
  const refusedWhy = await refused(
    client(configMaps).create({ metadata: { name: 'a', namespace: 'going' } }),
    403,
    'because it is being terminated',
  );
  assert.equal(refusedWhy.status.details?.causes?.[0]?.reason, 'NamespaceTerminating');
});

test('the namespace of the body must be that of the request', async () => {
  await refused(
    () =>
      client(configMaps).update({ metadata: { name: 'new', namespace: 'default' }, kind: 'Secret' } as never),
    400,
    'cannot be handled as a ConfigMap',
  );
});

test('a pod gets what every pod has', async () => {
  const made = await client(pods).create(pod('web'));
  assert.equal(made.spec!.serviceAccountName, 'default');
  assert.equal(made.spec!.restartPolicy, 'Always');
  assert.equal(made.spec!.priority, 0);
  assert.equal(made.spec!.tolerations!.length, 2);
  assert.equal(made.status!.phase, 'Pending');
  assert.equal(made.status!.qosClass, 'BestEffort');
  assert.match(made.spec!.containers[0]!.volumeMounts![0]!.name, /^kube-api-access-/);
});

test('an update of a name that is not there creates it for leases, not for config maps', async () => {
  const lease = await client(leases).update({
    metadata: { name: 'l', namespace: 'default' },
    spec: { holderIdentity: 'me' },
  });
  assert.ok(lease.metadata.uid);
  await refused(client(configMaps).update(map('missing')), 404);
});

test('a service that cannot be stored keeps no address', async () => {
  const service = (name: string, clusterIP?: string): any => ({
    metadata: { name, namespace: 'default' },
    spec: { ports: [{ port: 80 }], ...(clusterIP ? { clusterIP } : {}) },
  });
  await refused(client(services).create(service('Bad', '10.96.7.7')), 422);
  const dry = await client(services).create(service('dry', '10.96.7.7'), { dryRun: 'All' });
  assert.equal(dry.spec!.clusterIP, '10.96.7.7');
  const made = await client(services).create(service('good', '10.96.7.7'));
  assert.equal(made.spec!.clusterIP, '10.96.7.7');
  await refused(
    client(services).create(service('other', '10.96.7.7')),
    422,
    'provided IP is already allocated',
  );
});

test('keys that JavaScript knows otherwise are data like any other', async () => {
  const data = JSON.parse('{"__proto__": "x", "constructor": "y", "toString": "z"}');
  const made = await client(configMaps).create(map('proto', { data }));
  assert.deepEqual(Object.entries(made.data!).sort(), Object.entries(data).sort());
  assert.equal(({} as Record<string, unknown>).x, undefined);
  await refused(
    client(configMaps).create({
      metadata: { name: 'p', namespace: 'default', labels: JSON.parse('{"__proto__":"x"}') },
    }),
    422,
  );
});
