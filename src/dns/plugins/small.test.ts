// errors, log, health, ready, prometheus, loadbalance, loop, reload, hosts: each by what it does in a chain.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readMetrics } from '../../testing/exposition.ts';
import { classIN, query, rcodes, reply, types } from '../message.ts';
import type { PluginKind } from '../plugin.ts';
import {
  address,
  ask,
  brief,
  fixed,
  handClock,
  listLog,
  makeServer,
  noHost,
  type Served,
} from '../testdata/try.ts';

const ok = fixed((request) => reply(request.message, { answers: [address(request.name, '10.0.0.1')] }));
const host = () => {
  const served: Served = new Map();
  return { ...noHost, served };
};

test('errors: SERVFAIL for the client, one line for the log', async () => {
  const broken = fixed(() => {
    throw new Error('broken');
  });
  const { log, lines } = listLog();
  const server = makeServer('. {\n errors\n fixed\n}', { log }, broken);
  for (let i = 0; i < 5; i++) assert.equal(brief(await ask(server, 'a.')), 'SERVFAIL');
  assert.deepEqual(lines, ['error question failed']);
  assert.equal(brief(await ask(makeServer('. {\n fixed\n}', {}, broken), 'a.')), 'SERVFAIL');
});

test('log: a line for each question, or for some', async () => {
  for (const [directive, count] of [
    ['log', 2],
    ['log {\n class denial\n }', 1],
    ['log {\n class error\n }', 0],
  ] as const) {
    const { log, lines } = listLog();
    const last = fixed(({ message, name }) =>
      reply(message, name === 'no.' ? { rcode: rcodes.NXDOMAIN } : { answers: [address(name, '1.1.1.1')] }),
    );
    const server = makeServer(`. {\n ${directive}\n fixed\n}`, { log }, last);
    for (const name of ['yes.', 'no.']) await ask(server, name);
    assert.deepEqual(lines, Array(count).fill('info question'));
  }
});

test('health, ready, prometheus: over HTTP', async () => {
  let isReady = false;
  const slow: PluginKind = { name: 'fixed', setup: () => ({ name: 'slow', ready: () => isReady }) };
  const at = host();
  const server = makeServer(
    '. {\n health\n ready :81\n prometheus\n hosts {\n 10.0.0.1 a.\n }\n fixed\n}',
    { host: at },
    slow,
  );
  await server.start();
  const get = (address: string, path: string) => at.served.get(address)!(path);
  assert.deepEqual(get(':8080', '/health'), { status: 200, body: 'OK' });
  assert.deepEqual(get(':81', '/ready'), { status: 503, body: 'slow' });
  isReady = true;
  assert.equal(get(':81', '/ready').status, 200);
  isReady = false;
  assert.equal(get(':81', '/ready').status, 200, 'once ready, always ready');
  await ask(server, 'a.');
  await ask(server, 'b.');
  const { body } = get('localhost:9153', '/metrics');
  const metrics = readMetrics(body);
  const block = { server: 'dns://:53', zone: '.', view: '' };
  const asked = { ...block, proto: 'udp', family: '1', type: 'A' };
  assert.equal(metrics.value('coredns_dns_requests_total', asked), 2);
  assert.equal(metrics.value('coredns_dns_responses_total', { ...block, rcode: 'NXDOMAIN', plugin: '' }), 1);
  assert.equal(metrics.value('coredns_dns_request_duration_seconds_bucket', { ...block, le: '+Inf' }), 2);
  assert.equal(metrics.value('coredns_dns_request_duration_seconds_count', block), 2);
  assert.equal(metrics.value('coredns_plugin_enabled', { ...block, name: 'prometheus' }), 1);
  await server[Symbol.asyncDispose]();
  assert.equal(at.served.size, 0);
});

test('loadbalance: addresses in random order, other records in front', async () => {
  const cname = { name: 'a.', type: types.CNAME, class: classIN, ttl: 1, data: 'b.' };
  const answers = [cname, ...Array.from({ length: 5 }, (_, i) => address('b.', `10.0.0.${i}`))];
  const server = makeServer(
    '. {\n loadbalance\n fixed\n}',
    {},
    fixed(({ message }) => reply(message, { answers })),
  );
  const orders = new Set<string>();
  for (let i = 0; i < 30; i++) {
    const answer = await ask(server, 'a.');
    assert.equal(answer.answers[0]!.type, types.CNAME);
    assert.equal(new Set(answer.answers.map((each) => String(each.data))).size, 6);
    orders.add(brief(answer));
  }
  assert.ok(orders.size > 5);
});

