import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { services } from '../../api/core/service.ts';
import { endpointSlices } from '../../api/discovery/endpoint-slice.ts';
import { type ControlPlane, startControlPlane } from '../../testing/control-plane.ts';
import { type Message, reply, type Soa, type Srv, type types } from '../message.ts';
import type { Server } from '../server.ts';
import { createServices, pod, service, slice } from '../testdata/objects.ts';
import { address, ask, brief, briefRecord, fixed, makeServer } from '../testdata/try.ts';

const corefile = `.:53 {
  kubernetes cluster.local in-addr.arpa ip6.arpa {
    pods insecure
    fallthrough in-addr.arpa ip6.arpa
  }
  fixed
}`;
const outside = fixed(({ message, name }) =>
  reply(message, { answers: name.endsWith('.arpa.') ? [] : [address(name, '192.0.2.9')] }),
);
let plane: ControlPlane;
let server: Server;
const zone = 'cluster.local';

const until = async (condition: () => Promise<boolean> | boolean) => {
  for (let i = 0; i < 400 && !(await condition()); i++)
    await new Promise((resolve) => setTimeout(resolve, 5));
  assert.ok(await condition());
};
const options = () => ({ client: plane.client, informers: plane.informers, trace: plane.trace });

before(async () => {
  plane = await startControlPlane();
  await createServices(plane.client);
  server = makeServer(corefile, options(), outside);
  await server.start();
  await until(() => server.notReady().length === 0);
});
after(async () => {
  await server[Symbol.asyncDispose]();
  await plane.stop();
});

const is = async (name: string, type: keyof typeof types, wanted: string) =>
  assert.equal(brief(await ask(server, `${name}.${zone}`, type)), wanted, `${name} ${type}`);
const soaOf = ({ authorities }: Message) =>
  authorities.map(({ name, ttl, data }) => `${name} ${ttl} ${(data as Soa).minimum}`);

test('services with a cluster IP', async () => {
  await is('web.default.svc', 'A', 'NOERROR 10.96.0.80');
  await is('WEB.Default.SVC', 'A', 'NOERROR 10.96.0.80');
  await is('_http._tcp.web.default.svc', 'SRV', 'NOERROR 80/web.default.svc.cluster.local.');
  await is('web.default.svc', 'SRV', 'NOERROR 80/web.default.svc.cluster.local.');
  await is('_http._udp.web.default.svc', 'SRV', 'NXDOMAIN');
  await is('_none._tcp.web.default.svc', 'SRV', 'NXDOMAIN');
  await is('http._tcp.web.default.svc', 'SRV', 'NXDOMAIN');
  const answer = await ask(server, `web.default.svc.${zone}`);
  assert.deepEqual([answer.authoritative, answer.answers[0]!.ttl], [true, 5]);
});

test('headless services: an address for each ready endpoint, and a name for each', async () => {
  await is('db.default.svc', 'A', 'NOERROR 10.1.0.1 10.1.0.2');
  await is('db.default.svc', 'AAAA', 'NOERROR fd00::1');
  await is('db-0.db.default.svc', 'A', 'NOERROR 10.1.0.1');
  await is('10-1-0-2.db.default.svc', 'A', 'NOERROR 10.1.0.2');
  await is('db-2.db.default.svc', 'A', 'NXDOMAIN');
  await is('empty.default.svc', 'A', 'NXDOMAIN');
  const answer = await ask(server, `_sql._tcp.db.default.svc.${zone}`, 'SRV');
  assert.deepEqual(
    answer.answers.map(({ data }) => `${(data as Srv).weight} ${(data as Srv).port} ${(data as Srv).target}`),
    ['50 5432 db-0.db.default.svc.cluster.local.', '50 5432 10-1-0-2.db.default.svc.cluster.local.'],
  );
  assert.deepEqual(
    answer.additionals.map((each) => `${each.name} ${briefRecord(each)}`),
    [
      'db-0.db.default.svc.cluster.local. 10.1.0.1',
      '10-1-0-2.db.default.svc.cluster.local. 10.1.0.2',
      'db-0.db.default.svc.cluster.local. fd00::1',
    ],
  );
  await is('_stat._udp.db-0.db.default.svc', 'SRV', 'NXDOMAIN');
});

test('ExternalName: an alias, followed here or outside', async () => {
  await is('out.default.svc', 'A', 'NOERROR www.example.com. 192.0.2.9');
  await is('out.default.svc', 'CNAME', 'NOERROR www.example.com.');
  await is('inner.default.svc', 'A', 'NOERROR web.default.svc.cluster.local. 10.96.0.80');
  await is('out.default.svc', 'TXT', 'NOERROR');
});

test('an alias that leads to itself ends', async () => {
  const namespace = 'default';
  await plane.client(services).create(
    service('circle', {
      type: 'ExternalName',
      externalName: 'circle.default.svc.cluster.local',
      ports: [],
    }),
  );
  await until(async () => (await ask(server, `circle.default.svc.${zone}`)).answers.length > 0);
  assert.ok((await ask(server, `circle.default.svc.${zone}`)).answers.length < 20);
  await plane.client(services).delete('circle', { namespace });
});

