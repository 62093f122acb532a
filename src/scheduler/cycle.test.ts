import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node, Pod, PodAffinityTerm, PodSpec } from '../api/core/v1.gen.ts';
import { feasibleWanted } from './cycle.ts';
import { type Diagnosis, diagnosisMessage } from './diagnosis.ts';
import { makeNode, makePod, makeWorld } from './fixtures.ts';
import { podInfo } from './pod-info.ts';
import { Preemption } from './preemption.ts';

/** `node a`, or the message. */
function outcome(nodes: Node[], pods: Pod[], pod: Pod, options?: Parameters<typeof makeWorld>[2]): string {
  const result = makeWorld(nodes, pods, options).schedule(pod);
  return 'node' in result ? `node ${result.node.name}` : diagnosisMessage(result as Diagnosis, '');
}

const zones = ['a', 'b', 'c'].map((z) => makeNode(z, { labels: { zone: z } }));
const web = { labels: { app: 'web' } };
const near = (topologyKey: string, more: Partial<PodAffinityTerm> = {}): PodAffinityTerm => ({
  topologyKey,
  labelSelector: { matchLabels: { app: 'web' } },
  ...more,
});
const required = (kind: 'podAffinity' | 'podAntiAffinity', term: PodAffinityTerm): Partial<PodSpec> => ({
  affinity: { [kind]: { requiredDuringSchedulingIgnoredDuringExecution: [term] } },
});
const spread = (maxSkew: number, more = {}): Partial<PodSpec> => ({
  topologySpreadConstraints: [
    {
      maxSkew,
      topologyKey: 'zone',
      whenUnsatisfiable: 'DoNotSchedule',
      labelSelector: { matchLabels: { app: 'web' } },
      ...more,
    },
  ],
});

