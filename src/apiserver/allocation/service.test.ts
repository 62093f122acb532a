import assert from 'node:assert/strict';
import { test } from 'node:test';
import { services } from '../../api/core/service.ts';
import type { Service } from '../../api/core/v1.gen.ts';
import { ipAddresses } from '../../api/networking/ip-address.ts';
import { serviceCIDRs } from '../../api/networking/service-cidr.ts';
import { memoryStore } from '../../etcd/memory.ts';
import { formatIP, ipBits } from '../../machinery/ip.ts';
import type { Store } from '../../machinery/store.ts';
import { type ControlPlane, startControlPlane } from '../../testing/control-plane.ts';
import { portsKey } from './node-ports.ts';

const service = (name: string, spec: object = {}): Partial<Service> => ({
  metadata: { name, namespace: 'default' },
  spec: { ports: [{ port: 80 }], selector: { a: 'b' }, ...spec },
});
const ns = { namespace: 'default' };
const merge = { ...ns, type: 'merge' as const };
const make = (plane: ControlPlane, name: string, spec: object = {}, options = {}) =>
  plane.client(services).create(service(name, spec) as never, options);
const ownersOf = async (plane: ControlPlane) =>
  Object.fromEntries(
    (await plane.client(ipAddresses).list()).items.map(({ metadata, spec }) => [
      metadata.name!,
      spec!.parentRef!.name,
    ]),
  );
const portsIn = async ({ server }: ControlPlane) => {
  const { kvs } = await server.registry.store.range({ key: portsKey });
  const { data } = JSON.parse(Buffer.from(kvs[0]!.value).toString());
  const bits = [0, 1, 2, 3, 4, 5, 6, 7];
  return [...Buffer.from(data, 'base64').reverse()].flatMap((byte, i) =>
    bits.filter((bit) => byte & (1 << bit)).map((bit) => 30_000 + i * 8 + bit),
  );
};

test('an address has its record for as long as its service has it', async () => {
  await using plane = await startControlPlane();
  const { spec } = await make(plane, 'web');
  const owners = await ownersOf(plane);
  assert.equal(owners[spec.clusterIP!], 'web');
  const { metadata } = await plane.client(ipAddresses).get(spec.clusterIP!);
  assert.equal(metadata.labels!['ipaddress.kubernetes.io/ip-family'], 'IPv4');
  await assert.rejects(
    make(plane, 'other', { clusterIP: spec.clusterIP }),
    /provided IP is already allocated/,
  );
  await assert.rejects(make(plane, 'far', { clusterIP: '192.168.0.1' }), /does not match the current range/);
  // What fails, and what is only tried out, takes nothing.
  await make(plane, 'dry', {}, { dryRun: 'All' });
  await assert.rejects(make(plane, 'bad', { sessionAffinity: 'Never' }));
  assert.deepEqual(await ownersOf(plane), owners);

  const external = { type: 'ExternalName', externalName: 'a.b', clusterIP: null, clusterIPs: null };
  await plane.client(services).patch('web', { spec: external }, merge);
  assert.ok(!(spec.clusterIP! in (await ownersOf(plane))));
  await make(plane, 'again', { clusterIP: spec.clusterIP });
  await plane.client(services).delete('again', ns);
  assert.ok(!(spec.clusterIP! in (await ownersOf(plane))));
});

test('a full range says so, and what is given back can be had again', async () => {
  await using plane = await startControlPlane({ serviceCIDR: '10.1.0.0/29', nodePorts: '30000-30002' });
  const made = [];
  for (let i = Object.keys(await ownersOf(plane)).length; i < 6; i++) made.push(await make(plane, `s${i}`));
  assert.equal(Object.keys(await ownersOf(plane)).length, 6);
  await assert.rejects(make(plane, 'more'), /range is full/);
  await plane.client(services).delete(made[0]!.metadata.name!, ns);
  assert.equal((await make(plane, 'more')).spec.clusterIP, made[0]!.spec.clusterIP);
  await plane.client(services).delete('more', ns);

  for (const { metadata } of made.slice(1, 4))
    await plane.client(services).patch(metadata.name!, { spec: { type: 'NodePort' } }, merge);
  assert.deepEqual(await portsIn(plane), [30000, 30001, 30002]);
  await assert.rejects(make(plane, 'ported', { type: 'NodePort' }), /nodePort: range is full/);
  await plane.client(services).patch(made[1]!.metadata.name!, { spec: { type: 'ClusterIP' } }, merge);
  assert.equal((await portsIn(plane)).length, 2);
  await make(plane, 'ported', { type: 'NodePort' });
  assert.equal((await portsIn(plane)).length, 3);
});

