import assert from 'node:assert/strict';
import { get } from 'node:http';
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import { connect as connectSocket } from 'node:net';
import { after, before, test } from 'node:test';
import { encodeHeaders, HeaderDecoder } from './hpack.ts';
import { decodeHuffman } from './huffman.ts';
import { type Listener, listen } from './listen.ts';
import type { Call } from './stream.ts';

const cancelled: string[] = [];
/** `/echo` answers once, `/stream` sends every message back, `/large N` sends so many bytes, `/fail` refuses. */
const routes: Record<string, (call: Call) => void> = {
  '/test/Echo': (call) => {
    call.onMessage = (message) => call.answer(Buffer.from(message));
  },
  '/test/Stream': (call) => {
    call.onMessage = (message) => call.send(message);
    call.onEnd = () => call.end();
    call.onCancel = () => void cancelled.push('stream');
  },
  '/test/Large': (call) => {
    call.onMessage = async (message) => {
      for (let left = Number(message); left > 0; left -= 100_000) {
        call.send(Buffer.alloc(Math.min(left, 100_000), 'x'));
        await call.drained();
      }
      call.end();
    };
  },
  '/test/Fail': (call) => {
    call.onMessage = () => call.end(9, 'nicht möglich: 100 %');
  },
};
let listener: Listener;
let session: ClientHttp2Session;
before(async () => {
  const http = (_: unknown, response: any) => response.end('older');
  listener = await listen({ url: 'http://127.0.0.1:0', route: (path) => routes[path], http });
  session = connect(listener.url);
});
after(async () => {
  session.destroy();
  await listener.close(100);
});

const framed = (message: string | Buffer): Buffer => {
  const body = Buffer.from(message as string);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(body.length, 1);
  return Buffer.concat([head, body]);
};

function open(path: string, headers: object = {}, on = session): ClientHttp2Stream {
  return on.request({ ':method': 'POST', ':path': path, 'content-type': 'application/grpc', ...headers });
}

/** The messages of an answer, and its trailers. */
async function answerOf(stream: ClientHttp2Stream): Promise<{ messages: Buffer[]; trailers: any }> {
  let trailers: any = {};
  stream.on('response', (headers) => (trailers = headers));
  stream.on('trailers', (headers) => (trailers = headers));
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part as Buffer);
  const bytes = Buffer.concat(parts);
  const messages: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt32BE(at + 1);
    messages.push(bytes.subarray(at + 5, at + 5 + length));
    at += 5 + length;
  }
  return { messages, trailers };
}

test('a call and its answer; many at once; headers of every character, many and long', async () => {
  const echo = async (text: string, headers: object = {}) => {
    const stream = open('/test/Echo', headers);
    stream.end(framed(text));
    const { messages, trailers } = await answerOf(stream);
    assert.deepEqual(messages.map(String), [text]);
    assert.equal(trailers['grpc-status'], '0');
  };
  await echo('hello');
  await Promise.all(Array.from({ length: 200 }, (_, i) => echo(`message ${i}`.repeat(i))));
  const every = String.fromCharCode(...Array.from({ length: 94 }, (_, i) => 33 + i));
  await echo('x', { 'x-every': every, 'x-latin': 'ÄÖÜ' });
  await echo('x', Object.fromEntries(Array.from({ length: 120 }, (_, i) => [`x-${i}`, `${i}-`.repeat(60)])));
  await echo('x'.repeat(1_900_000));
});

test('streams both ways, the end from either side, and a client who goes', async () => {
  const stream = open('/test/Stream');
  stream.write(framed('one').subarray(0, 3));
  stream.write(framed('one').subarray(3));
  stream.write(Buffer.concat([framed('two'), framed(''), framed('three')]));
  setTimeout(() => stream.end(framed('four')), 20);
  const { messages, trailers } = await answerOf(stream);
  assert.deepEqual(messages.map(String), ['one', 'two', '', 'three', 'four']);
  assert.equal(trailers['grpc-status'], '0');

  const left = open('/test/Stream');
  left.write(framed('x'));
  await new Promise((resolve) => left.once('data', resolve));
  left.destroy();
  for (let i = 0; i < 100 && !cancelled.length; i++) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.deepEqual(cancelled, ['stream']);
});

test('flow control: more than the windows, to a client with small ones', async () => {
  const small = connect(listener.url, { settings: { initialWindowSize: 5000 } });
  try {
    const both = await Promise.all(
      [small, session].map((on) => {
        const stream = open('/test/Large', {}, on);
        stream.end(framed('3000000'));
        return answerOf(stream);
      }),
    );
    for (const { messages } of both) assert.equal(Buffer.concat(messages).length, 3_000_000);
  } finally {
    small.destroy();
  }
});