const cases: [string, () => string, string][] = [
  ['an empty cluster', () => outcome([], [], makePod('p')), 'no nodes available to schedule pods'],
  [
    'resources, counted over nodes and sorted by text',
    () =>
      outcome(
        [
          makeNode('a'),
          makeNode('b', { allocatable: { cpu: '1' } }),
          makeNode('c', { spec: { unschedulable: true } }),
        ],
        [],
        makePod('p', { requests: { cpu: '2', memory: '9Gi' } }),
      ),
    '0/3 nodes are available: 1 Insufficient cpu, 1 node(s) were unschedulable, 2 Insufficient memory.',
  ],
  [
    'the least allocated node wins',
    () =>
      outcome(
        [makeNode('a'), makeNode('b')],
        [makePod('x', { on: 'a', requests: { cpu: '1' } })],
        makePod('p', { requests: { cpu: '1' } }),
      ),
    'node b',
  ],
  [
    'init containers count by the largest, sidecars add up',
    () =>
      outcome(
        [makeNode('a')],
        [],
        makePod('p', {
          requests: { cpu: '2' },
          initContainers: [
            { name: 's', restartPolicy: 'Always', resources: { requests: { cpu: '1' } } },
            { name: 'i', resources: { requests: { cpu: '3500m' } } },
          ],
        }),
      ),
    '0/1 nodes are available: 1 Insufficient cpu.',
  ],
  [
    'extended resources',
    () =>
      outcome(
        [makeNode('a'), makeNode('b', { allocatable: { 'x.io/gpu': '1' } })],
        [],
        makePod('p', { requests: { 'x.io/gpu': '1' } }),
      ),
    'node b',
  ],
  [
    'taints',
    () =>
      outcome([makeNode('a', { spec: { taints: [{ key: 'k', effect: 'NoSchedule' }] } })], [], makePod('p')),
    '0/1 nodes are available: 1 node(s) had untolerated taint(s).',
  ],
  [
    'a tolerated taint',
    () =>
      outcome(
        [makeNode('a', { spec: { taints: [{ key: 'k', value: 'v', effect: 'NoSchedule' }] } })],
        [],
        makePod('p', { tolerations: [{ key: 'k', operator: 'Exists' }] }),
      ),
    'node a',
  ],
  [
    'PreferNoSchedule',
    () =>
      outcome(
        [makeNode('a', { spec: { taints: [{ key: 'k', effect: 'PreferNoSchedule' }] } }), makeNode('b')],
        [],
        makePod('p'),
      ),
    'node b',
  ],
  ['node selector', () => outcome(zones, [], makePod('p', { nodeSelector: { zone: 'c' } })), 'node c'],
  [
    'no node has the label',
    () => outcome(zones, [], makePod('p', { nodeSelector: { zone: 'd' } })),
    "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector.",
  ],
  [
    'a node named by field: the others are not even asked',
    () =>
      outcome(
        [makeNode('a', { allocatable: { pods: '0' } }), makeNode('b'), makeNode('c')],
        [],
        makePod('p', {
          affinity: {
            nodeAffinity: {
              requiredDuringSchedulingIgnoredDuringExecution: {
                nodeSelectorTerms: [
                  { matchFields: [{ key: 'metadata.name', operator: 'In', values: ['a'] }] },
                ],
              },
            },
          },
        }),
      ),
    "0/3 nodes are available: 1 Too many pods, 2 node(s) didn't satisfy plugin(s) [NodeAffinity].",
  ],
  [
    'host ports',
    () => {
      const ports = {
        containers: [{ name: 'c', ports: [{ containerPort: 80, hostPort: 80, hostIP: '10.0.0.1' }] }],
      };
      const any = { containers: [{ name: 'c', ports: [{ containerPort: 80, hostPort: 80 }] }] };
      return outcome(
        [makeNode('a'), makeNode('b')],
        [makePod('x', { on: 'a', ...ports })],
        makePod('p', any),
      );
    },
    'node b',
  ],
  [
    'affinity follows',
    () =>
      outcome(zones, [makePod('x', { on: 'b' }, web)], makePod('p', required('podAffinity', near('zone')))),
    'node b',
  ],
  [
    'affinity to nobody',
    () => outcome(zones, [], makePod('p', required('podAffinity', near('zone')))),
    "0/3 nodes are available: 3 node(s) didn't match pod affinity rules.",
  ],
  [
    'the first of a group may go anywhere',
    () => outcome(zones.slice(0, 1), [], makePod('p', required('podAffinity', near('zone')), web)),
    'node a',
  ],
  [
    'anti-affinity, by its own rule and by the rule of one that is there',
    () =>
      outcome(
        zones.slice(0, 2),
        [
          makePod('x', { on: 'a' }, web),
          makePod('y', { on: 'b', ...required('podAntiAffinity', near('zone', { labelSelector: {} })) }),
        ],
        makePod('p', required('podAntiAffinity', near('zone'))),
      ),
    "0/2 nodes are available: 1 node(s) didn't match pod anti-affinity rules, 1 node(s) didn't satisfy existing pods anti-affinity rules.",
  ],
  [
    'a term by namespace label',
    () =>
      outcome(
        zones,
        [makePod('x', { on: 'c' }, { ...web, namespace: 'other' })],
        makePod(
          'p',
          required('podAffinity', near('zone', { namespaceSelector: { matchLabels: { team: 't' } } })),
        ),
        { namespaces: { other: { team: 't' } } },
      ),
    'node c',
  ],
  [
    'spreading',
    () =>
      outcome(
        zones,
        [makePod('x', { on: 'a' }, web), makePod('y', { on: 'b' }, web)],
        makePod('p', spread(1), web),
      ),
    'node c',
  ],
  [
    'spreading over more domains than there are',
    () =>
      outcome(
        zones,
        zones.map((n) => makePod('x', { on: n.metadata.name }, web)),
        makePod('p', spread(1, { minDomains: 4 }), web),
      ),
    "0/3 nodes are available: 3 node(s) didn't match pod topology spread constraints.",
  ],
  [
    'pods of one set spread by default',
    () =>
      outcome(zones.slice(0, 2), [makePod('x', { on: 'a' }, web)], makePod('p', {}, web), {
        siblings: { matchLabels: { app: 'web' } },
      }),
    'node b',
  ],
  [
    'an image that is there already',
    () =>
      outcome(
        [makeNode('a'), makeNode('b', { images: [{ names: ['app:latest'], sizeBytes: 900 * 2 ** 20 }] })],
        [],
        makePod('p'),
      ),
    'node b',
  ],
  [
    'a missing claim',
    () =>
      outcome(
        zones,
        [],
        makePod('p', { volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'data' } }] }),
      ),
    '0/3 nodes are available: persistentvolumeclaim "data" not found.',
  ],
];

