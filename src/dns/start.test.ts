// Real sockets on loopback, a client that is not ours (dns-packet, and Node's own resolver), and bytes from an enemy.

import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { type Answer, type DecodedPacket, decode, encode, RECURSION_DESIRED } from 'dns-packet';
import { services } from '../api/core/service.ts';
import { endpointSlices } from '../api/discovery/endpoint-slice.ts';
import { systemClock } from '../cluster/node/platform.ts';
import { silentLog } from '../machinery/log.ts';
import { type ControlPlane, startControlPlane } from '../testing/control-plane.ts';
import { dnsSockets, nodeResolvers } from './node/sockets.ts';
import { type DnsServer, startDns } from './start.ts';
import { createServices, service, slice } from './testdata/objects.ts';

let plane: ControlPlane;
let upstream: DnsServer;
let dns: DnsServer;

const start = (more: { corefile?: string; upstream?: string[] }) =>
  startDns({
    ...{ client: plane.client, informers: plane.informers, trace: plane.trace, clock: systemClock },
    ...{
      random: Math.random,
      log: silentLog,
      sockets: dnsSockets,
      addresses: [{ host: '127.0.0.1', port: 0 }],
    },
    ...more,
  });

before(async () => {
  plane = await startControlPlane();
  await createServices(plane.client);
  await plane.client(services).create(service('many', { clusterIP: 'None' }));
  await plane.client(endpointSlices).create(
    slice(
      'many',
      Array.from({ length: 100 }, (_, i) => ({ addresses: [`10.2.0.${i}`], conditions: { ready: true } })),
    ),
  );
  const many = Array.from({ length: 100 }, (_, i) => `192.0.2.${i} big.example.com`).join('\n');
  upstream = await start({ corefile: `. {\n hosts {\n 192.0.2.200 www.example.com\n ${many}\n }\n}` });
  dns = await start({ upstream: [`127.0.0.1:${upstream.port}`] });
  for (let i = 0; dns.server.notReady().length > 0 && i < 400; i++)
    await new Promise((r) => setTimeout(r, 5));
  for (let i = 0; (await addresses('many.default.svc.cluster.local', 4096)).length < 100 && i < 400; i++)
    await new Promise((r) => setTimeout(r, 5));
});
after(async () => {
  await dns[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
  await plane.stop();
});

const packet = (name: string, type: string, udpSize?: number): Buffer =>
  encode({
    ...{ type: 'query', id: 77, flags: RECURSION_DESIRED, questions: [{ type, name } as never] },
    additionals: udpSize
      ? [{ type: 'OPT', name: '.', udpPayloadSize: udpSize, flags: 0, options: [] } as never]
      : [],
  });
function udp(bytes: Uint8Array, timeoutMs = 1000): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4');
    const done = (answer: Buffer | undefined) => {
      clearTimeout(timer);
      socket.close();
      resolve(answer);
    };
    const timer = setTimeout(() => done(undefined), timeoutMs);
    socket.on('message', done).on('error', reject);
    socket.send(bytes, dns.port, '127.0.0.1');
  });
}
/** Sends pieces, each by itself, and gathers what comes back until so many messages are there or the connection ends. */
function tcp(pieces: Uint8Array[], messages: number): Promise<DecodedPacket[]> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port: dns.port, noDelay: true });
    const found: DecodedPacket[] = [];
    let pending = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      pending = Buffer.concat([pending, chunk]);
      while (pending.length >= 2 && pending.length >= pending.readUInt16BE() + 2) {
        found.push(decode(pending.subarray(2, pending.readUInt16BE() + 2)) as DecodedPacket);
        pending = pending.subarray(pending.readUInt16BE() + 2);
      }
      if (found.length >= messages) socket.destroy();
    });
    socket.on('error', () => socket.destroy()).on('close', () => resolve(found));
    void (async () => {
      for (const piece of pieces) {
        socket.write(piece);
        await new Promise((next) => setImmediate(next));
      }
      if (messages === 0) socket.destroySoon();
    })();
  });
}
const frame = (bytes: Buffer) => Buffer.concat([Buffer.of(bytes.length >> 8, bytes.length & 255), bytes]);
const data = (answers: Answer[] | undefined) =>
  (answers ?? []).map((answer) => (answer as { data: unknown }).data);
const addresses = async (name: string, udpSize?: number) =>
  data(decode((await udp(packet(name, 'A', udpSize)))!).answers);

test('names of the cluster, and of the world, over UDP and TCP', async () => {
  assert.deepEqual(await addresses('web.default.svc.cluster.local'), ['10.96.0.80']);
  assert.deepEqual(await addresses('www.example.com'), ['192.0.2.200']);
  const [answer] = await tcp([frame(packet('web.default.svc.cluster.local', 'A'))], 1);
  assert.deepEqual(data(answer!.answers), ['10.96.0.80']);
});

