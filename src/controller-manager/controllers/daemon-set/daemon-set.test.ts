import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DaemonSet } from '../../../api/apps/v1.gen.ts';
import type { Node, Pod, Taint } from '../../../api/core/v1.gen.ts';
import type { Action } from '../../runtime/actions.ts';
import { history } from '../controller-revisions.ts';
import { reconcile } from './daemon-set.ts';
import { nodeOf } from './placement.ts';

const now = Date.parse('2026-01-01T00:00:00Z');
const set = (spec: Partial<DaemonSet['spec']> = {}): DaemonSet => ({
  metadata: { name: 'agent', namespace: 'ns', uid: 'd', generation: 1 },
  spec: {
    selector: { matchLabels: { app: 'agent' } },
    template: { metadata: { labels: { app: 'agent' } }, spec: { containers: [{ name: 'c' }] } },
    updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1, maxSurge: 0 } },
    ...spec,
  },
});
const surging = set({
  updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
});
const current = history(set(), { kind: 'DaemonSet', group: 'apps', version: 'v1' } as any, [], {
  labels: {},
  hashLabel: 'h',
  collided: () => ({ do: 'requeueAfter', ms: 0 }),
}).newest.metadata.labels!.h!;

const node = (name: string, taints: Taint[] = []): Node => ({
  metadata: { name, labels: { kind: name[0]! } },
  spec: { taints },
});
const pod = (on: string, version: 'new' | 'old' = 'new', ready = true, phase = 'Running'): Pod => ({
  metadata: {
    name: `${on}-${version}`,
    namespace: 'ns',
    uid: `${on}-${version}`,
    labels: { app: 'agent', 'controller-revision-hash': version === 'new' ? current : 'old' },
    ownerReferences: [
      { apiVersion: 'apps/v1', kind: 'DaemonSet', name: 'agent', uid: 'd', controller: true },
    ],
  },
  spec: { nodeName: on, containers: [] },
  status: { phase, conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] },
});

const run = (ds: DaemonSet, nodes: Node[], owned: Pod[], retryMs = 0): Action[] =>
  reconcile(ds, { nodes, owned, orphans: [], revisions: [], retryIn: () => retryMs }, now);
const brief = (actions: Action[]): string[] =>
  actions.flatMap((a) => {
    if (a.do === 'create' && a.kind.kind === 'Pod') return [`+${nodeOf(a.object as Pod)}`];
    return a.do === 'remove' ? [`-${a.object.metadata.name}`] : [];
  });

const [a, b, c] = [node('a'), node('b'), node('c')];
const cases: [string, Action[], string[]][] = [
  ['one on each node', run(set(), [a, b], [pod('a')]), ['+b']],
  [
    'not where the selector does not lead',
    run(set({ template: { spec: { containers: [], nodeSelector: { kind: 'b' } } } }), [a, b], []),
    ['+b'],
  ],
  ['not on a tainted node', run(set(), [node('a', [{ key: 'k', effect: 'NoSchedule' }])], []), []],
  [
    'but one that is there stays',
    run(set(), [node('a', [{ key: 'k', effect: 'NoSchedule' }])], [pod('a')]),
    [],
  ],
  [
    'unless it is to be driven away',
    run(set(), [node('a', [{ key: 'k', effect: 'NoExecute' }])], [pod('a')]),
    ['-a-new'],
  ],
  [
    'a cordoned node is no obstacle',
    run(set(), [node('a', [{ key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' }])], []),
    ['+a'],
  ],
  ['a failed one is replaced', run(set(), [a], [pod('a', 'new', false, 'Failed')]), ['-a-new']],
  ['but not at once again', run(set(), [a], [pod('a', 'new', false, 'Failed')], 1000), []],
  [
    'an update, one at a time',
    run(set(), [a, b, c], [pod('a', 'old'), pod('b', 'old'), pod('c', 'old')]),
    ['-a-old'],
  ],
  ['waiting for the new one', run(set(), [a, b], [pod('a', 'new', false), pod('b', 'old')]), []],
  [
    'what does not work goes at once',
    run(set(), [a, b], [pod('a', 'old', false), pod('b', 'old', false)]),
    ['-a-old', '-b-old'],
  ],
  ['with a surge the new one comes first', run(surging, [a, b], [pod('a', 'old'), pod('b', 'old')]), ['+a']],
  ['and the old one goes once it works', run(surging, [a], [pod('a', 'old'), pod('a')]), ['-a-old']],
  ['on delete, nothing', run(set({ updateStrategy: { type: 'OnDelete' } }), [a], [pod('a', 'old')]), []],
];
for (const [name, actions, expected] of cases) test(name, () => assert.deepEqual(brief(actions), expected));
