import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as reference from 'dns-packet';
import fc from 'fast-check';
import { classIN, type Message, query, type ResourceRecord, reply, text, types } from '../message.ts';
import { decode, MalformedError } from './decode.ts';
import { encode } from './encode.ts';

const record = (name: string, type: number, data: ResourceRecord['data']): ResourceRecord => ({
  ...{ name, type, class: classIN, ttl: 30, data },
});
const question = query(4711, 'Web.default.svc.cluster.local.', types.SRV);
const full: Message = reply(question, {
  authoritative: true,
  answers: [
    record('web.default.svc.cluster.local.', types.SRV, {
      ...{ priority: 0, weight: 50, port: 80, target: 'a.web.default.svc.cluster.local.' },
    }),
    record('www.example.com.', types.CNAME, 'example.com.'),
    record('example.com.', types.A, Uint8Array.of(192, 0, 2, 1)),
    record('example.com.', types.MX, { preference: 10, exchange: 'mail.example.com.' }),
    record('example.com.', types.TXT, text('one', 'two words')),
    record('b\\.c\\007\\\\.example.com.', types.AAAA, new Uint8Array(16).fill(9)),
  ],
  authorities: [
    record('cluster.local.', types.SOA, {
      ...{ mname: 'ns.dns.cluster.local.', rname: 'hostmaster.cluster.local.', serial: 4_000_000_000 },
      ...{ refresh: 7200, retry: 1800, expire: 86_400, minimum: 5 },
    }),
  ],
  additionals: [record('a.web.default.svc.cluster.local.', types.A, Uint8Array.of(10, 0, 0, 1))],
  edns: { udpSize: 1232, version: 0, dnssec: true, options: Uint8Array.of(0, 10, 0, 1, 255) },
});

test('what is written is read back', () => {
  assert.deepEqual(decode(encode(full)), full);
  assert.deepEqual(decode(encode(question)), question);
  const odd = reply(question, { rcode: 16, edns: full.edns });
  assert.equal(decode(encode(odd)).rcode, 16);
});

test('agrees with dns-packet, in both directions', () => {
  const theirs = reference.decode(Buffer.from(encode(full)));
  assert.equal(theirs.questions![0]!.name, 'Web.default.svc.cluster.local');
  assert.deepEqual(
    theirs.answers!.slice(0, 4).map((answer) => (answer as { data: unknown }).data),
    [
      { priority: 0, weight: 50, port: 80, target: 'a.web.default.svc.cluster.local' },
      'example.com',
      '192.0.2.1',
      { preference: 10, exchange: 'mail.example.com' },
    ],
  );
  assert.equal((theirs.authorities![0] as { data: { serial: number } }).data.serial, 4_000_000_000);
  const ours = decode(
    reference.encode({
      ...{ type: 'query', id: 9, flags: reference.RECURSION_DESIRED },
      questions: [{ type: 'AAAA', name: 'example.com' }],
      additionals: [{ type: 'OPT', name: '.', udpPayloadSize: 4096, flags: 0x8000, options: [] } as never],
    }),
  );
  assert.deepEqual(
    [ours.questions[0]!.name, ours.recursionDesired, ours.edns?.udpSize, ours.edns?.dnssec],
    [...['example.com.', true, 4096, true]],
  );
});

test('names are written once', () => {
  const answers = Array.from({ length: 20 }, (_, i) =>
    record(question.questions[0]!.name, types.A, Uint8Array.of(10, 0, 0, i)),
  );
  assert.equal(encode(reply(question, { answers })).length, 12 + 31 + 4 + 20 * 16);
});

test('what does not fit is left out, and the client is told', () => {
  const answers = Array.from({ length: 100 }, (_, i) =>
    record(`h${i}.example.com.`, types.A, Uint8Array.of(10, 0, 0, i)),
  );
  for (const limit of [512, 700, 1232]) {
    const bytes = encode({ ...full, answers }, limit);
    assert.ok(bytes.length <= limit && bytes.length > limit - 40);
    const read = decode(bytes);
    assert.equal(read.truncated, true);
    assert.deepEqual(read.answers, answers.slice(0, read.answers.length));
    assert.ok(read.edns);
  }
  // Additional records are a courtesy.
  const read = decode(encode({ ...full, additionals: answers }, 1232));
  assert.equal(read.truncated, false);
  assert.ok(read.additionals.length > 10 && read.additionals.length < 100);
});

test('no bytes do anything worse than a MalformedError', () => {
  const attempt = (bytes: Uint8Array) => {
    try {
      decode(bytes);
    } catch (error) {
      assert.ok(error instanceof MalformedError, String(error));
    }
  };
  const good = encode(full);
  for (let length = 0; length < good.length; length++) attempt(good.subarray(0, length));
  for (let i = 0; i < good.length; i++)
    for (const byte of [0, 0x3f, 0x40, 0xc0, 0xff]) attempt(good.with(i, byte));
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => attempt(bytes)),
    { numRuns: 3000 },
  );
  const header = (n: number) => [0, 1, 0, 0, 0, n, 0, 0, 0, 0, 0, 0];
  // A pointer to itself, two that point at each other, and a name that grows with each turn.
  for (const name of [
    [0xc0, 12],
    [0xc0, 14, 0xc0, 12],
    [1, 97, 0xc0, 12],
  ])
    assert.throws(() => decode(Uint8Array.from([...header(1), ...name, 0, 1, 0, 1])), MalformedError);
});

test('many pointers to pointers do not take long', () => {
  // A chain of 8,000 pointers in an unknown record, and as many names as there is room for that begin at its end.
  const bytes = new Uint8Array(65_535);
  const view = new DataView(bytes.buffer);
  view.setUint16(6, 8000);
  view.setUint16(12 + 1, 4711);
  view.setUint16(12 + 9, 16_000);
  let at = 12 + 11;
  for (const end = at + 16_000; at < end; at += 2) view.setUint16(at, 0xc000 | (at === 23 ? 12 : at - 2));
  for (; at + 12 < bytes.length; at += 12) view.setUint16(at, 0xc000 | 0x3e00);
  const start = performance.now();
  assert.throws(() => decode(bytes), MalformedError);
  assert.ok(performance.now() - start < 500);
});

test('any label survives', () => {
  const label = fc.uint8Array({ minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(fc.array(label, { maxLength: 8 }), (labels) => {
      const wire = [
        0,
        1,
        0,
        0,
        0,
        1,
        0,
        0,
        0,
        0,
        0,
        0,
        ...labels.flatMap((each) => [each.length, ...each]),
        0,
        0,
        1,
        0,
        1,
      ];
      assert.deepEqual([...encode(decode(Uint8Array.from(wire)))], wire);
    }),
  );
});

test('names that cannot be written are refused', () => {
  for (const name of [`${'a'.repeat(64)}.`, 'a..b.', `${'abcdefg.'.repeat(32)}`, 'ä☃.'])
    assert.throws(() => encode(query(1, name, 1)));
});