for (const [name, run, expected] of cases) test(name, () => assert.equal(run(), expected));

test('how many nodes are enough', () => {
  assert.deepEqual(
    [10, 100, 250, 1000, 5000, 6250, 20_000].map((n) => feasibleWanted(n)),
    [10, 100, 120, 420, 500, 312, 1000],
  );
});

test('counts follow pods and node labels', () => {
  const world = makeWorld(zones, [makePod('x', { on: 'a' }, web)]);
  const pod = () => makePod('p', required('podAffinity', near('zone')));
  const chosen = () => {
    const result = world.schedule(pod());
    return 'node' in result ? result.node.name : undefined;
  };
  assert.equal(chosen(), 'a');
  const y = makePod('y', { on: 'b' }, web);
  world.cache.setPod(y);
  world.cache.setNode(makeNode('a', { labels: { zone: 'c' }, spec: { unschedulable: true } }));
  world.cache.setNode(makeNode('b', { labels: { zone: 'b' }, spec: { unschedulable: true } }));
  assert.equal(chosen(), 'c');
  world.cache.removePod(y.metadata.uid!);
  world.cache.removeNode('a');
  assert.equal(chosen(), undefined);
});

test('preemption takes the fewest and least important, and spares what a budget guards', () => {
  const cpu = (n: string) => ({ requests: { cpu: n } });
  const pods = [
    makePod('a1', { on: 'a', priority: 5, ...cpu('4') }),
    makePod('b1', { on: 'b', priority: 1, ...cpu('2') }, web),
    makePod('b2', { on: 'b', priority: 2, ...cpu('2') }),
  ];
  const world = makeWorld(
    [makeNode('a'), makeNode('b'), makeNode('c', { spec: { unschedulable: true } })],
    pods,
  );
  const pod = podInfo(makePod('p', { priority: 10, ...cpu('2') }));
  const find = (budgets: any[]) => {
    const preemption = new Preemption(
      world.cycle,
      world.nominator,
      () => 0,
      () => budgets,
    );
    const found = preemption.find(pod, world.cycle.schedule(pod) as Diagnosis);
    return typeof found === 'string' ? found : `${found.node.name}: ${found.victims.map((v) => v.name)}`;
  };
  assert.equal(find([]), 'b: b1');
  const guard = { spec: { selector: { matchLabels: { app: 'web' } } }, status: { disruptionsAllowed: 0 } };
  assert.equal(find([guard]), 'b: b2');
  // The cache is as it was.
  assert.equal(find([]), 'b: b1');
  const weak = podInfo(makePod('weak', { priority: 0, ...cpu('2') }));
  const preemption = new Preemption(
    world.cycle,
    world.nominator,
    () => 0,
    () => [],
  );
  assert.equal(
    preemption.find(weak, world.cycle.schedule(weak) as Diagnosis),
    'preemption: 0/3 nodes are available: 1 Preemption is not helpful for scheduling, 2 No preemption victims found for incoming pod.',
  );
});

test('a nominated pod holds its place against lesser ones', () => {
  const world = makeWorld([makeNode('a')]);
  world.nominator.set(podInfo(makePod('n', { priority: 10, requests: { cpu: '3' } })), 'a');
  assert.ok(!('node' in world.schedule(makePod('low', { priority: 1, requests: { cpu: '2' } }))));
  assert.ok('node' in world.schedule(makePod('high', { priority: 20, requests: { cpu: '2' } })));
});
