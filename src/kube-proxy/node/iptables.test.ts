// Real packets through real rules, in network namespaces made for the purpose: the node is one of them.

import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { installPackages, missingPackages, requirements } from '../../cri/node/install.ts';
import { silentLog } from '../../machinery/log.ts';
import type { Backend } from '../backend.ts';
import { serviceMap } from '../service-map.ts';
import { service, slice } from '../testdata/objects.ts';
import { iptables, type Variant } from './iptables.ts';
import { createLab, type Lab, lab } from './testdata/lab.ts';

const node = { name: 'here', podCIDR: lab.podCIDR };
const [a, b, c] = [lab.podIP(0), lab.podIP(1), lab.podIP(2)];
const udp = [{ name: '', port: 8053, protocol: 'UDP' }];
const ip = { web: '10.96.0.1', sticky: '10.96.0.2', none: '10.96.0.3', dns: '10.96.0.4', away: '10.96.0.5' };
const ranges = { from: '10.96.0.6', other: '10.96.0.7' };

const services = [
  service('web', {
    type: 'NodePort',
    clusterIP: ip.web,
    ports: [{ port: 80, nodePort: 30080, protocol: 'TCP' }],
    externalIPs: ['203.0.113.1'],
  }),
  service('sticky', { clusterIP: ip.sticky, sessionAffinity: 'ClientIP' }),
  service('none', {
    type: 'NodePort',
    clusterIP: ip.none,
    ports: [{ port: 80, nodePort: 30081, protocol: 'TCP' }],
  }),
  service('dns', { clusterIP: ip.dns, ports: [{ port: 53, protocol: 'UDP' }] }),
  service('away', {
    type: 'NodePort',
    clusterIP: ip.away,
    externalTrafficPolicy: 'Local',
    ports: [{ port: 80, nodePort: 30082, protocol: 'TCP' }],
  }),
  service('kept', {
    type: 'NodePort',
    clusterIP: '10.96.0.8',
    externalTrafficPolicy: 'Local',
    ports: [{ port: 80, nodePort: 30083, protocol: 'TCP' }],
  }),
  ...(['from', 'other'] as const).map((name) =>
    service(
      name,
      {
        type: 'LoadBalancer',
        clusterIP: ranges[name],
        loadBalancerSourceRanges: [name === 'from' ? '192.168.77.0/24' : '192.168.78.0/24'],
      },
      { loadBalancer: { ingress: [{ ip: name === 'from' ? '203.0.113.2' : '203.0.113.3' }] } },
    ),
  ),
];
const three = [a, b, c];
const slices = [
  slice('web', three),
  slice('sticky', three),
  slice('dns', [a], udp),
  slice('away', [{ addresses: [a], nodeName: 'there' }]),
  slice('kept', [a]),
  slice('from', [a]),
  slice('other', [a]),
];
const all = () => serviceMap(services, slices, node);

/** How often each pod answered. */
const tally = (answers: string[]) => {
  const counts: Record<string, number> = {};
  for (const answer of answers) counts[answer.split(' ')[0]!] = (counts[answer.split(' ')[0]!] ?? 0) + 1;
  return counts;
};
/** Of 60 calls over three endpoints, each gets 20 on average; fewer than 5 happens once in 100,000 runs. */
const balanced = (answers: string[]) => {
  const counts = tally(answers);
  assert.deepEqual(Object.keys(counts).sort(), ['p0', 'p1', 'p2']);
  assert.ok(Math.min(...Object.values(counts)) >= 5, JSON.stringify(counts));
};