test('refusals: of the handler, of what nobody serves, of what is no gRPC, of what is too large', async () => {
  const call = async (path: string, body: Buffer, headers: object = {}) => {
    const stream = open(path, headers);
    stream.end(body);
    const { trailers } = await answerOf(stream);
    return [trailers[':status'], trailers['grpc-status'], decodeURIComponent(trailers['grpc-message'] ?? '')];
  };
  assert.deepEqual(await call('/test/Fail', framed('x')), [200, '9', 'nicht möglich: 100 %']);
  assert.deepEqual(await call('/test/None', framed('x')), [200, '12', 'unknown method /test/None']);
  assert.deepEqual(await call('/test/Echo', framed('x'), { 'content-type': 'text/plain' }), [
    415,
    undefined,
    '',
  ]);
  const compressed = framed('x');
  compressed[0] = 1;
  assert.deepEqual(await call('/test/Echo', compressed), [
    200,
    '12',
    'compressed messages are not supported',
  ]);
  const huge = Buffer.alloc(10);
  huge.writeUInt32BE(3 << 20, 1);
  assert.equal((await call('/test/Echo', huge))[1], '8');
});

test('HTTP/1.1 on the same port', async () => {
  const text = await new Promise<string>((resolve) =>
    get(`${listener.url}/health`, (response) => response.on('data', (part) => resolve(String(part)))),
  );
  assert.equal(text, 'older');
});

test('nonsense ends the connection, and nothing else', async () => {
  const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  const port = Number(new URL(listener.url).port);
  for (const nonsense of [
    Buffer.from('PRI * HTTP/2.0 and so on, for ever'),
    Buffer.concat([preface, Buffer.alloc(9, 255)]),
    Buffer.concat([preface, Buffer.from([0, 0, 1, 1, 4, 0, 0, 0, 1, 0xff])]),
    Buffer.concat([preface, Buffer.from([0, 0, 0, 9, 4, 0, 0, 0, 1])]),
    Buffer.concat([preface, Buffer.from([0, 0, 1, 0, 8, 0, 0, 0, 1, 9])]),
  ]) {
    const socket = connectSocket(port, '127.0.0.1');
    socket.write(nonsense);
    socket.resume();
    await new Promise((resolve) => socket.on('close', resolve).on('error', () => {}));
  }
  const stream = open('/test/Echo');
  stream.end(framed('still there'));
  assert.equal(String((await answerOf(stream)).messages[0]), 'still there');
});

test('HPACK: the examples of RFC 7541', () => {
  const bytes = (hex: string) => Buffer.from(hex.replaceAll(' ', ''), 'hex');
  const decoder = new HeaderDecoder();
  // Appendix C.4: three requests on one connection, Huffman coded.
  for (const [block, wanted] of [
    ['828684418cf1e3c2e5f23a6ba0ab90f4ff', { ':authority': 'www.example.com', ':path': '/' }],
    ['828684be5886a8eb10649cbf', { ':authority': 'www.example.com', 'cache-control': 'no-cache' }],
    [
      '828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf',
      { ':scheme': 'https', ':path': '/index.html', 'custom-key': 'custom-value' },
    ],
  ] as [string, Record<string, string>][]) {
    const found = decoder.decode(bytes(block));
    for (const [name, value] of Object.entries(wanted)) assert.equal(found.get(name), value);
  }
  // Appendix C.6.1.
  assert.equal(
    decodeHuffman(bytes('d07abe941054d444a8200595040b8166e082a62d1bff')),
    'Mon, 21 Oct 2013 20:13:21 GMT',
  );
  assert.equal(decodeHuffman(bytes('9d29ad171863c78f0b97c8e9ae82ae43d3')), 'https://www.example.com');
  assert.throws(() => decodeHuffman(bytes('ffffffff')), RangeError);
  // The same block after the table has changed: index 62 is another entry.
  assert.equal(decoder.decode(bytes('be')).get('custom-key'), 'custom-value');
  assert.equal(decoder.decode(bytes('be')).get('custom-key'), 'custom-value');
  decoder.decode(bytes('4003666f6f03626172')); // foo: bar
  assert.deepEqual([...decoder.decode(bytes('be'))], [['foo', 'bar']]);
  decoder.decode(bytes('20')); // a table of no bytes
  assert.throws(() => decoder.decode(bytes('be')), RangeError);
  const headers = { ':status': '200', 'grpc-status': '0', 'x-long': 'y'.repeat(1000) };
  assert.deepEqual(Object.fromEntries(new HeaderDecoder().decode(encodeHeaders(headers))), headers);
});
