import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Deployment, ReplicaSet } from '../../../api/apps/v1.gen.ts';
import type { Action } from '../../runtime/actions.ts';
import { type Observed, reconcile } from './deployment.ts';
import { annotation } from './replica-sets.ts';
import { conditionOf } from './status.ts';

const now = Date.parse('2026-01-01T00:00:00Z');
const template = (image: string) => ({
  metadata: { labels: { app: 'web' } },
  spec: { containers: [{ name: 'c', image }] },
});

const deployment = (
  spec: Partial<Deployment['spec']> = {},
  status: Deployment['status'] = {},
): Deployment => ({
  metadata: { name: 'web', namespace: 'ns', uid: 'd', generation: 1, resourceVersion: '1', annotations: {} },
  spec: {
    replicas: 10,
    selector: { matchLabels: { app: 'web' } },
    template: template('v2'),
    strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 3, maxUnavailable: 2 } },
    progressDeadlineSeconds: 600,
    ...spec,
  },
  status,
});

const replicaSet = (
  image: string,
  size: number,
  available = size,
  more: Record<string, string> = {},
): ReplicaSet => ({
  metadata: {
    name: `web-${image}`,
    namespace: 'ns',
    uid: image,
    generation: 1,
    creationTimestamp: `2025-01-0${image.slice(1)}T00:00:00Z`,
    labels: { app: 'web', 'pod-template-hash': image },
    annotations: {
      [annotation.revision]: image.slice(1),
      [annotation.desiredReplicas]: '10',
      [annotation.maxReplicas]: '13',
      ...more,
    },
    ownerReferences: [{ apiVersion: 'apps/v1', kind: 'Deployment', name: 'web', uid: 'd', controller: true }],
  },
  spec: {
    replicas: size,
    selector: { matchLabels: { app: 'web', 'pod-template-hash': image } },
    template: { ...template(image), metadata: { labels: { app: 'web', 'pod-template-hash': image } } },
    minReadySeconds: 0,
  },
  status: { replicas: size, readyReplicas: available, availableReplicas: available, observedGeneration: 1 },
});

const observed = (...owned: ReplicaSet[]): Observed => ({
  owned,
  orphans: [],
  pods: new Map(),
  nameTaken: () => false,
});

/** What is done to ReplicaSets, in short: `web-v1: 10 -> 8`. */
const steps = (actions: Action[], sets: ReplicaSet[]): string[] =>
  actions.flatMap((a) => {
    if (a.do === 'create') return [`create ${(a.object as ReplicaSet).spec.replicas}`];
    if (a.do === 'remove') return [`remove ${a.object.metadata.name}`];
    if (a.do !== 'update') return [];
    const before = sets.find((rs) => rs.metadata.uid === a.object.metadata.uid)!;
    return [`${before.metadata.name}: ${before.spec.replicas} -> ${(a.object as ReplicaSet).spec.replicas}`];
  });

const rollout: [string, Partial<Deployment['spec']>, ReplicaSet[], string[]][] = [
  ['the first ReplicaSet has full size', {}, [], ['create 10']],
  ['a new one gets the surge only', {}, [replicaSet('v1', 10)], ['create 3']],
  [
    'old pods go as far as maxUnavailable allows',
    {},
    [replicaSet('v1', 10), replicaSet('v2', 3, 0)],
    ['web-v1: 10 -> 8'],
  ],
  ['the new one takes the freed room', {}, [replicaSet('v1', 8), replicaSet('v2', 3, 0)], ['web-v2: 3 -> 5']],
  ['unavailable new pods stop it', {}, [replicaSet('v1', 8), replicaSet('v2', 5, 0)], []],
  ['unavailable old pods go first', {}, [replicaSet('v1', 8, 5), replicaSet('v2', 5, 5)], ['web-v1: 8 -> 3']],
  ['at the end the old one empties', {}, [replicaSet('v1', 1), replicaSet('v2', 10)], ['web-v1: 1 -> 0']],
  ['recreate empties first', { strategy: { type: 'Recreate' } }, [replicaSet('v1', 10)], ['web-v1: 10 -> 0']],
  [
    'a paused one does nothing new',
    { paused: true, progressDeadlineSeconds: undefined },
    [replicaSet('v1', 10)],
    [],
  ],
  [
    'proportional scaling',
    { replicas: 20 },
    [replicaSet('v1', 8), replicaSet('v2', 5, 2)],
    ['web-v1: 8 -> 14', 'web-v2: 5 -> 9'],
  ],
  [
    'history beyond its limit is removed',
    { revisionHistoryLimit: 1 },
    [replicaSet('v0', 0), replicaSet('v1', 0), replicaSet('v2', 10)],
    ['remove web-v0'],
  ],
];

for (const [name, spec, sets, expected] of rollout) {
  test(name, () => {
    const d = deployment(spec);
    d.metadata.annotations = { [annotation.revision]: '2' };
    assert.deepEqual(steps(reconcile(d, observed(...sets), now), sets), expected);
  });
}

const statusOf = (actions: Action[]): any => actions.findLast((a) => a.do === 'setStatus')?.status;

test('a finished rollout says so as kubectl expects', () => {
  const status = statusOf(reconcile(deployment(), observed(replicaSet('v2', 10)), now));
  const progressing = conditionOf(status, 'Progressing')!;
  assert.equal(progressing.reason, 'NewReplicaSetAvailable');
  assert.equal(progressing.message, 'ReplicaSet "web-v2" has successfully progressed.');
  assert.equal(conditionOf(status, 'Available')?.status, 'True');
  assert.equal(status.updatedReplicas, 10);
  assert.equal(status.unavailableReplicas, undefined);
});

test('a rollout that stands still passes its deadline', () => {
  const at = new Date(now - 601_000).toISOString();
  const condition = {
    type: 'Progressing',
    status: 'True',
    reason: 'ReplicaSetUpdated',
    lastUpdateTime: at,
    lastTransitionTime: at,
  };
  const before = {
    replicas: 13,
    updatedReplicas: 5,
    readyReplicas: 8,
    availableReplicas: 8,
    conditions: [condition],
  };
  const status = statusOf(
    reconcile(deployment({}, before), observed(replicaSet('v1', 8), replicaSet('v2', 5, 0)), now),
  );
  assert.equal(conditionOf(status, 'Progressing')?.reason, 'ProgressDeadlineExceeded');
  assert.equal(conditionOf(status, 'Progressing')?.status, 'False');
});

test('undo: a template that comes back gets the next revision', () => {
  const actions = reconcile(
    deployment({ template: template('v1') }),
    observed(replicaSet('v1', 0), replicaSet('v2', 10)),
    now,
  );
  const changed = actions.find((a) => a.do === 'update')!.object;
  assert.equal(changed.metadata.annotations?.[annotation.revision], '3');
  assert.equal(changed.metadata.annotations?.[annotation.revisionHistory], '1');
  const noted = actions.find((a) => a.do === 'patch')! as { patch: any };
  assert.equal(noted.patch.metadata.annotations[annotation.revision], '3');
});

test('a name that is taken by another template counts as a collision', () => {
  const actions = reconcile(deployment(), { ...observed(), nameTaken: () => true }, now);
  assert.equal(statusOf(actions).collisionCount, 1);
});
