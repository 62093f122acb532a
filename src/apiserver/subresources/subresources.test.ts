import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { deployments } from '../../api/apps/deployment.ts';
import { tokenReviews } from '../../api/authentication/token-review.ts';
import { pods } from '../../api/core/pod.ts';
import { services } from '../../api/core/service.ts';
import { serviceAccounts } from '../../api/core/service-account.ts';
import type { Pod } from '../../api/core/v1.gen.ts';
import { podDisruptionBudgets } from '../../api/policy/pod-disruption-budget.ts';
import type { Clock } from '../../machinery/clock.ts';
import { clone } from '../../machinery/meta.ts';
import { startControlPlane } from '../../testing/control-plane.ts';
import { refused } from '../../testing/expect.ts';

let nowMs = Date.parse('2026-03-01T00:00:00Z');
const clock: Clock = { now: () => nowMs, after: () => ({ cancel() {} }) };
const plane = await startControlPlane({ clock });
after(() => plane.stop());
const { client, server } = plane;
const inDefault = { namespace: 'default' };
const pod = (name: string, more: object = {}, labels = {}): any => ({
  metadata: { name, namespace: 'default', labels },
  spec: { containers: [{ name: 'a', image: 'a' }], ...more },
});
const bind = (name: string, node: string, more: object = {}) =>
  client(pods).createSubresource(
    name,
    'binding',
    { apiVersion: 'v1', kind: 'Binding', metadata: { name, ...more }, target: { kind: 'Node', name: node } },
    inDefault,
  );

test('binding: once, to a pod that may be bound', async () => {
  await client(pods).create(pod('b'));
  const answer = await bind('b', 'n1', { annotations: { from: 'scheduler' } });
  assert.equal(answer.kind, 'Status');
  const bound = await client(pods).get('b', inDefault);
  assert.equal(bound.spec!.nodeName, 'n1');
  assert.equal(bound.metadata.annotations!.from, 'scheduler');
  assert.equal(bound.metadata.generation, 1, 'a binding is not the wish of the user');
  assert.equal(bound.status!.conditions!.find((c) => c.type === 'PodScheduled')?.status, 'True');
  await refused(bind('b', 'n2'), 409, 'is already assigned to node "n1"');
  await refused(bind('none', 'n1'), 404);
  await client(pods).create(pod('uid'));
  await refused(bind('uid', 'n1', { uid: 'other' }), 409);
  await client(pods).create(pod('gated', { schedulingGates: [{ name: 'example.com/x' }] }));
  await refused(bind('gated', 'n1'), 409, 'schedulingGates');
  await refused(bind('uid', ''), 400);
});

test('scale reads and writes the number of replicas', async () => {
  await client(deployments).create({
    metadata: { name: 'd', namespace: 'default' },
    spec: {
      replicas: 2,
      selector: { matchLabels: { a: 'b' } },
      template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'a', image: 'a' }] } },
    },
  });
  const scale: any = await client(deployments).get('d', { ...inDefault, subresource: 'scale' });
  assert.equal(scale.kind, 'Scale');
  assert.deepEqual([scale.spec.replicas, scale.status.selector], [2, 'a=b']);
  const next: any = await client(deployments).update(
    { ...clone(scale), spec: { replicas: 5 } },
    { subresource: 'scale' },
  );
  assert.equal(next.spec.replicas, 5);
  const now = await client(deployments).get('d', inDefault);
  assert.deepEqual([now.spec!.replicas, now.metadata.generation], [5, 2]);
  assert.ok(now.metadata.managedFields!.some((f) => f.subresource === 'scale'));
  await refused(client(deployments).update(clone(scale), { subresource: 'scale' }), 409);
  const on = { ...inDefault, subresource: 'scale' };
  await client(deployments).patch('d', { spec: { replicas: 0 } }, on);
  assert.equal((await client(deployments).get('d', inDefault)).spec!.replicas, 0);
  await refused(client(deployments).patch('d', { spec: { replicas: -1 } }, on), 422);
});

