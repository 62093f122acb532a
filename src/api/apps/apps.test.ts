import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Kind } from '../../machinery/kind.ts';
import { type AnyObject, clone } from '../../machinery/meta.ts';
import { controllerRevisions } from './controller-revision.ts';
import { daemonSets } from './daemon-set.ts';
import { deployments } from './deployment.ts';
import { replicaSets } from './replica-set.ts';
import { statefulSets } from './stateful-set.ts';

const context = { nowMs: 100_000, user: 'u', random: () => 0 };
const selector = { matchLabels: { app: 'web' } };
const template = {
  metadata: { labels: { app: 'web' } },
  spec: {
    containers: [
      { name: 'c', image: 'i:1' },
      { name: 'd', image: 'j:2' },
    ],
  },
};
function made(kind: Kind<any>, spec: any = {}, status?: any): any {
  const object: AnyObject = {
    metadata: { name: 'a', namespace: 'd' },
    spec: { selector: clone(selector), template: clone(template), ...spec },
  };
  kind.rules.defaults!(object);
  return { ...object, status };
}
const errors = (kind: Kind<any>, object: any): string[] =>
  kind.rules.validate!(object, context).map((e) => `${e.field}: ${e.message}`);
const cells = (kind: Kind<any>, object: any) =>
  Object.fromEntries(kind.columns.map((c) => [c.name, c.value(object, context.nowMs)]));

test('the documented defaults', () => {
  const { strategy, revisionHistoryLimit, progressDeadlineSeconds, replicas } = made(deployments).spec;
  assert.deepEqual(
    { strategy, revisionHistoryLimit, progressDeadlineSeconds, replicas },
    {
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '25%', maxSurge: '25%' } },
      revisionHistoryLimit: 10,
      progressDeadlineSeconds: 600,
      replicas: 1,
    },
  );
  assert.equal(made(deployments).spec.template.spec.restartPolicy, 'Always');
  assert.deepEqual(made(daemonSets).spec.updateStrategy, {
    type: 'RollingUpdate',
    rollingUpdate: { maxUnavailable: 1, maxSurge: 0 },
  });
  const set = made(statefulSets, {
    volumeClaimTemplates: [
      {
        metadata: { name: 'v' },
        spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1' } } },
      },
    ],
  });
  assert.deepEqual(set.spec.updateStrategy, { type: 'RollingUpdate', rollingUpdate: { partition: 0 } });
  assert.equal(set.spec.podManagementPolicy, 'OrderedReady');
  assert.equal(set.spec.volumeClaimTemplates[0].spec.volumeMode, 'Filesystem');
  assert.deepEqual(set.spec.volumeClaimTemplates[0].status, { phase: 'Pending' });
});

test('a daemon set counts how often its template changes, whatever its writer says', () => {
  const { prepareCreate, prepareUpdate } = daemonSets.rules;
  const generation = ({ metadata }: any) => metadata.annotations['deprecated.daemonset.template.generation'];
  const old = made(daemonSets);
  prepareCreate!(old, context as any);
  assert.equal(generation(old), '1');
  const same = made(daemonSets, { minReadySeconds: 5 });
  prepareUpdate!(same, old, context as any);
  assert.equal(generation(same), '1');
  const changed = made(daemonSets);
  changed.spec.template.spec.containers[0].image = 'i:2';
  changed.metadata.annotations = { 'deprecated.daemonset.template.generation': '9', a: 'b' };
  prepareUpdate!(changed, old, context as any);
  assert.deepEqual(changed.metadata.annotations, { 'deprecated.daemonset.template.generation': '2', a: 'b' });
});

test('what has its defaults is right', () => {
  for (const kind of [deployments, replicaSets, daemonSets, statefulSets] as Kind<any>[])
    assert.deepEqual(errors(kind, made(kind)), [], kind.kind);
  const mounts = clone(template) as any;
  mounts.spec.containers[0].volumeMounts = [{ name: 'v', mountPath: '/v' }];
  assert.deepEqual(
    errors(
      statefulSets,
      made(statefulSets, {
        template: mounts,
        volumeClaimTemplates: [
          {
            metadata: { name: 'v' },
            spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1' } } },
          },
        ],
      }),
    ),
    [],
  );
});

