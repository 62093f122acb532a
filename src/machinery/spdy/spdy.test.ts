import assert from 'node:assert/strict';
import { test } from 'node:test';
import { constants, createDeflate } from 'node:zlib';
import fc from 'fast-check';
import { spdyInflate } from '../node/spdy-inflate.ts';
import { spdyDictionary, spdyDictionaryId } from './dictionary.ts';
import { encodeFrame, type Frame, FrameReader, SpdyError } from './frames.ts';
import { decodeHeaders, encodeHeaders, HeaderWriter } from './headers.ts';
import { SpdySession, type SpdyStream } from './session.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (b: Uint8Array) => new TextDecoder().decode(b);
const hex = (b: Uint8Array) => Buffer.from(b).toString('hex');

test('the dictionary is the draft’s', () => {
  assert.equal(spdyDictionary.length, 1423);
  assert.equal(spdyDictionaryId, 0xe3c6a7c2);
});

test('our header blocks are a zlib stream, block after block', async () => {
  const writer = new HeaderWriter();
  const inflate = spdyInflate();
  const many = Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`header-${i}`, 'x'.repeat(40)]));
  for (const headers of [{ streamType: 'stdin' }, {}, many, { port: '80', requestid: '7' }]) {
    const expected = Object.fromEntries(Object.entries(headers).map(([k, v]) => [k.toLowerCase(), v]));
    assert.deepEqual(decodeHeaders(await inflate(writer.write(headers))), expected);
  }
});

test('reads header blocks that a peer compressed with the dictionary', async () => {
  const deflate = createDeflate({ dictionary: spdyDictionary });
  const inflate = spdyInflate();
  for (const headers of [
    { streamtype: 'error', port: '8080' },
    { streamtype: 'data', port: '8080' },
  ]) {
    await new Promise<void>((resolve) => deflate.write(encodeHeaders(headers), () => resolve()));
    await new Promise<void>((resolve) => deflate.flush(constants.Z_SYNC_FLUSH, resolve));
    assert.deepEqual(decodeHeaders(await inflate(deflate.read())), headers);
  }
  await assert.rejects(spdyInflate()(bytes('not zlib at all')), /incorrect header check/);
});

const plain = (frame: Frame) =>
  Object.fromEntries(Object.entries(frame).map(([k, v]) => [k, v instanceof Uint8Array ? hex(v) : v]));

test('frames as they are on the wire', () => {
  const block = new Uint8Array([9, 9]);
  const cases: [Frame, string][] = [
    [{ type: 'data', stream: 1, fin: true, bytes: bytes('hi') }, '00000001' + '01000002' + '6869'],
    [
      { type: 'synStream', stream: 3, fin: false, block },
      '80030001' + '0000000c' + '00000003' + '00000000' + '0000' + '0909',
    ],
    [{ type: 'synReply', stream: 3, fin: true, block }, '80030002' + '01000006' + '00000003' + '0909'],
    [{ type: 'rstStream', stream: 3, code: 5 }, '80030003' + '00000008' + '00000003' + '00000005'],
    [
      { type: 'settings', initialWindow: 65536 },
      '80030004' + '0000000c' + '00000001' + '00000007' + '00010000',
    ],
    [{ type: 'ping', id: 7 }, '80030006' + '00000004' + '00000007'],
    [{ type: 'goAway', lastStream: 9, code: 0 }, '80030007' + '00000008' + '00000009' + '00000000'],
    [{ type: 'headers', stream: 3, fin: false, block }, '80030008' + '00000006' + '00000003' + '0909'],
    [{ type: 'windowUpdate', stream: 0, delta: 4096 }, '80030009' + '00000008' + '00000000' + '00001000'],
  ];
  for (const [frame, wire] of cases) {
    assert.equal(hex(encodeFrame(frame)), wire, frame.type);
    const [read] = [...new FrameReader().read(Buffer.from(wire, 'hex'))];
    assert.deepEqual(plain(read!), plain(frame));
  }
});