test('an eviction asks the budgets', async () => {
  const evict = (name: string, options: object = {}) =>
    client(pods).createSubresource(
      name,
      'eviction',
      { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name }, ...options },
      inDefault,
    );
  const running = async (name: string) => {
    const made = await client(pods).create(pod(name, { nodeName: 'n1' }, { app: 'e' }));
    await client(pods).patch(
      name,
      { status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] } },
      { ...inDefault, subresource: 'status' },
    );
    return made;
  };
  for (const name of ['e1', 'e2', 'e3']) await running(name);
  await client(podDisruptionBudgets).create({
    metadata: { name: 'b', namespace: 'default' },
    spec: { minAvailable: 2, selector: { matchLabels: { app: 'e' } } },
  });
  const early = await refused(evict('e1'), 429);
  assert.equal(early.status.details?.retryAfterSeconds, 10);
  const allow = (disruptionsAllowed: number) =>
    client(podDisruptionBudgets).patch(
      'b',
      {
        status: {
          disruptionsAllowed,
          observedGeneration: 1,
          currentHealthy: 3,
          desiredHealthy: 2,
          expectedPods: 3,
        },
      },
      { ...inDefault, subresource: 'status' },
    );
  await allow(1);
  await evict('e1', { deleteOptions: { dryRun: ['All'] } });
  assert.equal((await client(podDisruptionBudgets).get('b', inDefault)).status!.disruptionsAllowed, 1);
  await evict('e1');
  const budget = await client(podDisruptionBudgets).get('b', inDefault);
  assert.equal(budget.status!.disruptionsAllowed, 0);
  assert.ok(budget.status!.disruptedPods!.e1);
  assert.ok((await client(pods).get('e1', inDefault)).metadata.deletionTimestamp);
  const error = await refused(evict('e2'), 429, "violate the pod's disruption budget");
  assert.equal(error.status.details?.causes?.[0]?.reason, 'DisruptionBudget');
  await refused(evict('nobody'), 404);
  await client(pods).create(pod('waiting', {}, { app: 'e' }));
  await evict('waiting');
});

test('ephemeral containers come, and do not go', async () => {
  const made = await client(pods).create(pod('debug'));
  const next = clone(made);
  next.spec!.ephemeralContainers = [{ name: 'd', image: 'busybox' }];
  const after = await client(pods).update(next, { subresource: 'ephemeralcontainers' });
  assert.equal(after.spec!.ephemeralContainers!.length, 1);
  const less = clone(after);
  delete less.spec!.ephemeralContainers;
  await refused(client(pods).update(less, { subresource: 'ephemeralcontainers' }), 422);
  await refused(
    client(pods).patch('debug', { spec: { ephemeralContainers: [{ name: 'x', image: 'y' }] } }, inDefault),
    422,
  );
});

test('resize changes resources and nothing else', async () => {
  await client(pods).create(
    pod('resize', {
      containers: [{ name: 'a', image: 'a', resources: { requests: { cpu: '1' }, limits: { cpu: '2' } } }],
    }),
  );
  const next: Pod = await client(pods).patch(
    'resize',
    { spec: { containers: [{ name: 'a', image: 'other', resources: { requests: { cpu: '1500m' } } }] } },
    { ...inDefault, subresource: 'resize', type: 'strategic' },
  );
  assert.equal(next.spec!.containers[0]!.resources!.requests!.cpu, '1500m');
  assert.equal(next.spec!.containers[0]!.image, 'a');
});

const review = (token: string, audiences?: string[]): Promise<any> =>
  client(tokenReviews).create({
    metadata: {},
    spec: { token, ...(audiences ? { audiences } : {}) },
  } as never);

test('tokens: whose they are, for whom, until when, as long as what they are bound to is there', async () => {
  const account = await client(serviceAccounts).get('default', inDefault);
  await client(pods).create(pod('holder', { nodeName: 'n1' }));
  const holder = await client(pods).get('holder', inDefault);
  const request = (spec: object): Promise<any> =>
    client(serviceAccounts).createSubresource('default', 'token', { spec }, inDefault);
  const made = await request({
    expirationSeconds: 600,
    audiences: ['api', 'vault'],
    boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: 'holder', uid: holder.metadata.uid },
  });
  assert.equal(made.status.expirationTimestamp, '2026-03-01T00:10:00Z');
  const { status } = await review(made.status.token, ['vault', 'x']);
  assert.equal(status.authenticated, true);
  assert.deepEqual(status.audiences, ['vault']);
  assert.equal(status.user.username, 'system:serviceaccount:default:default');
  assert.equal(status.user.uid, account.metadata.uid);
  assert.deepEqual(status.user.groups, [
    'system:serviceaccounts',
    'system:serviceaccounts:default',
    'system:authenticated',
  ]);
  assert.deepEqual(status.user.extra['authentication.kubernetes.io/pod-name'], ['holder']);
  assert.deepEqual(status.user.extra['authentication.kubernetes.io/node-name'], ['n1']);
  assert.equal((await review(made.status.token)).status.authenticated, undefined, 'not for the API');

  await refused(request({ expirationSeconds: 60 }), 422, 'less than 10 minutes');
  await refused(request({ boundObjectRef: { kind: 'Pod', name: 'none' } }), 404);
  await refused(request({ boundObjectRef: { kind: 'Pod', name: 'holder', uid: 'x' } }), 409);

  const plain = await request({});
  assert.equal((await review(plain.status.token)).status.authenticated, true);
  const broken = `${plain.status.token.slice(0, -4)}AAAA`;
  assert.equal((await review(broken)).status.authenticated, undefined);
  assert.equal((await review('nonsense')).status.authenticated, undefined);

  await client(pods).delete('holder', { ...inDefault, gracePeriodSeconds: 0 });
  assert.equal((await review(made.status.token, ['vault'])).status.authenticated, undefined);
  nowMs += 3600_000 + 1000;
  assert.equal((await review(plain.status.token)).status.authenticated, undefined, 'it is too late');
  const again = await request({});
  await client(serviceAccounts).delete('default', inDefault);
  assert.equal((await review(again.status.token)).status.authenticated, undefined);
  await client(serviceAccounts).create({ metadata: { name: 'default', namespace: 'default' } });
  assert.equal((await review(again.status.token)).status.authenticated, undefined, 'another account');
});