for (const variant of ['nft', 'legacy'] as Variant[]) {
  describe(`rules of ${variant} iptables`, () => {
    let world: Lab;
    let backend: Backend;
    const create = (prefix: string, masqueradeLocal?: boolean) =>
      iptables({ netns: world.netns, variant })({
        ...{ prefix, owner: prefix.toLowerCase(), mark: 0x4000, log: silentLog, masqueradeLocal },
        ...{ clusterCIDR: lab.clusterCIDR, nodeIP: lab.nodeIP },
      });

    before(async () => {
      const needed = requirements.filter((r) => ['iptables', 'conntrack', 'iproute2'].includes(r.package));
      await installPackages(missingPackages(needed), { log: silentLog });
      world = await createLab(variant, 3);
      for (const [i, pod] of world.pods.entries()) {
        await pod.serve('tcp', 8080, `p${i}`);
        await pod.serve('udp', 8053, `p${i}`);
      }
    });
    after(() => world[Symbol.asyncDispose]());
    beforeEach(async () => {
      backend = await create('TEST-');
      await backend.cleanup();
      await backend.write(all(), true);
    });

    test('a cluster IP reaches all endpoints in balance, from the node and from a pod', async () => {
      balanced(await world.node.call(ip.web, 80, 60));
      const answers = await world.pods[0]!.call(ip.web, 80, 60);
      balanced(answers);
      // Pods keep their address, except when they reach themselves.
      assert.ok(answers.includes(`p1 ${a}`) && answers.includes(`p0 ${lab.bridgeIP}`), answers.join());
    });

    test('without br_netfilter, pods of one bridge reach each other by masquerading', async () => {
      await world.inside('sysctl', '-qw', 'net.bridge.bridge-nf-call-iptables=0');
      try {
        // As it would be without: the answer comes from an address that was never asked.
        assert.deepEqual(await world.pods[1]!.call(ip.dns, 53, 1, 'udp'), ['TIMEOUT']);
        const masquerading = await create('TEST-', true);
        await masquerading.write(all(), true);
        const answers = await world.pods[0]!.call(ip.web, 80, 60);
        balanced(answers);
        assert.ok(
          answers.every((answer) => answer.endsWith(` ${lab.bridgeIP}`)),
          answers.join(),
        );
        assert.deepEqual(tally(await world.pods[1]!.call(ip.dns, 53, 3, 'udp')), { p0: 3 });
      } finally {
        await world.inside('sysctl', '-qw', 'net.bridge.bridge-nf-call-iptables=1');
      }
    });

    test('session affinity keeps a client at one endpoint, over full writes too', async () => {
      for (const from of [world.node, world.pods[0]!, world.client]) {
        const before = await from.call(ip.sticky, 80, 6);
        await backend.write(all(), true);
        const after = await from.call(ip.sticky, 80, 6);
        assert.equal(Object.keys(tally([...before, ...after])).length, 1, [...before, ...after].join());
      }
    });

    test('node ports, from outside, from the node, on 127.0.0.1; external IPs', async () => {
      const outside = await world.client.call(lab.nodeIP, 30080, 60);
      balanced(outside);
      assert.ok(
        outside.every((answer) => answer.endsWith(lab.bridgeIP)),
        'answers must come back this way',
      );
      balanced(await world.node.call('127.0.0.1', 30080, 60));
      balanced(await world.node.call(lab.nodeIP, 30080, 60));
      balanced(await world.pods[2]!.call(lab.nodeIP, 30080, 60));
      balanced(await world.client.call('203.0.113.1', 80, 60));
    });

    test('no endpoints is refused at once; none on this node is dropped, but pods get through', async () => {
      const refused = ['ECONNREFUSED'];
      assert.deepEqual(await world.node.call(ip.none, 80), refused);
      assert.deepEqual(await world.pods[0]!.call(ip.none, 80), refused);
      assert.deepEqual(await world.client.call(lab.nodeIP, 30081), refused);
      assert.deepEqual(await world.client.call(lab.nodeIP, 30082), ['TIMEOUT']);
      assert.deepEqual(tally(await world.pods[1]!.call(lab.nodeIP, 30082)), { p0: 1 });
      assert.deepEqual(tally(await world.node.call(lab.nodeIP, 30082)), { p0: 1 });
      // externalTrafficPolicy Local keeps the client's address.
      assert.deepEqual(await world.client.call(lab.nodeIP, 30083), [`p0 ${lab.clientIP}`]);
    });

    test('load balancer addresses, with source ranges', async () => {
      assert.deepEqual(tally(await world.client.call('203.0.113.2', 80)), { p0: 1 });
      assert.deepEqual(await world.client.call('203.0.113.3', 80), ['TIMEOUT']);
    });

    test('UDP follows its endpoints', async () => {
      const ask = () => world.pods[1]!.call(ip.dns, 53, 2, 'udp', 5353);
      assert.deepEqual(tally(await ask()), { p0: 2 });
      const moved = serviceMap(
        services,
        [...slices.filter((s) => s.metadata.name !== 'dns-1'), slice('dns', [c], udp)],
        node,
      );
      await backend.write(moved, false);
      assert.deepEqual(tally(await ask()), { p0: 2 }, 'conntrack knows the flow');
      assert.equal(await backend.dropStaleFlows(moved), 1);
      assert.deepEqual(tally(await ask()), { p2: 2 });
      const gone = serviceMap(services, [], node);
      await backend.write(gone, false);
      assert.deepEqual(await world.pods[0]!.call(ip.dns, 53, 1, 'udp'), ['ECONNREFUSED']);
    });

    test('writes only what changes, notices a flush, and leaves nothing behind', async () => {
      const rules = async () =>
        (await world.inside(`iptables-${variant}-save`)).split('\n').filter((line) => line.includes('TEST-'));
      const clean = await rules();
      const less = serviceMap(services.slice(0, 1), [slice('web', [a, b])], node);
      await backend.write(less, false);
      assert.deepEqual(Object.keys(tally(await world.node.call(ip.web, 80, 30))).sort(), ['p0', 'p1']);
      const afterPartial = await rules();
      // A full write by another process, with chains from before about: the same rules.
      await (await create('TEST-')).write(less, true);
      assert.deepEqual((await rules()).sort(), afterPartial.sort());
      await backend.write(all(), false);
      assert.deepEqual((await rules()).sort(), clean.sort());

      assert.equal(await backend.intact(), true);
      await world.inside(`iptables-${variant}`, '-t', 'nat', '-F');
      assert.equal(await backend.intact(), false);
      await backend.write(all(), true);
      assert.deepEqual((await rules()).sort(), clean.sort());

      const neighbour = await create('TEST-B-');
      await neighbour.write(all(), true);
      await backend.cleanup();
      assert.equal(await neighbour.intact(), true);
      balanced(await world.node.call(ip.web, 80, 60));
      await neighbour.cleanup();
      await neighbour.cleanup();
      assert.deepEqual(await rules(), []);
    });
  });
}
