import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { nodes } from '../api/core/node.ts';
import { services } from '../api/core/service.ts';
import { endpointSlices } from '../api/discovery/endpoint-slice.ts';
import { systemClock } from '../cluster/node/platform.ts';
import { silentLog } from '../machinery/log.ts';
import { type ControlPlane, startControlPlane } from '../testing/control-plane.ts';
import { healthServer } from './node/health-server.ts';
import type { SimulatedBackend } from './simulated.ts';
import { simulatedBackend } from './simulated.ts';
import { type KubeProxy, startKubeProxy } from './start.ts';
import { service, slice } from './testdata/objects.ts';

let plane: ControlPlane;
let proxy: KubeProxy;
let backend: SimulatedBackend;

beforeEach(async () => {
  plane = await startControlPlane();
  backend = simulatedBackend();
  proxy = await startKubeProxy({
    ...{
      client: plane.client,
      informers: plane.informers,
      clock: systemClock,
      random: Math.random,
      log: silentLog,
    },
    ...{ trace: plane.trace, nodeName: 'here', minSyncMs: 5, checkMs: 20, backend: async () => backend },
    health: healthServer('127.0.0.1'),
  });
});
afterEach(async () => {
  await proxy[Symbol.asyncDispose]();
  await plane.stop();
});

const pod = (name: string) => ({ kind: 'Pod', namespace: 'default', name, uid: `uid-${name}` });
const endpoint = (ip: string, name: string, ready = true) => ({
  ...{ addresses: [ip], nodeName: 'here', conditions: { ready }, targetRef: pod(name) },
});
/** Waits until the proxy has done what `condition` waits for. */
async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 400; i++) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.fail('did not come true');
}
const ips = (way: ReturnType<SimulatedBackend['toClusterIP']>) =>
  typeof way === 'object' ? way.map(({ ip }) => ip).join(' ') : way;

test('follows services and their endpoints, and says when a pod is reachable', async () => {
  await proxy.synced();
  const { spec } = await plane.client(services).create(service('web', {}));
  const to = () => ips(backend.toClusterIP(spec!.clusterIP!, 80));
  await until(() => to() === 'rejected');
  const made = await plane
    .client(endpointSlices)
    .create(slice('web', [endpoint('10.1.0.1', 'a'), endpoint('10.1.0.2', 'b', false)]));
  await until(() => to() === '10.1.0.1');
  const records = () =>
    plane.trace
      .where((r) => r.component === 'kube-proxy')
      .map((r) => `${r.step} ${r.event} ${r.namespace}/${r.name}`);
  assert.deepEqual(records(), ['8 service rules written default/a']);

  await plane
    .client(endpointSlices)
    .update({ ...made, endpoints: [endpoint('10.1.0.1', 'a'), endpoint('10.1.0.2', 'b')] });
  await until(() => to() === '10.1.0.1 10.1.0.2');
  assert.equal(records().length, 2);

  const { writes } = backend;
  await plane
    .client(endpointSlices)
    .patch(
      made.metadata.name!,
      { metadata: { annotations: { x: 'y' } } },
      { namespace: 'default', type: 'merge' },
    );
  await until(
    () =>
      plane.informers(endpointSlices).get(made.metadata.name!, 'default')?.metadata.annotations?.['x'] ===
      'y',
  );
  await proxy.synced();
  assert.equal(backend.writes, writes, 'nothing that matters changed');

  await plane.client(services).delete('web', { namespace: 'default' });
  await until(() => to() === undefined);
});

test('writes again what failed, and what somebody else removed', async () => {
  await proxy.synced();
  backend.fault = new Error('refused');
  const { spec } = await plane.client(services).create(service('web', {}));
  await new Promise((resolve) => setTimeout(resolve, 30));
  const to = () => backend.toClusterIP(spec!.clusterIP!, 80);
  assert.equal(to(), undefined);
  delete backend.fault;
  await until(() => to() === 'rejected');
  await backend.cleanup();
  await until(() => to() === 'rejected');
});

test('answers load balancers at the health check port', async () => {
  const { spec } = await plane
    .client(services)
    .create(
      service('web', { type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort: 31999 }),
    );
  const port = spec!.healthCheckNodePort ?? 31999;
  const ask = () => fetch(`http://127.0.0.1:${port}/healthz`).catch(() => undefined);
  await until(async () => (await ask())?.status === 503);
  await plane.client(endpointSlices).create(slice('web', [endpoint('10.1.0.1', 'a')]));
  await until(async () => (await ask())?.status === 200);
  const answer = await ask();
  assert.equal(answer!.headers.get('x-load-balancing-endpoint-weight'), '1');
  assert.deepEqual(await answer!.json(), {
    ...{ service: { namespace: 'default', name: 'web' }, localEndpoints: 1, serviceProxyHealthy: true },
  });
  await plane.client(services).delete('web', { namespace: 'default' });
  await until(async () => (await ask()) === undefined);
});

test('takes its zone and pod range from the node', async () => {
  const { spec } = await plane.client(services).create(service('web', {}));
  const zoned = (ip: string, zone: string) => ({
    addresses: [ip],
    conditions: { ready: true },
    nodeName: 'here',
    hints: { forZones: [{ name: zone }] },
  });
  await plane.client(endpointSlices).create(slice('web', [zoned('10.1.0.1', 'a'), zoned('10.1.0.2', 'b')]));
  const to = () => backend.toClusterIP(spec!.clusterIP!, 80);
  await until(() => ips(to()) === '10.1.0.1 10.1.0.2');
  await plane.client(nodes).create({
    metadata: { name: 'here', labels: { 'topology.kubernetes.io/zone': 'b' } },
    spec: { podCIDR: '10.1.0.0/24' },
  });
  await until(() => ips(to()) === '10.1.0.2');
  const [first] = to() as readonly { podCIDR?: string }[];
  assert.equal(first!.podCIDR, '10.1.0.0/24');
});