test('service addresses and ports: given once, given back, kept over updates', async () => {
  const service = (name: string, spec: object = {}): any => ({
    metadata: { name, namespace: 'default' },
    spec: { type: 'NodePort', ports: [{ name: 'a', port: 80 }], ...spec },
  });
  const ports = (s: any): number[] => s.spec.ports.map((p: any) => p.nodePort);
  const a = await client(services).create(service('a'));
  const [first] = ports(a);
  assert.ok(first! >= 30000 && first! <= 32767);
  await refused(
    client(services).create(service('b', { ports: [{ port: 80, nodePort: first }] })),
    422,
    'provided port is already allocated',
  );
  await refused(client(services).create(service('b', { ports: [{ port: 80, nodePort: 80 }] })), 422, 'range');
  const dns = await client(services).create(
    service('dns', {
      ports: [
        { name: 'tcp', port: 53 },
        { name: 'udp', port: 53, protocol: 'UDP' },
      ],
    }),
  );
  assert.equal(new Set(ports(dns)).size, 1, 'one number for two protocols');

  const changed = clone(a);
  delete changed.spec!.clusterIP;
  delete changed.spec!.clusterIPs;
  delete changed.spec!.ports![0]!.nodePort;
  const kept = await client(services).update(changed);
  assert.deepEqual([kept.spec!.clusterIP, ports(kept)[0]], [a.spec!.clusterIP, first]);
  const dry = clone(kept);
  dry.spec!.ports![0]!.nodePort = 31999;
  await client(services).update(dry, { dryRun: 'All' });
  const moved = await client(services).update(dry);
  assert.deepEqual(ports(moved), [31999]);
  await client(services).create(service('b', { ports: [{ port: 80, nodePort: first }] }));
  const inner = clone(moved);
  inner.spec!.type = 'ClusterIP';
  const cluster = await client(services).update(inner);
  assert.deepEqual(ports(cluster), [undefined]);
  await client(services).create(service('c', { ports: [{ port: 80, nodePort: 31999 }] }));

  await client(services).delete('a', inDefault);
  const reused = await client(services).create(
    service('d', { type: 'ClusterIP', clusterIP: a.spec!.clusterIP }),
  );
  assert.equal(reused.spec!.clusterIP, a.spec!.clusterIP);
  const held = await client(services).create(service('held', { type: 'ClusterIP', clusterIP: '10.96.3.3' }));
  await client(services).patch('held', { metadata: { finalizers: ['a.b/c'] } }, inDefault);
  await client(services).delete('held', inDefault);
  await refused(client(services).create(service('e', { clusterIP: '10.96.3.3' })), 422);
  await client(services).patch('held', { metadata: { finalizers: null } }, inDefault);
  const taken = await client(services).create(service('e', { clusterIP: held.spec!.clusterIP }));
  assert.equal(taken.spec!.clusterIP, '10.96.3.3');
  const headless = await client(services).create(service('h', { type: 'ClusterIP', clusterIP: 'None' }));
  assert.equal(headless.spec!.clusterIP, 'None');
  const external = await client(services).create(
    service('x', { type: 'ExternalName', externalName: 'example.com', ports: undefined }),
  );
  assert.equal(external.spec!.clusterIP, undefined);
});

test('a conflict while an update allocates leaks nothing', async () => {
  const make = await client(services).create({
    metadata: { name: 'leak', namespace: 'default' },
    spec: { ports: [{ port: 80 }] },
  });
  for (let i = 0; i < 5; i++) {
    const draft = clone(make);
    draft.metadata.resourceVersion = '1';
    draft.spec!.type = 'NodePort';
    draft.spec!.ports![0]!.nodePort = 32000;
    await refused(client(services).update(draft), 409);
  }
  const now = await client(services).patch(
    'leak',
    { spec: { type: 'NodePort', ports: [{ port: 80, nodePort: 32000 }] } },
    inDefault,
  );
  assert.equal(now.spec!.ports![0]!.nodePort, 32000);
  assert.ok(server.registry.store.revision > 0);
});
