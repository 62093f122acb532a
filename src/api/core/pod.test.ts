import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AnyObject, clone } from '../../machinery/meta.ts';
import { pods } from './pod.ts';
import type { Pod } from './v1.gen.ts';

const context = { nowMs: 100_000, user: 'u', random: () => 0 };
function pod(spec: any, status?: any, metadata?: any): Pod {
  const object = {
    metadata: { name: 'a', namespace: 'd', ...metadata },
    spec: { containers: [{ name: 'c', image: 'i' }], ...spec },
  };
  pods.rules.defaults!(object);
  return { ...object, ...(status ? { status } : {}) };
}
const errors = (object: Pod): string[] =>
  pods.rules.validate!(object, context).map((e) => `${e.field}: ${e.message}`);
const cells = (object: Pod) =>
  Object.fromEntries(pods.columns.map((c) => [c.name, c.value(object, context.nowMs)]));

test('a pod of one container gets the documented defaults, and is right', () => {
  const object = pod({
    containers: [
      {
        name: 'c',
        image: 'reg:5000/i',
        ports: [{ containerPort: 80 }],
        resources: { limits: { cpu: '1' } },
        livenessProbe: { httpGet: { port: 80 } },
      },
    ],
    volumes: [{ name: 'v' }, { name: 's', secret: { secretName: 'x' } }],
  });
  const [c] = object.spec.containers;
  assert.equal(c!.imagePullPolicy, 'Always');
  assert.deepEqual(c!.resources!.requests, { cpu: '1' });
  assert.deepEqual(c!.livenessProbe!.httpGet, { port: 80, path: '/', scheme: 'HTTP' });
  assert.equal(c!.ports![0]!.protocol, 'TCP');
  assert.deepEqual(object.spec.volumes![0], { name: 'v', emptyDir: {} });
  assert.equal(object.spec.volumes![1]!.secret!.defaultMode, 420);
  assert.equal(object.spec.restartPolicy, 'Always');
  assert.deepEqual(errors(object), []);
  const before = clone(object);
  pods.rules.defaults!(object);
  assert.deepEqual(object, before);
});

test('images with a tag or a digest are pulled only if absent', () => {
  const policy = (image: string) =>
    pod({ containers: [{ name: 'c', image }] }).spec.containers[0]!.imagePullPolicy;
  assert.equal(policy('i:1'), 'IfNotPresent');
  assert.equal(policy('i:latest'), 'Always');
  assert.equal(policy('i@sha256:abc'), 'IfNotPresent');
});

test('quality of service', () => {
  const qos = (...resources: any[]) => {
    const object = pod({
      containers: resources.map((r, i) => ({ name: `c${i}`, image: 'i', resources: r })),
    });
    pods.rules.prepareCreate!(object, context);
    return object.status!.qosClass;
  };
  assert.equal(qos({}), 'BestEffort');
  assert.equal(qos({ limits: { cpu: '1', memory: '1Gi' } }), 'Guaranteed');
  assert.equal(qos({ limits: { cpu: '1', memory: '1Gi' } }, {}), 'Burstable');
  assert.equal(qos({ requests: { cpu: '1' } }), 'Burstable');
});

test('what is wrong is named by its field', () => {
  const wrong = pod({
    containers: [
      {
        name: 'C_',
        image: '',
        ports: [{ containerPort: 70000, name: 'x' }],
        volumeMounts: [{ name: 'none', mountPath: '/x' }],
      },
      {
        name: 'd',
        image: 'i',
        env: [{ name: 'A=B', value: 'x' }],
        resources: { requests: { cpu: '2' }, limits: { cpu: '1' } },
      },
      { name: 'd', image: 'i', livenessProbe: { exec: { command: ['x'] }, httpGet: { port: 1 } } },
    ],
    tolerations: [{ operator: 'Equal', value: 'x' }],
    restartPolicy: 'Sometimes',
  });
  const found = errors(wrong);
  const has = (text: string) =>
    assert.ok(
      found.some((e) => e.startsWith(text)),
      `${text}\n${found.join('\n')}`,
    );
  has('spec.containers[0].name: Invalid value: "C_": a lowercase RFC 1123 label must consist of');
  has('spec.containers[0].image: Required value');
  has(
    'spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive',
  );
  has('spec.containers[0].volumeMounts[0].name: Not found: "none"');
  has('spec.containers[1].env[0].name: Invalid value: "A=B"');
  has(
    'spec.containers[1].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1',
  );
  has('spec.containers[2].name: Duplicate value: "d"');
  has('spec.containers[2].livenessProbe.httpGet: Forbidden: may not specify more than 1 handler type');
  has('spec.tolerations[0].operator: Invalid value: "Equal": operator must be Exists when `key` is empty');
  has('spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "Never", "OnFailure"');
});