test('Node’s resolver is content', async () => {
  const resolver = new Resolver({ timeout: 1000, tries: 1 });
  resolver.setServers([`127.0.0.1:${dns.port}`]);
  assert.deepEqual(await resolver.resolve4('web.default.svc.cluster.local'), ['10.96.0.80']);
  assert.deepEqual(
    (await resolver.resolveSrv('_http._tcp.web.default.svc.cluster.local')).map((s) => `${s.name}:${s.port}`),
    ['web.default.svc.cluster.local:80'],
  );
  assert.deepEqual(await resolver.resolveTxt('dns-version.cluster.local'), [['1.1.0']]);
  assert.deepEqual(await resolver.reverse('10.96.0.80'), ['web.default.svc.cluster.local']);
  assert.equal((await resolver.resolve4('many.default.svc.cluster.local')).length, 100);
  await assert.rejects(resolver.resolve4('none.default.svc.cluster.local'), { code: 'ENOTFOUND' });
  await assert.rejects(resolver.resolve6('web.default.svc.cluster.local'), { code: 'ENODATA' });
});

test('an answer that is too large is cut to the client’s size, and whole over TCP', async () => {
  for (const [size, limit] of [
    [undefined, 512],
    [1232, 1232],
    [100, 512],
  ] as const) {
    const bytes = (await udp(packet('many.default.svc.cluster.local', 'A', size)))!;
    assert.ok(bytes.length <= limit && bytes.length > limit - 40, String(bytes.length));
    assert.equal(decode(bytes).flag_tc, true);
  }
  const [whole] = await tcp([frame(packet('many.default.svc.cluster.local', 'A'))], 1);
  assert.deepEqual([whole!.flag_tc, whole!.answers!.length], [false, 100]);
  // And one that the upstream cuts.
  const [forwarded] = await tcp([frame(packet('big.example.com', 'A'))], 1);
  assert.equal(forwarded!.answers!.length, 100);
});

test('TCP in pieces, and many questions in one', async () => {
  const one = frame(packet('web.default.svc.cluster.local', 'A'));
  assert.equal(
    (
      await tcp(
        [...one].map((byte) => Uint8Array.of(byte)),
        1,
      )
    ).length,
    1,
  );
  assert.equal((await tcp([Buffer.concat(Array.from({ length: 300 }, () => one))], 300)).length, 300);
});

test('malformed packets get FORMERR or nothing, and the server goes on', async () => {
  const good = packet('web.default.svc.cluster.local', 'A', 1232);
  const pointer = Buffer.from([0, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 12, 0, 1, 0, 1]);
  const answer = (await udp(pointer))!;
  assert.deepEqual([answer.readUInt16BE(0), answer[2]! & 0x80, answer[3]! & 15], [9, 0x80, 1]);
  assert.equal(await udp(Buffer.of(1, 2, 3), 50), undefined);
  const response = Buffer.from(good);
  response[2]! |= 0x80;
  assert.equal(await udp(response, 50), undefined, 'answers are not answered');
  const socket = createSocket('udp4');
  let seed = 1;
  const random = () => (seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff) / 0x7fffffff;
  for (let i = 0; i < 3000; i++) {
    const bytes = Buffer.from(good);
    for (let n = random() * 6; n > 0; n--)
      bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
    socket.send(
      bytes.subarray(0, random() < 0.3 ? Math.floor(random() * bytes.length) : undefined),
      dns.port,
      '127.0.0.1',
    );
    if (i % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await tcp([Buffer.of(0xff, 0xff), Buffer.alloc(70_000, 0xc0)], 0);
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  for (let i = 0; i < 5; i++) {
    const found = await udp(good, 500);
    if (found) return assert.deepEqual(data(decode(found).answers), ['10.96.0.80']);
  }
  assert.fail('no answer after malformed packets');
});

test('an address that is taken is an error, and nothing stays open', async () => {
  const options = {
    client: plane.client,
    informers: plane.informers,
    trace: plane.trace,
    clock: systemClock,
  };
  const taken = startDns({
    ...{ ...options, random: Math.random, log: silentLog, sockets: dnsSockets },
    addresses: [
      { host: '127.0.0.1', port: 0 },
      { host: '127.0.0.1', port: dns.port },
    ],
  });
  await assert.rejects(taken, { code: 'EADDRINUSE' });
});

test('the machine’s resolvers', () => {
  for (const address of nodeResolvers()) assert.match(address, /^[\da-f.:]+$/);
});
