import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ControllerRevision, StatefulSet } from '../../../api/apps/v1.gen.ts';
import type { Pod } from '../../../api/core/v1.gen.ts';
import type { Action } from '../../runtime/actions.ts';
import { type Observed, reconcile } from './stateful-set.ts';

const now = Date.parse('2026-01-01T00:00:00Z');
const template = (image: string) => ({
  metadata: { labels: { app: 'db' } },
  spec: { containers: [{ name: 'c', image }] },
});

const set = (
  spec: Partial<StatefulSet['spec']> = {},
  status: Partial<StatefulSet['status']> = {},
): StatefulSet => ({
  metadata: { name: 'db', namespace: 'ns', uid: 's', generation: 1 },
  spec: {
    replicas: 3,
    serviceName: 'db',
    selector: { matchLabels: { app: 'db' } },
    template: template('new'),
    updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 0 } },
    ...spec,
  },
  status: { replicas: 0, currentRevision: 'old', ...status },
});

const revision = (name: string, n: number): ControllerRevision => ({
  metadata: { name, namespace: 'ns', uid: name },
  data: { spec: { template: { ...template(name), $patch: 'replace' } } },
  revision: n,
});
const revisions = [revision('old', 1), revision('new', 2)];

type State = 'ready' | 'pending' | 'failed' | 'leaving';
const pod = (n: number, of = 'new', state: State = 'ready'): Pod => ({
  metadata: {
    name: `db-${n}`,
    namespace: 'ns',
    uid: `p${n}`,
    labels: { app: 'db', 'controller-revision-hash': of, 'statefulset.kubernetes.io/pod-name': `db-${n}` },
    ownerReferences: [{ apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'db', uid: 's', controller: true }],
    ...(state === 'leaving' ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}),
  },
  spec: { containers: [] },
  status: {
    phase: state === 'pending' ? 'Pending' : state === 'failed' ? 'Failed' : 'Running',
    conditions: [{ type: 'Ready', status: state === 'ready' ? 'True' : 'False' }],
  },
});

const observed = (...owned: Pod[]): Observed => ({ owned, orphans: [], revisions, claims: () => undefined });
const steps = (actions: Action[]): string[] =>
  actions.flatMap((a) => {
    if (a.do === 'create')
      return [`+${a.object.metadata.name}:${a.object.metadata.labels?.['controller-revision-hash'] ?? ''}`];
    return a.do === 'remove' ? [`-${a.object.metadata.name}`] : [];
  });

const cases: [string, StatefulSet, Pod[], string[]][] = [
  ['the first comes first', set(), [], ['+db-0:new']],
  ['the next waits until the one before it is ready', set(), [pod(0, 'new', 'pending')], []],
  ['then it comes', set(), [pod(0)], ['+db-1:new']],
  [
    'in parallel, all at once',
    set({ podManagementPolicy: 'Parallel' }),
    [pod(1)],
    ['+db-0:new', '+db-2:new'],
  ],
  ['a failed one is made anew', set(), [pod(0, 'new', 'failed')], ['-db-0']],
  [
    'scaling down takes the highest number, one at a time',
    set({ replicas: 1 }),
    [pod(0), pod(1), pod(2)],
    ['-db-2'],
  ],
  ['and waits until it is gone', set({ replicas: 1 }), [pod(0), pod(1), pod(2, 'new', 'leaving')], []],
  [
    'an update begins with the highest number',
    set(),
    [pod(0, 'old'), pod(1, 'old'), pod(2, 'old')],
    ['-db-2'],
  ],
  ['and goes on once it works', set(), [pod(0, 'old'), pod(1, 'old'), pod(2)], ['-db-1']],
  [
    'not beyond the partition',
    set({ updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 2 } } }),
    [pod(0, 'old'), pod(1, 'old'), pod(2)],
    [],
  ],
  [
    'below the partition a lost pod comes back as it was',
    set({ updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 2 } } }),
    [pod(1, 'old'), pod(2)],
    ['+db-0:old'],
  ],
  [
    'on delete, nothing is replaced',
    set({ updateStrategy: { type: 'OnDelete' } }),
    [pod(0, 'old'), pod(1), pod(2)],
    [],
  ],
  [
    'several may be missing at once',
    set({ updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 0, maxUnavailable: 2 } } }),
    [pod(0, 'old'), pod(1, 'old'), pod(2, 'old')],
    ['-db-2', '-db-1'],
  ],
  ['numbers may begin elsewhere', set({ replicas: 1, ordinals: { start: 5 } }), [], ['+db-5:new']],
  [
    'claims come before the pod',
    set({ volumeClaimTemplates: [{ metadata: { name: 'data' }, spec: {} }] }),
    [],
    ['+data-db-0:', '+db-0:new'],
  ],
];
for (const [name, object, pods, expected] of cases)
  test(name, () => assert.deepEqual(steps(reconcile(object, observed(...pods), now)), expected));

test('once all are of the new template, it is the current one', () => {
  const status = (
    reconcile(set(), observed(pod(0), pod(1), pod(2)), now).find((a) => a.do === 'setStatus') as any
  ).status;
  assert.equal(status.currentRevision, 'new');
  assert.equal(status.currentReplicas, 3);
});
