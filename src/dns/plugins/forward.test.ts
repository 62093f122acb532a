import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reply, types } from '../message.ts';
import type { Host } from '../plugin.ts';
import { address, ask, brief, handClock, makeServer, noHost } from '../testdata/try.ts';
import { nameservers } from './forward.ts';

type Exchange = Host['exchange'];

async function setUp(directive: string, exchange: Exchange, upstream?: string[]) {
  const { clock, advance } = handClock();
  const asked: string[] = [];
  const host: Host = {
    ...noHost,
    readFile: async () => 'search x\nnameserver 10.0.0.1\n# nameserver 10.0.0.9\nnameserver 10.0.0.2 # two\n',
    exchange(to, message, options) {
      asked.push(`${to.host}:${to.port}/${options.protocol}`);
      return exchange(to, message, options);
    },
  };
  const server = makeServer(`. {\n ${directive}\n}`, { clock, host, upstream });
  await server.start();
  return { server, asked, advance };
}
const answering: Exchange = async (to, message) =>
  reply(message, { answers: [address(message.questions[0]!.name, to.host)] });
const dead: Exchange = async () => {
  throw new Error('timeout');
};

test('asks the resolvers of a file, of the Corefile, or those that it is given', async () => {
  for (const [directive, upstream, wanted] of [
    [
      'forward . /etc/resolv.conf {\n policy round_robin\n}',
      undefined,
      ['10.0.0.1:53/udp', '10.0.0.2:53/udp'],
    ],
    [
      'forward . 10.1.1.1:5353 [fd00::1]:54 {\n policy round_robin\n}',
      undefined,
      ['10.1.1.1:5353/udp', 'fd00::1:54/udp'],
    ],
    ['forward . /etc/resolv.conf {\n force_tcp\n}', ['10.9.9.9'], ['10.9.9.9:53/tcp', '10.9.9.9:53/tcp']],
  ] as const) {
    const { server, asked } = await setUp(
      directive,
      (to, message) => answering({ ...to, host: '10.0.0.1' }, message, { protocol: 'udp', timeoutMs: 1 }),
      upstream && [...upstream],
    );
    assert.equal(brief(await ask(server, 'a.')), 'NOERROR 10.0.0.1');
    await ask(server, 'b.');
    assert.deepEqual(asked, wanted);
  }
  assert.deepEqual(nameservers('nameserver fe80::1%eth0\n nameserver\t1.1.1.1'), ['fe80::1', '1.1.1.1']);
});

test('a truncated answer is asked for again over TCP', async () => {
  const { server, asked } = await setUp('forward . 10.0.0.1', async (to, message, options) =>
    options.protocol === 'udp' ? reply(message, { truncated: true }) : answering(to, message, options),
  );
  const answer = await ask(server, 'a.');
  assert.deepEqual([brief(answer), answer.truncated], ['NOERROR 10.0.0.1', false]);
  assert.deepEqual(asked, ['10.0.0.1:53/udp', '10.0.0.1:53/tcp']);
});

test('passes over a resolver that fails, until it answers again', async () => {
  let broken = true;
  const { server, asked, advance } = await setUp(
    'forward . 10.0.0.1 10.0.0.2 {\n policy sequential\n}',
    (to, message, options) =>
      broken && to.host === '10.0.0.1' ? dead(to, message, options) : answering(to, message, options),
  );
  const first = () => asked.splice(0).map((each) => each.split(':')[0]);
  await ask(server, 'a.');
  assert.deepEqual(first(), ['10.0.0.1', '10.0.0.2']);
  await ask(server, 'b.');
  first();
  await ask(server, 'c.');
  assert.ok(!first().includes('10.0.0.1') || asked.length === 0);
  broken = false;
  await advance(600);
  first();
  await ask(server, 'd.');
  assert.deepEqual(first(), ['10.0.0.1']);
  await server[Symbol.asyncDispose]();
});

test('nobody there is SERVFAIL, not a wait', async () => {
  const { server } = await setUp('forward . 10.0.0.1 10.0.0.2', dead);
  assert.equal(brief(await ask(server, 'a.')), 'SERVFAIL');
  await server[Symbol.asyncDispose]();
});

test('zones, exceptions, and the most at once', async () => {
  const { server } = await setUp(
    'forward example. 10.0.0.1 {\n except x.example.\n max_concurrent 1\n}',
    async (to, message, options) => {
      await new Promise((resolve) => setImmediate(resolve));
      return answering(to, message, options);
    },
  );
  assert.equal(brief(await ask(server, 'other.')), 'REFUSED');
  assert.equal(brief(await ask(server, 'a.x.example.')), 'REFUSED');
  const both = await Promise.all([ask(server, 'a.example.'), ask(server, 'b.example.')]);
  assert.deepEqual(both.map(brief), ['NOERROR 10.0.0.1', 'REFUSED']);
});

test('the answer has the client’s id and question, the question upstream an id of its own', async () => {
  const ids: number[] = [];
  const { server } = await setUp('forward . 10.0.0.1', async (to, message, options) => {
    ids.push(message.id);
    assert.equal(message.edns!.udpSize, 1232);
    return answering(
      to,
      { ...message, questions: [{ ...message.questions[0]!, name: 'a.example.' }] },
      options,
    );
  });
  for (let i = 0; i < 5; i++) {
    const answer = await ask(server, 'a.example.');
    assert.deepEqual(
      [answer.id, answer.questions[0]!.name, answer.questions[0]!.type],
      [7, 'a.example.', types.A],
    );
  }
  assert.ok(new Set(ids).size > 1);
});