test('a second range gives its addresses as soon as it is ready', async () => {
  await using plane = await startControlPlane({ serviceCIDR: '10.1.0.0/30' });
  const cidrs = plane.client(serviceCIDRs);
  assert.deepEqual((await cidrs.get('kubernetes')).spec!.cidrs, ['10.1.0.0/30']);
  for (let i = Object.keys(await ownersOf(plane)).length; i < 2; i++) await make(plane, `s${i}`);
  await assert.rejects(make(plane, 'more'), /range is full/);
  await cidrs.create({ metadata: { name: 'second' }, spec: { cidrs: ['10.2.0.0/24'] } });
  await assert.rejects(make(plane, 'more'), /range is full/);
  const at = '2026-01-01T00:00:00Z';
  const conditions = [{ type: 'Ready', status: 'True', reason: 'x', message: '', lastTransitionTime: at }];
  await cidrs.patch('second', { status: { conditions } }, { type: 'merge', subresource: 'status' });
  assert.match((await make(plane, 'more')).spec.clusterIP!, /^10\.2\.0\./);
});

test('families: one, both, or as many as there are', async () => {
  await using single = await startControlPlane();
  const bare = await make(single, 'bare', { clusterIP: 'None', selector: undefined });
  assert.deepEqual([bare.spec.ipFamilies, bare.spec.ipFamilyPolicy], [['IPv4', 'IPv6'], 'RequireDualStack']);
  await assert.rejects(
    make(single, 'two', { ipFamilyPolicy: 'RequireDualStack' }),
    /not configured for dual-stack/,
  );
  await assert.rejects(make(single, 'six', { ipFamilies: ['IPv6'] }), /not configured on this cluster/);
  const prefer = await make(single, 'prefer', { ipFamilyPolicy: 'PreferDualStack' });
  assert.deepEqual(prefer.spec.ipFamilies, ['IPv4']);

  await using dual = await startControlPlane({ serviceCIDR: '10.96.0.0/16,fd00:10:96::/112' });
  const both = await make(dual, 'both', { ipFamilyPolicy: 'PreferDualStack' });
  assert.deepEqual(both.spec.ipFamilies, ['IPv4', 'IPv6']);
  assert.match(both.spec.clusterIPs!.join(' '), /^10\.96\.\d+\.\d+ fd00:10:96::[0-9a-f]+$/);
  const six = await make(dual, 'six', { ipFamilies: ['IPv6'] });
  assert.match(six.spec.clusterIP!, /^fd00:10:96::/);
  const less = await dual.client(services).patch('both', { spec: { ipFamilyPolicy: 'SingleStack' } }, merge);
  assert.deepEqual([less.spec.ipFamilies, less.spec.clusterIPs], [['IPv4'], [both.spec.clusterIP]]);
  assert.ok(!(both.spec.clusterIPs![1]! in (await ownersOf(dual))));
});

test('two servers on one store give nothing out twice', async () => {
  const store: Store = memoryStore();
  const shared = new Proxy(store, {
    get(_, name) {
      if (name === 'close') return async () => {};
      const member = store[name as keyof Store];
      return typeof member === 'function' ? member.bind(store) : member;
    },
  });
  const range = { serviceCIDR: '10.1.0.0/26', nodePorts: '30000-30063', store: shared };
  {
    await using a = await startControlPlane(range);
    await using b = await startControlPlane(range);
    const made = await Promise.all(
      Array.from({ length: 40 }, (_, i) => make(i % 2 ? a : b, `s${i}`, { type: 'NodePort' })),
    );
    assert.equal(new Set(made.map(({ spec }) => spec.clusterIP)).size, 40);
    assert.equal(new Set(made.map(({ spec }) => spec.ports![0]!.nodePort)).size, 40);
    assert.equal((await portsIn(a)).length, 40);
  }
  await store.close();
});

test('what leaked is found, and what is missing is made', async () => {
  await using plane = await startControlPlane();
  const { store } = plane.server.registry;
  const { spec } = await make(plane, 'web', { type: 'NodePort' });
  await plane.client(ipAddresses).delete(spec.clusterIP!);
  await store.txn([], [{ op: 'delete', key: portsKey }]);
  const [allocator] = plane.server.registry.allocators as unknown as { repair(): Promise<void> }[];
  await allocator!.repair();
  assert.equal((await ownersOf(plane))[spec.clusterIP!], 'web');
  assert.deepEqual(await portsIn(plane), [spec.ports![0]!.nodePort]);
});

test('addresses are written in one way', () => {
  const written = (text: string) => {
    const { bits, width } = ipBits(text)!;
    return formatIP(bits, width);
  };
  for (const [from, to] of [
    ['10.0.0.1', '10.0.0.1'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['fd00:0:1:2:3:4:5:6', 'fd00:0:1:2:3:4:5:6'],
    ['1:0:0:0:0:0:0:0', '1::'],
  ])
    assert.equal(written(from!), to);
});
