import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { events } from '../api/core/event.ts';
import { nodes } from '../api/core/node.ts';
import { pods } from '../api/core/pod.ts';
import { priorityClasses } from '../api/scheduling/priority-class.ts';
import { systemClock, systemRandom } from '../cluster/node/platform.ts';
import { createLog } from '../machinery/log.ts';
import { type ControlPlane, startControlPlane } from '../testing/control-plane.ts';
import { makeNode, makePod } from './fixtures.ts';
import { type Scheduler, startScheduler } from './start.ts';

let plane: ControlPlane;
let scheduler: Scheduler;
const namespace = 'default';

before(async () => {
  plane = await startControlPlane();
  const { client, informers, trace } = plane;
  const log = createLog(
    (level, message, fields) => level !== 'debug' && console.error(level, message, fields),
  );
  scheduler = await startScheduler({
    client,
    informers,
    trace,
    clock: systemClock,
    random: systemRandom,
    log,
  });
});
after(async () => {
  await scheduler[Symbol.asyncDispose]();
  await plane.stop();
});

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + 10_000;
  while (!(await isSo())) {
    if (Date.now() > end) throw new Error(`timed out waiting for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Without what only the server gives. */
const fresh = <T extends { metadata: { uid?: string }; status?: unknown }>(object: T): T => {
  const { uid: _, ...metadata } = object.metadata;
  const { status: _status, ...rest } = object;
  return { ...rest, metadata } as T;
};

async function addNode(name: string, cpu: string): Promise<void> {
  const node = makeNode(name, { allocatable: { cpu } });
  await plane.client(nodes).create(fresh(node));
  await plane.client(nodes).patch(name, { status: node.status }, { subresource: 'status' });
  // A new node may be tainted until somebody says that it is ready.
  await plane.client(nodes).patch(name, { spec: { taints: null } });
}

const nodeOf = async (name: string) => (await plane.client(pods).get(name, { namespace })).spec.nodeName;

test('a pod waits for a node, says why, and gets it', async () => {
  const { client, trace } = plane;
  await client(pods).create(fresh(makePod('first', { requests: { cpu: '1' } })));
  const condition = async () =>
    (await client(pods).get('first', { namespace })).status?.conditions?.find(
      (c) => c.type === 'PodScheduled',
    );
  await until('a reason', async () => (await condition())?.reason === 'Unschedulable');
  assert.equal((await condition())?.message, 'no nodes available to schedule pods');
  await addNode('small', '500m');
  await addNode('large', '2');
  await until('bound', async () => (await nodeOf('first')) === 'large');
  const pod = await client(pods).get('first', { namespace });
  assert.equal(pod.status?.conditions?.find((c) => c.type === 'PodScheduled')?.status, 'True');
  await until('events', async () => {
    const { items } = await client(events).list({ namespace });
    const reasons = items.filter((e) => e.involvedObject.name === 'first').map((e) => e.reason);
    return reasons.includes('Scheduled') && reasons.includes('FailedScheduling');
  });
  const steps = trace
    .of('pods', namespace, 'first')
    .filter((r) => r.component === 'scheduler')
    .map((r) => r.event);
  assert.deepEqual([steps[0], ...steps.slice(-2)], ['pod queued', 'node chosen', 'pod bound']);
});

test('a more important pod takes the place of a lesser one', async () => {
  const { client } = plane;
  const kubelet = plane.informers(pods).on({
    update({ metadata }) {
      if (metadata.deletionTimestamp)
        void client(pods).delete(metadata.name!, { namespace, gracePeriodSeconds: 0 });
    },
  });
  await client(priorityClasses).create({ metadata: { name: 'vip' }, value: 100 });
  await client(pods).create(fresh(makePod('vip', { priorityClassName: 'vip', requests: { cpu: '1500m' } })));
  await until('the lesser one is gone', async () =>
    (await client(pods).list({ namespace })).items.every((p) => p.metadata.name !== 'first'),
  );
  await until('bound', async () => (await nodeOf('vip')) === 'large');
  kubelet();
  const told = (await client(events).list({ namespace })).items.find((e) => e.reason === 'Preempted');
  assert.match(told!.message!, /^Preempted by pod .* on node large$/);
});

test('explain tells what each plugin says of each node', () => {
  const explanation = scheduler.explain(makePod('q', { requests: { cpu: '1' } }));
  const [small, large] = ['small', 'large'].map((name) => explanation.nodes.find((n) => n.node === name)!);
  assert.equal(small!.fits, false);
  assert.equal(small!.filters.find((f) => f.plugin === 'NodeResourcesFit')?.verdict, 'Insufficient cpu');
  assert.equal(large!.filters.find((f) => f.plugin === 'TaintToleration')?.verdict, 'fits');
});

test('many pods are bound quickly', async () => {
  const { client } = plane;
  await addNode('huge', '1000');
  await client(nodes).patch('huge', { status: { allocatable: { pods: '2000' } } }, { subresource: 'status' });
  const names = Array.from({ length: 500 }, (_, i) => `many-${i}`);
  await Promise.all(
    names.map((name) => client(pods).create(fresh(makePod(name, { requests: { cpu: '10m' } })))),
  );
  await until(
    'all bound',
    async () =>
      plane
        .informers(pods)
        .list(namespace)
        .filter((p) => p.metadata.name!.startsWith('many-') && p.spec.nodeName).length === 500,
  );
});