test('what is wrong is named by its field', () => {
  const cases: [Kind<any>, any, string][] = [
    [deployments, { selector: undefined }, 'spec.selector: Required value'],
    [
      deployments,
      { selector: { matchLabels: { app: 'x' } } },
      'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`',
    ],
    [
      deployments,
      { selector: {} },
      'spec.selector: Invalid value: {}: empty selector is invalid for deployment',
    ],
    [deployments, { replicas: -1 }, 'spec.replicas: Invalid value: -1: must be greater than or equal to 0'],
    [
      deployments,
      { strategy: { type: 'Recreate', rollingUpdate: {} } },
      "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'",
    ],
    [
      deployments,
      { strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: '0%' } } },
      'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "0%": may not be 0 when `maxSurge` is 0',
    ],
    [
      deployments,
      { progressDeadlineSeconds: 5, minReadySeconds: 5 },
      'spec.progressDeadlineSeconds: Invalid value: 5: must be greater than minReadySeconds',
    ],
    [
      deployments,
      { template: { ...template, spec: { ...template.spec, restartPolicy: 'Never' } } },
      'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
    ],
    [
      daemonSets,
      { updateStrategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 1 } } },
      'spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero',
    ],
    [
      statefulSets,
      { podManagementPolicy: 'Any' },
      "spec.podManagementPolicy: Invalid value: \"Any\": must be 'OrderedReady' or 'Parallel'",
    ],
    [statefulSets, { serviceName: 'A' }, 'spec.serviceName: Invalid value: "A": a lowercase RFC 1123 label'],
  ];
  for (const [kind, spec, expected] of cases) {
    const found = errors(kind, made(kind, clone(spec)));
    assert.ok(
      found.some((e) => e.startsWith(expected)),
      `${expected}\n${found.join('\n')}`,
    );
  }
  assert.match(
    errors(deployments, made(deployments, { template: undefined })).join(),
    /spec.template.spec.containers: Required value/,
  );
});

test('what may change', () => {
  const old = made(statefulSets, { serviceName: 's' });
  const change = (spec: any) =>
    statefulSets.rules.validateUpdate!({ ...old, spec: { ...old.spec, ...spec } }, old, context).length;
  assert.equal(change({ replicas: 3, ordinals: { start: 1 } }), 0);
  assert.equal(change({ serviceName: 't' }), 1);
  assert.deepEqual(deployments.rules.immutable, ['spec.selector']);
  const changes = deployments.rules.generation as (a: any, b: any) => boolean;
  const deployment = made(deployments);
  assert.equal(changes(deployment, deployment), false);
  assert.equal(changes({ ...deployment, metadata: { annotations: { a: 'b' } } }, deployment), true);
  const status = deployments.rules.validateStatus!(
    { ...deployment, status: { replicas: 1, readyReplicas: 2 } },
    { ...deployment, status: { collisionCount: 1 } },
    context,
  );
  assert.deepEqual(
    status.map((e) => e.field),
    ['status.readyReplicas', 'status.collisionCount'],
  );
});

test('columns', () => {
  const wide = { Containers: 'c,d', Images: 'i:1,j:2' };
  const common = { Name: 'a', Age: '<unknown>' };
  assert.deepEqual(
    cells(deployments, made(deployments, { replicas: 2 }, { readyReplicas: 1, updatedReplicas: 2 })),
    {
      ...common,
      ...wide,
      Ready: '1/2',
      'Up-to-date': 2,
      Available: 0,
      Selector: 'app=web',
    },
  );
  assert.deepEqual(cells(daemonSets, made(daemonSets, {}, { desiredNumberScheduled: 2, numberReady: 1 })), {
    ...common,
    ...wide,
    Desired: 2,
    Current: 0,
    Ready: 1,
    'Up-to-date': 0,
    Available: 0,
    'Node Selector': '<none>',
    Selector: 'app=web',
  });
  assert.deepEqual(cells(statefulSets, made(statefulSets)), { ...common, ...wide, Ready: '0/1' });
  const revision = {
    metadata: {
      name: 'a',
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'DaemonSet', name: 'w', uid: 'u', controller: true }],
    },
    revision: 3,
  };
  assert.deepEqual(cells(controllerRevisions, revision), {
    ...common,
    Controller: 'daemonset.apps/w',
    Revision: 3,
  });
});
