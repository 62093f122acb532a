import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bridgeConflist, bridgeName, masqueradeChains, masqueradeJumps, masqueradeRules } from './bridge.ts';

test('names a bridge for each cluster, within the limit of the kernel', () => {
  assert.equal(bridgeName('wherry'), 'wb-wherry');
  const names = [
    'my-very-long-cluster-1',
    'my-very-long-cluster-2',
    'Ünïcode',
    'dots.in.it',
    'x'.repeat(300),
  ];
  const bridges = names.map(bridgeName);
  assert.equal(new Set(bridges).size, names.length);
  for (const bridge of [...bridges, bridgeName('exactly12chr')]) assert.match(bridge, /^wb-[a-z0-9-]{1,12}$/);
});

test('the chains of two clusters differ and fit iptables', () => {
  const [a, b] = [masqueradeChains(bridgeName('exactly12chr')), masqueradeChains(bridgeName('b'))];
  for (const chain of Object.values(a)) assert.ok(chain.length <= 28, chain);
  assert.notEqual(a.nat, b.nat);
  assert.deepEqual(masqueradeJumps('wb-b'), [
    { table: 'nat', chain: 'POSTROUTING', target: b.nat },
    { table: 'filter', chain: 'FORWARD', target: b.filter },
  ]);
});

test('the configuration is a CNI network list', () => {
  const network = { name: 'w', podCIDR: '10.1.2.0/24', bridge: 'wb-w', mtu: 1400, ipamDir: '/run/w/ipam' };
  const { name, cniVersion, plugins } = bridgeConflist(network);
  assert.deepEqual(
    [name, cniVersion, plugins.map(({ type }) => type)],
    ['w', '0.4.0', ['bridge', 'portmap']],
  );
  assert.deepEqual(plugins[0]!['ipam'], {
    type: 'host-local',
    dataDir: '/run/w/ipam',
    ranges: [[{ subnet: '10.1.2.0/24' }]],
    routes: [{ dst: '0.0.0.0/0' }],
  });
  assert.throws(() => bridgeConflist({ ...network, bridge: 'sixteen-bytes-xx' }), RangeError);
});

test('masquerades what leaves the cluster, and nothing else', () => {
  const rules = masqueradeRules({ bridge: 'wb-w', podCIDR: '10.1.2.0/24', clusterCIDR: '10.1.0.0/16' });
  const nat = rules
    .slice(0, rules.indexOf('COMMIT'))
    .split('\n')
    .filter((line) => line.startsWith('-A'));
  assert.deepEqual(
    nat.map((line) => line.replace(/ -m comment --comment "[^"]*"/, '')),
    [
      '-A WHERRY-POST-wb-w -s 10.1.2.0/24 -d 10.1.0.0/16 -j RETURN',
      '-A WHERRY-POST-wb-w -s 10.1.2.0/24 -d 224.0.0.0/4 -j RETURN',
      '-A WHERRY-POST-wb-w -s 10.1.2.0/24 -j MASQUERADE --random-fully',
    ],
  );
});
