import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { leases } from '../api/coordination/lease.ts';
import { configMaps } from '../api/core/config-map.ts';
import { events } from '../api/core/event.ts';
import { nodes } from '../api/core/node.ts';
import { pods } from '../api/core/pod.ts';
import type { Pod } from '../api/core/v1.gen.ts';
import { systemClock, systemRandom } from '../cluster/node/platform.ts';
import { type SimulatedRuntime, simulatedRuntime } from '../cri/simulated.ts';
import { createLog, silentLog } from '../machinery/log.ts';
import { isNotFound } from '../machinery/status.ts';
import { type ControlPlane, startControlPlane } from '../testing/control-plane.ts';
import { type Kubelet, startKubelet } from './kubelet.ts';
import { simulatedHost } from './simulated-host.ts';

const log = process.env.LOG ? createLog((l, m, f) => console.log(l, m, f)) : silentLog;
const namespace = 'default';
let plane: ControlPlane;
let runtime: SimulatedRuntime;
let kubelet: Kubelet;

const start = () =>
  startKubelet({
    client: plane.client,
    informers: plane.informers,
    clock: systemClock,
    random: systemRandom,
    log,
    trace: plane.trace,
    runtime,
    host: simulatedHost({ clock: systemClock, nodeName: 'node1', readLog: (path) => runtime.readLog(path) }),
    nodeName: 'node1',
    nodeIP: '10.0.0.1',
    podCIDR: '10.244.0.0/24',
    clusterDNS: '10.96.0.10',
  });

before(async () => {
  plane = await startControlPlane({ log });
  // The controller manager's part.
  await plane
    .client(configMaps)
    .create({ metadata: { name: 'kube-root-ca.crt', namespace }, data: { 'ca.crt': 'ca' } });
  runtime = simulatedRuntime({ clock: systemClock, random: systemRandom, podCIDR: '10.244.0.0/24' });
  kubelet = await start();
  await kubelet.whenReady();
});
after(async () => {
  await kubelet?.stop();
  await runtime?.[Symbol.asyncDispose]();
  await plane?.stop();
});

