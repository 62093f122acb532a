import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Service } from '../api/core/v1.gen.ts';
import type { Endpoint } from '../api/discovery/v1.gen.ts';
import { type ProxyNode, routeService } from './service-map.ts';
import { service, slice } from './testdata/objects.ts';

const here: ProxyNode = { name: 'here', zone: 'a', podCIDR: '10.0.0.0/24' };
const on = (ip: string, more: Partial<Endpoint> = {}): Endpoint => ({
  addresses: [ip],
  nodeName: 'here',
  ...more,
});
const leaving = { conditions: { ready: false, serving: true, terminating: true } };
const unready = { conditions: { ready: false, serving: false } };
const away = { nodeName: 'there' };

function routed(spec: Service['spec'], endpoints: (string | Endpoint)[], node = here) {
  const [first] = routeService(
    service('web', { clusterIP: '10.96.0.1', ...spec }),
    [slice('web', endpoints)],
    node,
  );
  const ips = (list: readonly { ip: string }[]) => list.map(({ ip }) => ip).join(' ');
  const { cluster, local, reachable, anywhere, localReady } = first!;
  return { cluster: ips(cluster), local: ips(local), reachable: ips(reachable), anywhere, localReady };
}

test('ready endpoints; else those that still serve while they terminate', () => {
  assert.equal(routed({}, ['10.0.0.2', '10.0.0.1', on('10.0.0.3', unready)]).cluster, '10.0.0.1 10.0.0.2');
  assert.equal(routed({}, ['10.0.0.1', on('10.0.0.2', leaving)]).cluster, '10.0.0.1');
  assert.equal(routed({}, [on('10.0.0.2', leaving), on('10.0.0.3', unready)]).cluster, '10.0.0.2');
  assert.equal(routed({}, [on('10.0.0.3', unready)]).anywhere, false);
  assert.equal(
    routed({}, [on('10.0.0.9', { conditions: {} })]).cluster,
    '10.0.0.9',
    'unknown counts as ready',
  );
});

test('traffic policy Local', () => {
  const both = ['10.0.0.1', on('10.0.1.1', away)];
  assert.deepEqual(routed({ internalTrafficPolicy: 'Local' }, both), {
    ...{ cluster: '', local: '10.0.0.1', reachable: '10.0.0.1', anywhere: true, localReady: 1 },
  });
  const external: Service['spec'] = {
    type: 'NodePort',
    externalTrafficPolicy: 'Local',
    ports: [{ port: 80, nodePort: 30000, protocol: 'TCP' }],
  };
  assert.deepEqual(routed(external, both), {
    ...{ cluster: '10.0.0.1 10.0.1.1', local: '10.0.0.1', reachable: '10.0.0.1 10.0.1.1', anywhere: true },
    localReady: 1,
  });
  // Ready ones are elsewhere; the local one still serves: each policy falls back by itself.
  assert.deepEqual(routed(external, [on('10.0.0.1', leaving), on('10.0.1.1', away)]), {
    ...{
      cluster: '10.0.1.1',
      local: '10.0.0.1',
      reachable: '10.0.1.1 10.0.0.1',
      anywhere: true,
      localReady: 0,
    },
  });
  assert.equal(routed(external, [on('10.0.1.1', away)]).local, '');
});

test('hints: the same node before the same zone, and only when each ready endpoint has one', () => {
  const hinted = (ip: string, zone: string, node?: string) =>
    on(ip, { hints: { forZones: [{ name: zone }], ...(node ? { forNodes: [{ name: node }] } : {}) } });
  const zones = [hinted('10.0.0.1', 'a'), hinted('10.0.0.2', 'b')];
  assert.equal(routed({}, zones).cluster, '10.0.0.1');
  assert.equal(routed({}, zones, { name: 'here', zone: 'c' }).cluster, '10.0.0.1 10.0.0.2');
  assert.equal(routed({}, [...zones, '10.0.0.3']).cluster, '10.0.0.1 10.0.0.2 10.0.0.3');
  assert.equal(
    routed({}, [hinted('10.0.0.1', 'a', 'there'), hinted('10.0.0.2', 'b', 'here')]).cluster,
    '10.0.0.2',
  );
});

test('ports are matched by name and protocol; one address counts once', () => {
  const ports = [
    { name: 'a', port: 80, protocol: 'TCP' },
    { name: 'b', port: 80, protocol: 'UDP' },
  ];
  const slices = [
    slice('web', ['10.0.0.1'], [{ name: 'a', port: 1000, protocol: 'TCP' }]),
    slice(
      'web',
      ['10.0.0.1', '10.0.0.2'],
      [
        { name: 'a', port: 1000, protocol: 'TCP' },
        { name: 'b', port: 2000, protocol: 'TCP' },
      ],
    ),
  ];
  const [a, b] = routeService(service('web', { clusterIP: '10.96.0.1', ports }), slices, here);
  assert.deepEqual(
    a!.cluster.map(({ ip, port }) => `${ip}:${port}`),
    ['10.0.0.1:1000', '10.0.0.2:1000'],
  );
  assert.deepEqual(b!.cluster, []);
});

test('services that are not proxied', () => {
  const none = (spec: Service['spec'], labels = {}) =>
    routeService({ ...service('x', spec), metadata: { name: 'x', namespace: 'y', labels } }, [], here)
      .length === 0;
  assert.ok(none({ clusterIP: 'None' }));
  assert.ok(none({ type: 'ExternalName', externalName: 'example.com' }));
  assert.ok(none({ clusterIP: '10.96.0.1' }, { 'service.kubernetes.io/service-proxy-name': 'other' }));
  assert.ok(none({ clusterIP: 'fd00::1' }));
});

test('text that is no address goes no further', () => {
  const spec: Service['spec'] = {
    type: 'LoadBalancer',
    clusterIP: '10.96.0.1',
    externalIPs: ['1.2.3.4', '1.2.3.4 -j ACCEPT', '::1'],
    loadBalancerSourceRanges: [' 10.0.0.0/8', '10.0.0.0/33', 'x\n-F'],
  };
  const status = {
    loadBalancer: { ingress: [{ ip: '9.9.9.9' }, { ip: '8.8.8.8', ipMode: 'Proxy' }, { hostname: 'x' }] },
  };
  const [first] = routeService(service('web', spec, status), [slice('web', ['1.1.1.1\n'])], here);
  assert.deepEqual(first!.port.externalIPs, ['1.2.3.4']);
  assert.deepEqual(first!.port.sourceRanges, ['10.0.0.0/8']);
  assert.deepEqual(first!.port.loadBalancerIPs, ['9.9.9.9']);
  assert.deepEqual(first!.cluster, []);
});
