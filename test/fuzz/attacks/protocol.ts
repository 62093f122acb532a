import { pick } from '../../../src/testing/random-objects.ts';
import { type Attack, type Context, sleep } from '../context.ts';

/** One request in bytes; what follows is its body, in the eyes of some. */
const smuggling: string[] = [
  'POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\nhost: x\r\ncontent-length: 6\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /version HTTP/1.1\r\nhost: x\r\n\r\n',
  'POST /api HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!',
  'POST /api HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n',
  'POST /api HTTP/1.1\r\nhost: x\r\ntransfer-encoding : chunked\r\n\r\n0\r\n\r\n',
  'POST /api HTTP/1.1\r\nhost: x\r\ntransfer-encoding:\x0bchunked\r\n\r\n0\r\n\r\n',
  'POST /api HTTP/1.1\r\nhost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n',
  'POST /api HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff0\r\nx\r\n0\r\n\r\n',
  'POST /api HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1;a=b\nx\r\n0\r\n\r\n',
  'POST /api HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n-1\r\nx\r\n0\r\n\r\n',
  'GET /version HTTP/1.1\nhost: x\n\n',
  'GET /version HTTP/1.1\r\nhost: x\r\n folded: y\r\n\r\n',
  'GET /version HTTP/1.1\r\nhost: x\r\nx: a\rb: c\r\n\r\n',
  'GET /version HTTP/1.1\r\n\r\n',
  'GET /version HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n',
  'GET /version HTTP/1.0\r\n\r\n',
  'GET /version HTTP/9.9\r\nhost: x\r\n\r\n',
  'GET /version\r\n\r\n',
  'GET  /version HTTP/1.1\r\nhost: x\r\n\r\n',
  'GET http://other/version HTTP/1.1\r\nhost: x\r\n\r\n',
  'GET https://other.example/api/v1/pods HTTP/1.1\r\nhost: x\r\n\r\n',
  'GET //evil.example/api HTTP/1.1\r\nhost: x\r\n\r\n',
  'OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n',
  'CONNECT evil.example:443 HTTP/1.1\r\nhost: x\r\n\r\n',
  'GET /\x00 HTTP/1.1\r\nhost: x\r\n\r\n',
  'GET /é HTTP/1.1\r\nhost: x\r\n\r\n',
  'POST /api HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n{}',
  'POST /api HTTP/1.1\r\nhost: x\r\nexpect: strange\r\ncontent-length: 2\r\n\r\n{}',
  'GET /version HTTP/1.1\r\nhost: x\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n',
  'GET /version HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: \r\n\r\n',
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
  '\x00\x00\x00\x00\x00\x00\x00\x00\x00',
  'GET /version HTTP/1.1\r\nhost: x\r\n' + 'x: y\r\n'.repeat(5000) + '\r\n',
  'GET /version HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n',
  'GET /version HTTP/1.1\r\nhost: x\r\ncontent-length: 1e3\r\n\r\n',
  'GET /version HTTP/1.1\r\nhost: x\r\ncontent-length: 18446744073709551616\r\n\r\n',
];

const shapes: Attack = {
  name: 'HTTP/1.1 shapes',
  weight: 2,
  async run({ draw, wire, count, problem }) {
    const bytes = pick(draw, smuggling);
    count();
    const { bytes: answer } = await wire.raw(Buffer.from(bytes, 'latin1'), { limitMs: 300 });
    const text = answer.toString('latin1');
    const answers = text.match(/^HTTP\/1\.1 \d+/gm) ?? [];
    if (/ 500 /.test(answers.join('\n')))
      problem(`${JSON.stringify(bytes.slice(0, 200))} -> ${text.slice(0, 300)}`);
    if (/content-length: 6\r\ntransfer-encoding/.test(bytes) && answers.length > 1)
      problem(`two answers to one request with two lengths: ${text.slice(0, 500)}`);
    // Two requests at once are two answers, in order.
    const twice = await wire.raw(
      'GET /version HTTP/1.1\r\nhost: x\r\n\r\nGET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n',
      { limitMs: 5000 },
    );
    if (!/gitVersion[\s\S]*\r\n\r\nok/.test(twice.bytes.toString()))
      problem(`pipelined requests: ${twice.bytes.toString().slice(0, 300)}`);
  },
};

/** An HTTP/2 frame. */
function frame(type: number, flags: number, stream: number, payload: Uint8Array = new Uint8Array()): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}
const preface = Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(4, 0, 0)]);
/** :method GET, :scheme https, :path /, :authority x. */
const get = Buffer.from([0x82, 0x87, 0x84, 0x41, 0x01, 0x78]);