test('pods by address', async () => {
  await is('10-1-2-3.default.pod', 'A', 'NOERROR 10.1.2.3');
  await is('10-1-2-3.default.pod', 'AAAA', 'NOERROR');
  await is('fd00--1.default.pod', 'AAAA', 'NOERROR fd00::1');
  for (const name of [
    '10-1-2-3.nowhere.pod',
    'x.default.pod',
    '10-1-2.default.pod',
    'a.10-1-2-3.default.pod',
  ])
    await is(name, 'A', 'NXDOMAIN');
});

test('addresses by name', async () => {
  const reverse = async (name: string, wanted: string) =>
    assert.equal(brief(await ask(server, name, 'PTR')), wanted, name);
  await reverse('80.0.96.10.in-addr.arpa', 'NOERROR web.default.svc.cluster.local.');
  await reverse('1.0.1.10.in-addr.arpa', 'NOERROR db-0.db.default.svc.cluster.local.');
  await reverse('7.0.1.10.in-addr.arpa', 'NOERROR 10-1-0-7.web.default.svc.cluster.local.');
  await reverse(`1${'.0'.repeat(27)}.0.0.d.f.ip6.arpa`, 'NOERROR db-0.db.default.svc.cluster.local.');
  await reverse('9.9.9.9.in-addr.arpa', 'NOERROR'); // asked outside
});

test('the zone itself, and what is between its names', async () => {
  await is('dns-version', 'TXT', 'NOERROR 1.1.0');
  assert.equal(brief(await ask(server, zone, 'NS')), 'NOERROR ns.dns.cluster.local.');
  assert.equal(brief(await ask(server, zone, 'SOA')), 'NOERROR SOA');
  for (const name of ['svc', 'pod', 'default.svc', 'default.pod']) await is(name, 'A', 'NOERROR');
  for (const name of [
    'nowhere.svc',
    'x',
    'x.y.z',
    'none.default.svc',
    'web.nowhere.svc',
    'a.b.c.web.default.svc',
  ])
    await is(name, 'A', 'NXDOMAIN');
  const denied = await ask(server, `none.default.svc.${zone}`);
  assert.deepEqual(soaOf(denied), ['cluster.local. 5 5']);
  assert.deepEqual(soaOf(await ask(server, `web.default.svc.${zone}`, 'AAAA')), ['cluster.local. 5 5']);
  // What a search list asks for on the way to www.example.com.
  await is('www.example.com.default.svc', 'A', 'NXDOMAIN');
  assert.equal(brief(await ask(server, 'www.example.com')), 'NOERROR 192.0.2.9');
});

test('follows what changes, and says when a pod’s name answers', async () => {
  const records = () =>
    plane.trace
      .where((r) => r.component === 'dns')
      .map((r) => `${r.step} ${r.event} ${r.name} ${r.detail?.['name']}`);
  assert.ok(records().includes('8 name answers db-0 db.default.svc.cluster.local'));
  assert.ok(!records().some((record) => record.includes('db-2')));
  await plane.client(services).create(service('late', { clusterIP: 'None' }));
  const made = await plane
    .client(endpointSlices)
    .create(
      slice('late', [{ addresses: ['10.1.9.1'], conditions: { ready: true }, targetRef: pod('late-1') }]),
    );
  const answer = async () => brief(await ask(server, `late.default.svc.${zone}`));
  await until(async () => (await answer()) === 'NOERROR 10.1.9.1');
  assert.equal(records().filter((record) => record.includes('late-1')).length, 1);
  await plane
    .client(endpointSlices)
    .update({ ...made, endpoints: [{ addresses: ['10.1.9.2'], conditions: { ready: true } }] });
  await until(async () => (await answer()) === 'NOERROR 10.1.9.2');
  await plane.client(services).delete('late', { namespace: 'default' });
  await until(async () => (await answer()) === 'NXDOMAIN');
});

test('options: ttl, pods, namespaces, endpoint_pod_names, noendpoints, ignore', async () => {
  const tryWith = async (lines: string, name: string, type: keyof typeof types = 'A') => {
    const other = makeServer(`. {\n kubernetes cluster.local {\n ${lines}\n }\n}`, options());
    await other.start();
    const answer = await ask(other, `${name}.${zone}`, type);
    await other[Symbol.asyncDispose]();
    return answer;
  };
  assert.equal((await tryWith('ttl 77', 'web.default.svc')).answers[0]!.ttl, 77);
  assert.equal(brief(await tryWith('ttl 5', '10-1-2-3.default.pod')), 'NXDOMAIN');
  assert.equal(brief(await tryWith('namespaces other', 'web.default.svc')), 'NXDOMAIN');
  assert.equal(brief(await tryWith('endpoint_pod_names', 'db-1.db.default.svc')), 'NOERROR 10.1.0.2');
  assert.equal(brief(await tryWith('noendpoints', 'db.default.svc')), 'NXDOMAIN');
  await plane.client(services).create(service('bare', { clusterIP: '10.96.0.81' }));
  await until(async () => brief(await ask(server, `bare.default.svc.${zone}`)) === 'NOERROR 10.96.0.81');
  assert.equal(brief(await tryWith('ignore empty_service', 'bare.default.svc')), 'NXDOMAIN');
  assert.equal(brief(await tryWith('ignore empty_service', 'web.default.svc')), 'NOERROR 10.96.0.80');
});
