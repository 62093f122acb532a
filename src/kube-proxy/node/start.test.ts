// The whole way: API objects in, packets through. In a node's network namespace made for the purpose.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { services } from '../../api/core/service.ts';
import { endpointSlices } from '../../api/discovery/endpoint-slice.ts';
import { systemClock } from '../../cluster/node/platform.ts';
import { silentLog } from '../../machinery/log.ts';
import { startControlPlane } from '../../testing/control-plane.ts';
import { startKubeProxy } from '../start.ts';
import { service, slice } from '../testdata/objects.ts';
import { iptables } from './iptables.ts';
import { createLab, lab } from './testdata/lab.ts';

test('a pod that becomes ready is reachable within a second', async (t) => {
  await using world = await createLab('start', 1);
  await using plane = await startControlPlane();
  await world.pods[0]!.serve('tcp', 8080, 'pod');
  await using proxy = await startKubeProxy({
    ...{ client: plane.client, informers: plane.informers, trace: plane.trace, clock: systemClock },
    ...{ random: Math.random, log: silentLog, nodeName: 'here', clusterCIDR: lab.clusterCIDR, prefix: 'W1-' },
    backend: iptables({ netns: world.netns }),
  });
  const { spec } = await plane.client(services).create(service('web', {}));
  await proxy.synced();
  const call = async () => (await world.node.call(spec!.clusterIP!, 80))[0];
  while ((await call()) !== 'ECONNREFUSED') await new Promise((resolve) => setTimeout(resolve, 5));

  const targetRef = { kind: 'Pod', namespace: 'default', name: 'a', uid: 'a' };
  const endpoint = { addresses: [lab.podIP(0)], nodeName: 'here', targetRef };
  const made = await plane
    .client(endpointSlices)
    .create(slice('web', [{ ...endpoint, conditions: { ready: false } }]));
  // Meanwhile, every connection is refused or answered: none falls between two tables.
  const callUntil = async (wanted: RegExp) => {
    const start = performance.now();
    for (;;) {
      const answer = (await call())!;
      assert.match(answer, /^(ECONNREFUSED$|pod )/);
      if (wanted.test(answer)) return Math.round(performance.now() - start);
      assert.ok(performance.now() - start < 1000);
      // The kernel sends at most 1000 ICMP errors a second: faster callers are not all refused.
      await new Promise((resolve) => setTimeout(resolve, 3));
    }
  };
  for (let round = 0; round < 5; round++) {
    const update = async (ready: boolean) => {
      const endpoints = [{ ...endpoint, conditions: { ready } }];
      await plane
        .client(endpointSlices)
        .patch(made.metadata.name!, { endpoints }, { namespace: 'default', type: 'merge' });
    };
    await update(true);
    t.diagnostic(`reachable after ${await callUntil(/^pod/)} ms`);
    await update(false);
    t.diagnostic(`refused after ${await callUntil(/^ECONN/)} ms`);
  }
  assert.equal(plane.trace.of('pods', 'default', 'a')[0]?.event, 'service rules written');
  assert.match(await world.inside('iptables-save', '-t', 'nat'), /-j W1-SERVICES/);
  await proxy[Symbol.asyncDispose]();
  await proxy.cleanup();
  assert.doesNotMatch(await world.inside('iptables-save'), /W1-/);
});