test('loop: ends forwarding to itself', async () => {
  const { log, lines } = listLog();
  // An upstream that is this server: each question comes back as one from outside.
  const around = fixed((request) => server.resolve(request.name, request.type, request.depth + 1));
  const server = makeServer('. {\n loop\n fixed\n}', { log }, around);
  await server.start();
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(
    lines.filter((line) => line.startsWith('error')),
    ['error forwarded questions come back to this server: nothing is forwarded any more'],
  );
  assert.equal(brief(await ask(server, 'a.')), 'SERVFAIL');

  const straight = makeServer('. {\n loop\n fixed\n}', { log: listLog().log }, ok);
  await straight.start();
  assert.equal(brief(await ask(straight, 'a.')), 'NOERROR 10.0.0.1');
});

test('reload: takes a Corefile that changed, keeps the one in use when it is wrong', async () => {
  const { clock, advance } = handClock();
  const { log, lines } = listLog();
  const corefile = (ip: string) => `. {\n reload 1s 0s\n hosts {\n ${ip} a.\n }\n}`;
  let text = corefile('10.0.0.1');
  const server = makeServer(text, { clock, log, readCorefile: async () => text });
  await server.start();
  text = corefile('10.0.0.2');
  await advance(1000);
  assert.equal(brief(await ask(server, 'a.')), 'NOERROR 10.0.0.2');
  text = '. {\n nonsense\n}';
  await advance(2000);
  assert.ok(lines.includes('error Corefile not taken'));
  assert.equal(brief(await ask(server, 'a.')), 'NOERROR 10.0.0.2');
  text = corefile('10.0.0.3');
  await advance(2000);
  assert.equal(brief(await ask(server, 'a.')), 'NOERROR 10.0.0.3');
  await server[Symbol.asyncDispose]();
});

test('hosts: names and addresses, from lines and from a file', async () => {
  const { clock, advance } = handClock();
  let file = '127.0.0.1 localhost # not that\n10.0.0.5 File alias\nfd00::5 file\n';
  const at = { ...host(), readFile: async () => file };
  const server = makeServer(
    '. {\n hosts /etc/hosts {\n 10.0.0.9 here.example\n ttl 60\n fallthrough x.\n }\n fixed\n}',
    { clock, host: at },
    ok,
  );
  await server.start();
  assert.equal(brief(await ask(server, 'here.example')), 'NOERROR 10.0.0.9');
  assert.equal((await ask(server, 'HERE.example')).answers[0]!.ttl, 60);
  assert.equal(brief(await ask(server, 'alias')), 'NOERROR 10.0.0.5');
  assert.equal(brief(await ask(server, 'file', 'AAAA')), 'NOERROR fd00::5');
  assert.equal(brief(await ask(server, 'alias', 'AAAA')), 'NOERROR');
  assert.equal(brief(await ask(server, '5.0.0.10.in-addr.arpa', 'PTR')), 'NOERROR file. alias.');
  assert.equal(brief(await ask(server, 'nobody')), 'NXDOMAIN');
  assert.equal(brief(await ask(server, 'nobody.x')), 'NOERROR 10.0.0.1');
  file = '10.0.0.6 file\n';
  await advance(5000);
  assert.equal(brief(await ask(server, 'file')), 'NOERROR 10.0.0.6');
  await server[Symbol.asyncDispose]();
});

test('the server itself: what it refuses', async () => {
  const server = makeServer('example. {\n fixed\n}', {}, ok);
  assert.equal(brief(await ask(server, 'a.example')), 'NOERROR 10.0.0.1');
  assert.equal(brief(await ask(server, 'a.other')), 'REFUSED');
  assert.equal(brief(await ask(server, 'a.example', 'AXFR')), 'REFUSED');
  assert.equal(brief(await ask(server, 'a.example', 'A', { opcode: 4 })), 'NOTIMP');
  assert.equal(brief(await ask(server, 'a.example', 'A', { questions: [] })), 'FORMERR');
  assert.equal(
    brief(
      await ask(server, 'a.example', 'A', {
        edns: { udpSize: 512, version: 1, dnssec: false, options: new Uint8Array() },
      }),
    ),
    'BADVERS',
  );
  assert.equal(
    brief(await ask(server, 'a.example', 'A', { questions: [{ name: 'a.example.', type: 1, class: 3 }] })),
    'REFUSED',
  );
  const { questions } = query(1, 'a.example.', 1);
  assert.equal(brief(await ask(server, 'x.', 'A', { questions: [...questions, ...questions] })), 'FORMERR');
});
