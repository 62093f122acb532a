import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../../api/core/v1.gen.ts';
import type { PodDisruptionBudget, PodDisruptionBudgetSpec } from '../../api/policy/v1.gen.ts';
import { reconcile } from './disruption.ts';

const now = Date.parse('2026-01-01T00:10:00Z');
const budget = (
  spec: PodDisruptionBudgetSpec,
  disruptedPods?: Record<string, string>,
): PodDisruptionBudget => ({
  metadata: { name: 'b', namespace: 'ns', generation: 1 },
  spec,
  status: { disruptedPods },
});
const pod = (name: string, ready = true, owner: string | undefined = 'o'): Pod => ({
  metadata: {
    name,
    ...(owner
      ? {
          ownerReferences: [
            { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: owner, uid: owner, controller: true },
          ],
        }
      : {}),
  },
  spec: { containers: [] },
  status: { conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] },
});
const three = [pod('a'), pod('b'), pod('c')];

const cases: [string, PodDisruptionBudget, Pod[], number | undefined, number][] = [
  ['a number that must be there', budget({ minAvailable: 2 }), three, 3, 1],
  ['one is not ready already', budget({ minAvailable: 2 }), [pod('a'), pod('b'), pod('c', false)], 3, 0],
  ['a share of what is wanted, rounded up', budget({ minAvailable: '50%' }), three, 3, 1],
  ['what may be missing', budget({ maxUnavailable: 1 }), three, 3, 1],
  ['it counts what is wanted, not what is there', budget({ maxUnavailable: 1 }), [pod('a'), pod('b')], 3, 0],
  ['one is being evicted', budget({ minAvailable: 2 }, { a: '2026-01-01T00:09:00Z' }), three, 3, 0],
  ['an eviction that never came', budget({ minAvailable: 2 }, { a: '2026-01-01T00:01:00Z' }), three, 3, 1],
  ['nobody can say how many are wanted', budget({ maxUnavailable: 1 }), three, undefined, 0],
  ['a pod of nobody', budget({ maxUnavailable: 1 }), [...three, pod('d', true, '')], 3, 0],
];
for (const [name, object, pods, size, expected] of cases)
  test(name, () => {
    const actions = reconcile(object, { pods, scales: new Map([['o', size]]) }, now);
    const { status } = actions.find((a) => a.do === 'setStatus') as any;
    assert.equal(status.disruptionsAllowed, expected);
  });