const podOf = (
  name: string,
  spec: Partial<Pod['spec']> & object,
  annotations: Record<string, string> = {},
): Pod => ({
  metadata: { name, namespace, annotations },
  spec: {
    nodeName: 'node1',
    containers: [{ name: 'main', image: 'busybox:1' }],
    terminationGracePeriodSeconds: 1,
    ...spec,
  },
});
const until = async (name: string, is: (pod: Pod) => unknown, ms = 8000): Promise<Pod> => {
  const end = Date.now() + ms;
  for (;;) {
    const pod = await plane.client(pods).get(name, { namespace });
    if (is(pod)) return pod;
    if (Date.now() > end) assert.fail(`${name} is ${JSON.stringify(pod.status, null, 1)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};
const condition = ({ status }: Pod, type: string) => status?.conditions?.find((c) => c.type === type)?.status;
const isReady = (pod: Pod) => condition(pod, 'Ready') === 'True';
const gone = async (name: string): Promise<void> => {
  const end = Date.now() + 8000;
  while (Date.now() < end) {
    try {
      await plane.client(pods).get(name, { namespace });
    } catch (error) {
      if (isNotFound(error)) return;
      throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.fail(`${name} is still there`);
};

test('the node registers, with its lease', async () => {
  const node = await plane.client(nodes).get('node1');
  assert.equal(node.metadata.labels?.['kubernetes.io/hostname'], 'node1');
  assert.equal(node.spec?.podCIDR, '10.244.0.0/24');
  assert.equal(node.status?.allocatable?.cpu, '8');
  assert.deepEqual(
    node.status?.conditions?.map(({ type, status }) => `${type}=${status}`),
    ['MemoryPressure=False', 'DiskPressure=False', 'PIDPressure=False', 'Ready=True'],
  );
  const lease = await plane.client(leases).get('node1', { namespace: 'kube-node-lease' });
  assert.equal(lease.spec?.holderIdentity, 'node1');
});

test('a pod runs, is reported, tells its log, and goes when it is deleted', async () => {
  await plane.client(pods).create(podOf('web', {}));
  const pod = await until('web', isReady);
  assert.equal(pod.status?.phase, 'Running');
  assert.match(pod.status?.podIP ?? '', /^10\.244\.0\./);
  assert.equal(pod.status?.hostIP, '10.0.0.1');
  const [status] = pod.status!.containerStatuses!;
  assert.equal(status?.restartCount, 0);
  assert.ok(
    status?.started && status.state?.running?.startedAt && status.containerID?.startsWith('containerd://'),
  );
  const told = () =>
    plane
      .client(events)
      .list({ namespace })
      .then(({ items }) =>
        items.filter(({ involvedObject }) => involvedObject.name === 'web').map(({ reason }) => reason),
      );
  while (!(await told()).includes('Started')) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual([...(await told())].sort(), ['Created', 'Pulled', 'Pulling', 'Started']);
  const steps = plane.trace.of('pods', namespace, 'web').map(({ step, event }) => `${step} ${event}`);
  for (const wanted of [
    '5 pod seen',
    '6 runPodSandbox',
    '7 sandbox created',
    '7 network ready',
    '7 image pulled',
    '7 container started',
    '8 pod ready',
  ])
    assert.ok(steps.includes(wanted), `${wanted} in ${steps}`);
  await plane.client(pods).delete('web', { namespace });
  await gone('web');
  const { items } = await runtime.listPodSandbox({});
  assert.ok(!items.some(({ metadata, state }) => metadata?.name === 'web' && state === 0));
});

test('a pod that ends is Succeeded, or Failed', async () => {
  await plane
    .client(pods)
    .create(podOf('good', { restartPolicy: 'Never' }, { 'simulation.wherry.dev/exit-after': '0s' }));
  await plane
    .client(pods)
    .create(
      podOf(
        'bad',
        { restartPolicy: 'Never' },
        { 'simulation.wherry.dev/exit-after': '0s', 'simulation.wherry.dev/exit-code': '3' },
      ),
    );
  const good = await until('good', ({ status }) => status?.phase === 'Succeeded');
  assert.equal(good.status?.containerStatuses?.[0]?.state?.terminated?.reason, 'Completed');
  const bad = await until('bad', ({ status }) => status?.phase === 'Failed');
  assert.equal(bad.status?.containerStatuses?.[0]?.state?.terminated?.exitCode, 3);
});

test('a crash is followed by a restart, a second one by a wait', async () => {
  await plane
    .client(pods)
    .create(
      podOf(
        'crash',
        {},
        { 'simulation.wherry.dev/exit-after': '0s', 'simulation.wherry.dev/exit-code': '1' },
      ),
    );
  const pod = await until(
    'crash',
    ({ status }) => status?.containerStatuses?.[0]?.state?.waiting?.reason === 'CrashLoopBackOff',
  );
  const [status] = pod.status!.containerStatuses!;
  assert.equal(status?.restartCount, 1);
  assert.equal(status?.lastState?.terminated?.exitCode, 1);
  assert.match(
    status?.state?.waiting?.message ?? '',
    /^back-off 10s restarting failed container=main pod=crash_default\(/,
  );
  assert.equal(pod.status?.phase, 'Running');
  await plane.client(pods).delete('crash', { namespace, gracePeriodSeconds: 0 });
});

test('init containers run first, in order; a sidecar stays', async () => {
  const quick = {
    'simulation.wherry.dev/exit-after.one': '0s',
    'simulation.wherry.dev/exit-after.two': '0s',
  };
  await plane.client(pods).create(
    podOf(
      'init',
      {
        initContainers: [
          { name: 'one', image: 'busybox:1' },
          { name: 'side', image: 'busybox:1', restartPolicy: 'Always' },
          { name: 'two', image: 'busybox:1' },
        ],
      },
      quick,
    ),
  );
  const pod = await until('init', isReady);
  const states = pod.status?.initContainerStatuses?.map(
    ({ name, state }) => `${name} ${Object.keys(state ?? {})}`,
  );
  assert.deepEqual(states, ['one terminated', 'side running', 'two terminated']);
  await plane.client(pods).delete('init', { namespace });
  await gone('init');
});

test('an image that cannot be pulled is tried again later', async () => {
  await plane
    .client(pods)
    .create(podOf('noimage', { containers: [{ name: 'main', image: 'registry.invalid/x:1' }] }));
  const pod = await until(
    'noimage',
    // The second of the two follows the first at once when the machine is busy.
    ({ status }) =>
      ['ErrImagePull', 'ImagePullBackOff'].includes(
        status?.containerStatuses?.[0]?.state?.waiting?.reason ?? '',
      ),
  );
  assert.equal(pod.status?.phase, 'Pending');
  await plane.client(pods).delete('noimage', { namespace });
  await gone('noimage');
});

test('a missing key keeps a container from being made', async () => {
  const env = [{ name: 'X', valueFrom: { configMapKeyRef: { name: 'none', key: 'x' } } }];
  await plane
    .client(pods)
    .create(podOf('noconfig', { containers: [{ name: 'main', image: 'busybox:1', env }] }));
  const pod = await until(
    'noconfig',
    ({ status }) => status?.containerStatuses?.[0]?.state?.waiting?.reason === 'CreateContainerConfigError',
  );
  assert.equal(pod.status?.containerStatuses?.[0]?.state?.waiting?.message, 'configmap "none" not found');
  await plane.client(pods).delete('noconfig', { namespace });
});

test('another kubelet takes running containers over', async () => {
  await plane.client(pods).create(podOf('stays', {}));
  const was = await until('stays', isReady);
  await kubelet.stop();
  kubelet = await start();
  await new Promise((resolve) => setTimeout(resolve, 1200));
  const is = await until('stays', isReady);
  assert.equal(
    is.status?.containerStatuses?.[0]?.containerID,
    was.status?.containerStatuses?.[0]?.containerID,
  );
  assert.equal(is.status?.containerStatuses?.[0]?.restartCount, 0);
  await plane.client(pods).delete('stays', { namespace });
  await gone('stays');
});