const floods: ((n: number) => Buffer)[] = [
  // Requests that are taken back at once.
  (n) =>
    Buffer.concat(
      Array.from({ length: n }, (_, i) =>
        Buffer.concat([frame(1, 5, 2 * i + 1, get), frame(3, 0, 2 * i + 1, Buffer.from([0, 0, 0, 8]))]),
      ),
    ),
  // A header that goes on and on.
  (n) =>
    Buffer.concat([
      frame(1, 0, 1, get),
      ...Array.from({ length: n }, () => frame(9, 0, 1, Buffer.from([0x40, 1, 0x61, 1, 0x62]))),
    ]),
  (n) => Buffer.concat(Array.from({ length: n }, () => frame(4, 0, 0, Buffer.from([0, 3, 0, 0, 0, 100])))),
  (n) => Buffer.concat(Array.from({ length: n }, () => frame(6, 0, 0, Buffer.alloc(8)))),
  (n) => Buffer.concat(Array.from({ length: n }, () => frame(2, 0, 1, Buffer.from([0, 0, 0, 3, 1])))),
  (n) => Buffer.concat([frame(1, 4, 1, get), ...Array.from({ length: n }, () => frame(0, 0, 1))]),
  (n) => Buffer.concat(Array.from({ length: n }, () => frame(8, 0, 0, Buffer.from([0, 0, 0, 1])))),
  // No window for any answer.
  (n) =>
    Buffer.concat([
      frame(4, 0, 0, Buffer.from([0, 4, 0, 0, 0, 0])),
      ...Array.from({ length: Math.min(n, 900) }, (_, i) => frame(1, 5, 2 * i + 1, get)),
    ]),
  () => frame(0, 0, 0, Buffer.alloc(10)),
  () => frame(1, 5, 2, get),
  () => frame(1, 4, 1, Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0x0f])),
  () => frame(5, 4, 1, Buffer.alloc(8)),
  () =>
    Buffer.concat([
      frame(1, 4, 1, Buffer.concat([get, Buffer.from([0x40, 4, 0x68, 0x6f, 0x73, 0x74, 1, 0x79])])),
      frame(0, 1, 1, Buffer.alloc(0)),
    ]),
  () => Buffer.from([0xff, 0xff, 0xff, 99, 0, 0, 0, 0, 0]),
];

const http2: Attack = {
  name: 'HTTP/2 floods',
  weight: 2,
  async run({ draw, wire, count }) {
    const n = pick(draw, [10, 1000, 10_000]);
    count(n);
    await wire.raw(Buffer.concat([preface, pick(draw, floods)(n)]), { alpn: 'h2', limitMs: 1000 });
  },
};

const resets: Attack = {
  name: 'HTTP/2 requests taken back',
  async run({ draw, wire, count }) {
    const session = wire.session();
    const paths = [
      '/api/v1/configmaps',
      '/apis/apps/v1/deployments',
      '/openapi/v2',
      '/api/v1/pods?watch=1',
      '/metrics',
    ];
    for (let round = 0; round < 20 && !session.destroyed; round++) {
      for (let i = 0; i < 50 && !session.destroyed; i++) {
        try {
          const stream = session.request({ ':path': pick(draw, paths) });
          stream.on('error', () => {});
          if (draw.upTo(1)) stream.close(8);
          else setImmediate(() => stream.close(8));
        } catch {
          break; // the server has ended the session: as it may
        }
      }
      count(50);
      await sleep(20);
    }
    session.destroy();
  },
};

const hangUps: Attack = {
  name: 'connections cut off',
  async run(context: Context) {
    const { draw, wire, count } = context;
    for (let i = 0; i < 20; i++) {
      const socket = await wire.open().catch(() => undefined);
      if (!socket) continue;
      count();
      const path = pick(draw, [
        '/api/v1/configmaps',
        '/openapi/v2',
        '/api/v1/pods?watch=1',
        '/api/v1/namespaces/default/pods/pod/log',
        '/openapi/v3/api/v1',
      ]);
      const body = '{"metadata":{"generateName":"cut-"}}';
      const write = `POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body.slice(0, draw.upTo(body.length))}`;
      socket.write(draw.upTo(1) ? write : `GET ${path} HTTP/1.1\r\nhost: x\r\naccept-encoding: gzip\r\n\r\n`);
      await sleep(draw.upTo(15));
      socket.destroy();
    }
  },
};

export const protocol: Attack[] = [shapes, http2, resets, hangUps];
