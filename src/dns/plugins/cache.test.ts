import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Message, rcodes, reply } from '../message.ts';
import { address, ask, brief, fixed, handClock, makeServer, soa } from '../testdata/try.ts';

function setUp(directive: string, answer: (name: string) => Partial<Message>, delay = false) {
  const { clock, advance } = handClock();
  const asked: string[] = [];
  const last = fixed((request) => {
    asked.push(request.name);
    const message = reply(request.message, answer(request.name));
    return delay ? new Promise((resolve) => setImmediate(() => resolve(message))) : message;
  });
  return { server: makeServer(`. {\n ${directive}\n fixed\n}`, { clock }, last), asked, advance };
}

test('keeps answers for their time, and counts their TTL down', async () => {
  const { server, asked, advance } = setUp('cache', (name) => ({ answers: [address(name, '10.0.0.1', 30)] }));
  assert.equal((await ask(server, 'a.')).answers[0]!.ttl, 30);
  await advance(10_000);
  const again = await ask(server, 'A.');
  assert.equal(again.answers[0]!.ttl, 20);
  assert.equal(again.questions[0]!.name, 'a.');
  assert.deepEqual(asked, ['a.']);
  await advance(20_000);
  await ask(server, 'a.');
  assert.equal(asked.length, 2);
});

test('its own limit, and denials by their SOA record', async () => {
  const { server, asked, advance } = setUp('cache 10', (name) =>
    name === 'no.'
      ? { rcode: rcodes.NXDOMAIN, authorities: [soa('.', 100, 7)] }
      : { answers: [address(name, '10.0.0.1', 3600)] },
  );
  for (const name of ['yes.', 'no.']) await ask(server, name);
  await advance(6000);
  assert.equal(brief(await ask(server, 'no.')), 'NXDOMAIN');
  assert.equal((await ask(server, 'yes.')).answers[0]!.ttl, 4);
  assert.equal(asked.length, 2);
  await advance(5000);
  for (const name of ['yes.', 'no.']) await ask(server, name);
  assert.equal(asked.length, 4);
});

test('what may not be kept is not', async () => {
  const cases: Partial<Message>[] = [
    { rcode: rcodes.NXDOMAIN },
    { rcode: rcodes.REFUSED },
    { truncated: true, answers: [address('x.', '10.0.0.1')] },
    { answers: [address('x.', '10.0.0.1', 0)] },
  ];
  for (const each of cases) {
    const { server, asked } = setUp('cache', () => each);
    await ask(server, 'x.');
    await ask(server, 'x.');
    assert.equal(asked.length, 2);
  }
});

test('is bounded: the one not asked for goes first', async () => {
  const { server, asked } = setUp('cache {\n success 2\n }', (name) => ({
    answers: [address(name, '10.0.0.1')],
  }));
  for (const name of ['a.', 'b.', 'a.', 'c.', 'a.', 'b.']) await ask(server, name);
  assert.deepEqual(asked, ['a.', 'b.', 'c.', 'b.']);
});

test('disable, and zones', async () => {
  const { server, asked } = setUp('cache 30 {\n disable success k8s.\n }', (name) => ({
    answers: [address(name, '10.0.0.1')],
  }));
  for (const name of ['a.k8s.', 'a.k8s.', 'b.', 'b.']) await ask(server, name);
  assert.deepEqual(asked, ['a.k8s.', 'a.k8s.', 'b.']);
});

test('the same question at the same time is asked once', async () => {
  const { server, asked } = setUp('cache', (name) => ({ answers: [address(name, '10.0.0.1', 0)] }), true);
  const answers = await Promise.all(Array.from({ length: 20 }, () => ask(server, 'a.')));
  assert.ok(answers.every((answer) => brief(answer) === 'NOERROR 10.0.0.1'));
  assert.equal(asked.length, 1);
});
