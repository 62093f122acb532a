import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node, Pod, Taint } from '../../../api/core/v1.gen.ts';
import type { Action } from '../../runtime/actions.ts';
import { lostConditions, wantedTaints } from './conditions.ts';
import { partsOf } from './ipam.ts';
import { reconcile } from './lifecycle.ts';
import { reconcile as evict, evictionTime } from './taint-eviction.ts';

const now = Date.parse('2026-01-01T00:00:00Z');
const node = (ready?: string, taints?: Taint[], spec: Partial<Node['spec']> = {}): Node => ({
  metadata: { name: 'n', uid: 'n', creationTimestamp: '2025-12-31T00:00:00Z' },
  spec: { ...(taints ? { taints } : {}), ...spec },
  status: { conditions: ready ? [{ type: 'Ready', status: ready }] : [] },
});
const short = (taints: Taint[]) => taints.map((t) => `${t.key.split('/')[1]}:${t.effect}`);
const notReady = [
  { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/not-ready', effect: 'NoExecute' },
];

const taintCases: [string, Node, boolean, string[]][] = [
  ['a ready node has none', node('True', notReady), true, []],
  ['not ready', node('False'), true, ['not-ready:NoSchedule', 'not-ready:NoExecute']],
  [
    'unreachable takes the place of not ready',
    node('Unknown', notReady),
    true,
    ['unreachable:NoSchedule', 'unreachable:NoExecute'],
  ],
  ['nobody is driven away while we are cut off', node('Unknown'), false, ['unreachable:NoSchedule']],
  ['cordoned', node('True', undefined, { unschedulable: true }), true, ['unschedulable:NoSchedule']],
  ['those of others stay', node('True', [{ key: 'x/y', effect: 'NoExecute' }]), true, ['y:NoExecute']],
];
for (const [name, object, may, expected] of taintCases)
  test(name, () => assert.deepEqual(short(wantedTaints(object, may, now)), expected));

const observed = (silentMs: number, pods: Pod[] = []) => ({
  lastSeenMs: now - silentMs,
  pods,
  nodes: [],
  mayEvict: () => true,
});
const patches = (actions: Action[]) => actions.flatMap((a) => (a.do === 'patch' ? [a.patch as any] : []));

test('a silent node becomes Unknown after its grace, once', () => {
  assert.equal(patches(reconcile(node('True'), observed(49_000), now, 50_000)).length, 0);
  const [patch] = patches(reconcile(node('True'), observed(50_000), now, 50_000));
  const ready = patch.status.conditions.find((c: any) => c.type === 'Ready');
  assert.deepEqual([ready.status, ready.reason], ['Unknown', 'NodeStatusUnknown']);
  const lost = node();
  lost.status!.conditions = lostConditions(lost, now);
  assert.equal(lostConditions(lost, now + 1000), undefined);
});

test('pods of a node that is not ready are not ready', () => {
  const pod: Pod = {
    metadata: { name: 'p', uid: 'p' },
    spec: { containers: [] },
    status: { conditions: [{ type: 'Ready', status: 'True' }] },
  };
  const [, mark] = patches(reconcile(node('False'), observed(0, [pod]), now, 50_000));
  assert.equal(mark.status.conditions[0].status, 'False');
});

test('tolerations decide when a pod goes', () => {
  const taint = { key: 'k', effect: 'NoExecute', timeAdded: '2026-01-01T00:00:00Z' };
  const pod = (...tolerations: any[]): Pod => ({
    metadata: { name: 'p', uid: 'p' },
    spec: { containers: [], tolerations },
  });
  const at = (p: Pod) => evictionTime(p, [taint], () => now);
  assert.equal(at(pod()), 0);
  assert.equal(at(pod({ key: 'k', operator: 'Exists' })), undefined);
  assert.equal(
    at(
      pod(
        { key: 'k', operator: 'Exists', tolerationSeconds: 5 },
        { operator: 'Exists', tolerationSeconds: 3 },
      ),
    ),
    now + 3000,
  );
  const all = [pod(), pod({ operator: 'Exists', tolerationSeconds: 5 })];
  const actions = evict(node('True', [taint]), { pods: all, firstSeen: () => now }, now);
  assert.deepEqual(
    actions.map((a) => a.do),
    ['patch', 'remove', 'requeueAfter'],
  );
});

test('parts of a network', () => {
  assert.deepEqual([...partsOf('10.244.0.0/22', 24)].slice(1, 3), ['10.244.1.0/24', '10.244.2.0/24']);
  const [first, second] = partsOf('fd00:10:244::/56', 64);
  assert.deepEqual([first, second], ['fd00:10:244::/64', 'fd00:10:244:1::/64']);
});