test('only a few fields of a pod may change', () => {
  const old = pod({ nodeName: 'n' });
  const change = (edit: (p: Pod) => void, subresource?: string) => {
    const next = clone(old);
    edit(next);
    return pods.rules.validateUpdate!(next, old, { ...context, subresource }).map((e) => e.message);
  };
  assert.deepEqual(
    change((p) => {
      p.spec.containers[0]!.image = 'j';
    }),
    [],
  );
  assert.deepEqual(
    change((p) => {
      p.spec.tolerations = [{ operator: 'Exists' }];
    }),
    [],
  );
  assert.match(
    change((p) => {
      p.spec.nodeName = 'm';
    })[0]!,
    /^Forbidden: pod updates may not change fields other than `spec.containers\[\*\].image`/,
  );
  assert.match(
    change((p) => {
      p.spec.containers.push({ name: 'x', image: 'i' });
    })[0]!,
    /may not add or remove containers/,
  );
  assert.deepEqual(
    change((p) => {
      p.spec.nodeName = 'm';
    }, 'binding'),
    [],
  );
  assert.deepEqual(
    change((p) => {
      p.spec.ephemeralContainers = [{ name: 'e', image: 'i' }];
    }, 'ephemeralcontainers'),
    [],
  );
  assert.deepEqual(
    change((p) => {
      p.spec.containers[0]!.resources = { requests: { cpu: '1' } };
    }, 'resize'),
    [],
  );
  assert.equal(
    change((p) => {
      p.spec.containers[0]!.image = 'j';
    }, 'resize').length,
    1,
  );
});

test('columns: what kubectl get pods shows', () => {
  const running = (name: string, restartCount = 0, extra = {}) => ({
    name,
    ready: true,
    restartCount,
    state: { running: {} },
    ...extra,
  });
  const show = (spec: any, status: any, metadata?: any) => {
    const { Ready, Status, Restarts } = cells(pod(spec, status, metadata));
    return [Ready, Status, Restarts].join(' ');
  };
  assert.equal(show({}, { phase: 'Pending' }), '0/1 Pending 0');
  assert.equal(show({}, { phase: 'Running', containerStatuses: [running('c')] }), '1/1 Running 0');
  const crashed = {
    name: 'c',
    ready: false,
    restartCount: 3,
    state: { waiting: { reason: 'CrashLoopBackOff' } },
    lastState: { terminated: { finishedAt: '1970-01-01T00:01:35Z', exitCode: 1 } },
  };
  assert.equal(
    show({}, { phase: 'Running', containerStatuses: [crashed] }),
    '0/1 CrashLoopBackOff 3 (5s ago)',
  );
  const two = {
    initContainers: [
      { name: 'i0', image: 'i' },
      { name: 'i1', image: 'i' },
    ],
  };
  assert.equal(
    show(two, {
      phase: 'Pending',
      initContainerStatuses: [
        { name: 'i0', state: { terminated: { exitCode: 0 } } },
        { name: 'i1', state: { running: {} } },
      ],
    }),
    '0/1 Init:1/2 0',
  );
  assert.equal(
    show(two, {
      phase: 'Pending',
      initContainerStatuses: [{ name: 'i0', state: { terminated: { exitCode: 1, reason: 'Error' } } }],
    }),
    '0/1 Init:Error 0',
  );
  assert.equal(
    show(
      {},
      {
        phase: 'Succeeded',
        containerStatuses: [{ name: 'c', state: { terminated: { exitCode: 0, reason: 'Completed' } } }],
      },
    ),
    '0/1 Completed 0',
  );
  assert.equal(
    show({}, { phase: 'Running', containerStatuses: [running('c')] }, { deletionTimestamp: 'x' }),
    '1/1 Terminating 0',
  );
  const sidecar = { initContainers: [{ name: 's', image: 'i', restartPolicy: 'Always' }] };
  assert.equal(
    show(sidecar, {
      phase: 'Running',
      initContainerStatuses: [running('s', 0, { started: true })],
      containerStatuses: [running('c')],
    }),
    '2/2 Running 0',
  );
  assert.equal(
    show(
      { schedulingGates: [{ name: 'g' }] },
      {
        phase: 'Pending',
        conditions: [{ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated' }],
      },
    ),
    '0/1 SchedulingGated 0',
  );
});

test('grace: a pod that runs nowhere goes at once', () => {
  const grace = (spec: any, status: any, requested?: number) =>
    pods.rules.gracePeriod!(pod(spec, status), requested);
  assert.equal(grace({}, {}), 0);
  assert.equal(grace({ nodeName: 'n' }, {}), 30);
  assert.equal(grace({ nodeName: 'n' }, {}, 5), 5);
  assert.equal(grace({ nodeName: 'n' }, { phase: 'Failed' }, 5), 0);
});

test('field selectors of pods', () => {
  const select = pods.rules.fieldSelectors!;
  assert.equal(select['spec.nodeName']!(pod({ nodeName: 'n' })), 'n');
  assert.equal(select['status.phase']!({ metadata: {}, spec: { containers: [] } } as AnyObject as Pod), '');
});
