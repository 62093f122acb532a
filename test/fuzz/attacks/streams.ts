import { once, pick } from '../../../src/testing/random-objects.ts';
import type { Attack, Context } from '../context.ts';

const paths = [
  '/api/v1/namespaces/default/pods/pod/exec?command=sh&stdin=1&stdout=1',
  '/api/v1/namespaces/default/pods/pod/attach?stdin=1',
  '/api/v1/namespaces/default/pods/pod/portforward?ports=80',
  '/api/v1/namespaces/default/pods/pod/portforward',
  '/api/v1/namespaces/default/pods/pod/log?follow=1',
  '/api/v1/namespaces/default/pods?watch=1&timeoutSeconds=1',
  '/api/v1/namespaces/default/pods/none/exec?command=sh',
  '/api/v1/nodes/node-1/proxy/healthz',
  '/version',
  '/nothing',
];
const protocols = [
  'v5.channel.k8s.io',
  'v4.channel.k8s.io',
  'channel.k8s.io',
  'base64.channel.k8s.io',
  'SPDY/3.1+portforward.k8s.io',
  '',
  'x',
  'base64url.bearer.authorization.k8s.io.%%%',
  ',,,',
  'v4.base64.channel.k8s.io',
];

/** A WebSocket frame, as right or wrong as it is asked for. */
function frame(
  opcode: number,
  payload: Uint8Array,
  { final = true, masked = true, length = payload.length } = {},
): Buffer {
  const head: number[] = [(final ? 0x80 : 0) | opcode];
  const mask = masked ? 0x80 : 0;
  if (length < 126) head.push(mask | length);
  else if (length < 65536) head.push(mask | 126, length >> 8, length & 255);
  else
    head.push(
      mask | 127,
      0,
      0,
      0,
      0,
      (length >>> 24) & 255,
      (length >>> 16) & 255,
      (length >>> 8) & 255,
      length & 255,
    );
  if (masked) head.push(0, 0, 0, 0);
  return Buffer.concat([Buffer.from(head), payload]);
}

const webSocket: Attack = {
  name: 'WebSocket frames',
  weight: 2,
  async run({ draw, wire, count, problem }: Context) {
    const protocol = pick(draw, protocols);
    const version = pick(draw, ['13', '13', '13', '8', 'x']);
    const key = pick(draw, ['dGhlIHNhbXBsZSBub25jZQ==', 'dGhlIHNhbXBsZSBub25jZQ==', 'x', '']);
    const upgrade = `GET ${pick(draw, paths)} HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: ${version}\r\nsec-websocket-key: ${key}\r\n${protocol ? `sec-websocket-protocol: ${protocol}\r\n` : ''}\r\n`;
    const random = (n: number) => Buffer.from(Array.from({ length: n }, () => draw.upTo(255)));
    const frames = Array.from({ length: 1 + draw.upTo(6) }, () =>
      pick(draw, [
        () =>
          frame(
            2,
            Buffer.concat([Buffer.from([pick(draw, [0, 1, 2, 3, 4, 5, 9, 255])]), random(draw.upTo(50))]),
          ),
        () => frame(1, random(20)),
        () => frame(2, Buffer.alloc(0)),
        () => frame(2, Buffer.from([4, ...Buffer.from('{"Width":"x","Height":-1}')])),
        () => frame(2, Buffer.from([4, ...Buffer.from('['.repeat(5000))])),
        () => frame(2, Buffer.alloc(10), { length: 0x7fffffff }),
        () => frame(2, random(10), { masked: false }),
        () => frame(2, random(10), { final: false }),
        () => frame(0, random(10)),
        () => frame(8, random(draw.upTo(4))),
        () => frame(9, random(200)),
        () => frame(draw.upTo(15), random(draw.upTo(20))),
        () => Buffer.concat(Array.from({ length: 500 }, () => frame(9, Buffer.alloc(2)))),
        () => Buffer.concat(Array.from({ length: 300 }, () => frame(2, Buffer.alloc(1), { final: false }))),
        () => random(50),
      ])(),
    );
    count();
    const { bytes } = await wire.raw(Buffer.concat([Buffer.from(upgrade), ...frames]), { limitMs: 400 });
    if (
      /^HTTP\/1\.1 500 /.test(bytes.toString('latin1')) &&
      !/container not found|no answer/.test(bytes.toString())
    )
      problem(`${upgrade} -> ${bytes.toString().slice(0, 400)}`);
  },
};

const spdy: Attack = {
  name: 'SPDY frames',
  async run({ draw, wire, count, problem }: Context) {
    const random = (n: number) => Buffer.from(Array.from({ length: n }, () => draw.upTo(255)));
    const control = (type: number, payload: Uint8Array, length = payload.length) =>
      Buffer.concat([
        Buffer.from([0x80, 3, 0, type, 0, (length >> 16) & 255, (length >> 8) & 255, length & 255]),
        payload,
      ]);
    const upgrade = `POST ${pick(draw, paths)} HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: ${pick(draw, ['SPDY/3.1', 'SPDY/3.1', 'spdy/2', 'h2c', 'x'])}\r\nx-stream-protocol-version: ${pick(draw, ['v4.channel.k8s.io', 'portforward.k8s.io', 'x'])}\r\n${once(draw, 3) ? 'content-length: 5\r\n' : ''}\r\n`;
    const frames = Array.from({ length: 1 + draw.upTo(6) }, () =>
      pick(draw, [
        () => control(draw.upTo(12), random(draw.upTo(30))),
        () => control(1, random(20), 0xffffff),
        () => Buffer.concat([Buffer.from([0, 0, 0, draw.upTo(5), 0, 0, 0, 10]), random(10)]),
        () => random(40),
      ])(),
    );
    count();
    const { bytes } = await wire.raw(Buffer.concat([Buffer.from(upgrade), ...frames]), { limitMs: 300 });
    if (/^HTTP\/1\.1 500 /.test(bytes.toString('latin1')))
      problem(`${upgrade} -> ${bytes.toString().slice(0, 400)}`);
  },
};

export const streams: Attack[] = [webSocket, spdy];