test('frames survive being cut anywhere', () => {
  const frame = fc.oneof(
    fc.record({
      type: fc.constant('data' as const),
      stream: fc.integer({ min: 1, max: 0x7fffffff }),
      fin: fc.boolean(),
      bytes: fc.uint8Array({ maxLength: 50 }),
    }),
    fc.record({ type: fc.constant('ping' as const), id: fc.nat() }),
    fc.record({
      type: fc.constant('synStream' as const),
      stream: fc.integer({ min: 1, max: 0x7fffffff }),
      fin: fc.boolean(),
      block: fc.uint8Array({ maxLength: 30 }),
    }),
  );
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 10 }), fc.integer({ min: 1, max: 20 }), (frames, step) => {
      const wire = Buffer.concat(frames.map((f) => encodeFrame(f)));
      const reader = new FrameReader();
      const seen: string[] = [];
      let data = '';
      for (let at = 0; at < wire.length; at += step) {
        for (const f of reader.read(wire.subarray(at, at + step))) {
          if (f.type === 'data') {
            data += hex(f.bytes);
            if (f.fin) seen.push(`fin ${f.stream}`);
          } else if (f.type === 'synStream') seen.push(`syn ${f.stream} ${f.fin} ${hex(f.block)}`);
          else if (f.type === 'ping') seen.push(`ping ${f.id}`);
        }
      }
      const wanted = frames.flatMap((f) =>
        f.type === 'ping'
          ? [`ping ${f.id}`]
          : f.type === 'synStream'
            ? [`syn ${f.stream} ${f.fin} ${hex(f.block)}`]
            : f.fin
              ? [`fin ${f.stream}`]
              : [],
      );
      assert.deepEqual(seen, wanted);
      assert.equal(data, frames.map((f) => (f.type === 'data' ? hex(f.bytes) : '')).join(''));
    }),
  );
});

test('what is not SPDY is refused', () => {
  assert.throws(() => [...new FrameReader().read(Buffer.from('8002000100000000', 'hex'))], SpdyError);
  assert.throws(() => [...new FrameReader().read(Buffer.from('8003000400ffffff', 'hex'))], SpdyError);
  assert.throws(() => [...new FrameReader().read(Buffer.from('80030006000000020000', 'hex'))], SpdyError);
});

/** A client and a server whose transports are queues. */
function pair(accept: (stream: SpdyStream) => ReturnType<NonNullable<typeof echo>> | undefined) {
  const deliver = (to: () => SpdySession) => {
    let last = Promise.resolve();
    return (b: Uint8Array): Promise<void> => {
      last = last.then(() => to().receive(b));
      return last;
    };
  };
  const client: SpdySession = new SpdySession({
    role: 'client',
    send: (b) => void toServer(b),
    inflate: spdyInflate(),
  });
  const server: SpdySession = new SpdySession({
    role: 'server',
    send: (b) => void toClient(b),
    inflate: spdyInflate(),
    accept,
  });
  const toServer = deliver(() => server);
  const toClient = deliver(() => client);
  return { client, server };
}
const echo = (stream: SpdyStream) => ({
  data: async (b: Uint8Array) => void (await stream.write(b)),
  end: () => void stream.end(),
});

test('a stream is opened, written both ways and half-closed', async () => {
  const types: string[] = [];
  const { client, server } = pair((stream) => {
    types.push(stream.headers.streamtype!);
    return echo(stream);
  });
  let got = '';
  const done = Promise.withResolvers<string>();
  const stream = client.open(
    { streamType: 'data' },
    { data: (b) => void (got += text(b)), end: done.resolve },
  );
  assert.equal(await stream.opened, true);
  const big = 'abc'.repeat(50_000);
  await stream.write(bytes(big));
  await stream.end();
  assert.equal(await done.promise, 'ended');
  assert.equal(got, big);
  assert.deepEqual(types, ['data']);
  assert.deepEqual([client.streams, server.streams], [0, 0]);
  assert.equal(await stream.write(bytes('more')), false);
  await client.ping();
  await server.ping();
});

test('refused, reset and lost streams end, and writers learn of it', async () => {
  const streams: SpdyStream[] = [];
  const { client, server } = pair((stream) => {
    if (stream.headers.streamtype === 'no') return undefined;
    streams.push(stream);
    return echo(stream);
  });
  const ends: string[] = [];
  const open = (streamtype: string) =>
    client.open({ streamtype }, { end: (how) => void ends.push(`${streamtype} ${how}`) });
  const refused = open('no');
  assert.equal(await refused.opened, false);
  const [a, b] = [open('a'), open('b')];
  await Promise.all([a.opened, b.opened]);
  await streams[0]!.reset();
  await client.ping();
  assert.equal(await a.write(bytes('x')), false);
  client.end();
  assert.equal(await b.write(bytes('x')), false);
  assert.equal(await open('late').opened, false);
  assert.deepEqual(ends, ['no reset', 'a reset', 'b gone', 'late gone']);
  server.end();
});
