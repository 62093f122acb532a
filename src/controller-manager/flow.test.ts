import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { deployments } from '../api/apps/deployment.ts';
import { replicaSets } from '../api/apps/replica-set.ts';
import type { Deployment } from '../api/apps/v1.gen.ts';
import { pods } from '../api/core/pod.ts';
import { allKinds } from '../api/all.ts';
import { systemClock, systemRandom } from '../cluster/node/platform.ts';
import { createLog } from '../machinery/log.ts';
import { type ControlPlane, startControlPlane } from '../testing/control-plane.ts';
import { until, runPods } from './flow-fixtures.ts';
import { startControllerManager } from './start.ts';

let plane: ControlPlane;
let manager: AsyncDisposable;
let kubelet: () => void;
const log = createLog((level, message, fields) => {
  if (level === 'warn' || level === 'error') console.error(level, message, fields);
});

before(async () => {
  plane = await startControlPlane();
  const { client, informers, trace } = plane;
  manager = await startControllerManager({ client, informers, trace, clock: systemClock, random: systemRandom, log, kinds: allKinds });
  kubelet = runPods(plane);
});
after(async () => {
  kubelet();
  await manager[Symbol.asyncDispose]();
  await plane.stop();
});

const deployment = (name: string, image: string, replicas: number): Deployment => ({
  metadata: { name, namespace: 'default' },
  spec: {
    replicas,
    progressDeadlineSeconds: 600,
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'c', image }] } },
  },
});

test('a deployment rolls out, updates, scales and goes', async () => {
  const { client } = plane;
  const namespace = 'default';
  await client(deployments).create(deployment('web', 'v1', 4));
  const done = (generation: number) =>
    until(`rollout ${generation}`, async () => {
      const { status } = await client(deployments).get('web', { namespace });
      const progressing = status?.conditions?.find((c) => c.type === 'Progressing');
      return progressing?.reason === 'NewReplicaSetAvailable' && status?.observedGeneration === generation && status.updatedReplicas === status.replicas && status.availableReplicas === status.replicas;
    });
  await done(1);
  const first = await client(pods).list({ namespace, labelSelector: 'app=web' });
  assert.equal(first.items.length, 4);
  const owner = first.items[0]!.metadata.ownerReferences![0]!;
  assert.equal(owner.kind, 'ReplicaSet');
  assert.match(first.items[0]!.metadata.name!, new RegExp(`^${owner.name}-.{5}$`));

  await client(deployments).patch('web', { spec: { template: { spec: { containers: [{ name: 'c', image: 'v2' }] } } } }, { namespace, type: 'strategic' });
  await done(2);
  await until('old pods are gone', async () => {
    const all = await client(pods).list({ namespace, labelSelector: 'app=web' });
    return all.items.length === 4 && all.items.every((p) => p.spec.containers[0]!.image === 'v2');
  });
  const sets = await client(replicaSets).list({ namespace });
  assert.deepEqual(sets.items.map((rs) => rs.spec.replicas).sort(), [0, 4]);
  const { metadata } = await client(deployments).get('web', { namespace });
  assert.equal(metadata.annotations?.['deployment.kubernetes.io/revision'], '2');

  await client(deployments).patch('web', { spec: { replicas: 1 } }, { namespace });
  await until('scaled', async () => (await client(pods).list({ namespace })).items.length === 1);
  const steps = plane.trace.where((r) => r.component === 'controller-manager').map((r) => r.event);
  for (const event of ['deployment seen', 'replica set created', 'pod created']) assert.ok(steps.includes(event), event);
});
