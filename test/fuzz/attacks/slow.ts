import type { TLSSocket } from 'node:tls';
import { once, pick } from '../../../src/testing/random-objects.ts';
import { type Attack, type Context, json, sleep } from '../context.ts';

async function openMany(context: Context, count: number): Promise<TLSSocket[]> {
  const sockets: TLSSocket[] = [];
  for (let i = 0; i < count; i += 20) {
    const some = await Promise.allSettled(
      Array.from({ length: Math.min(20, count - i) }, () => context.wire.open()),
    );
    for (const one of some) if (one.status === 'fulfilled') sockets.push(one.value);
  }
  context.count(sockets.length);
  return sockets;
}

const headers: Attack = {
  name: 'slow headers',
  long: true,
  async run(context) {
    const sockets = await openMany(context, 60);
    for (const socket of sockets) socket.write('GET /api/v1/pods HTTP/1.1\r\nhost: x\r\n');
    for (let i = 0; i < 20; i++) {
      await sleep(100);
      for (const socket of sockets) if (!socket.destroyed) socket.write(`x-${i}: y\r\n`);
    }
    for (const socket of sockets) socket.destroy();
  },
};

const body: Attack = {
  name: 'slow bodies',
  long: true,
  async run(context) {
    const { wire } = context;
    const sockets = await openMany(context, 40);
    for (const socket of sockets)
      socket.write(
        'POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n{',
      );
    const session = wire.session();
    const streams = Array.from({ length: 50 }, () => {
      const stream = session.request({
        ':method': 'POST',
        ':path': '/api/v1/namespaces/default/configmaps',
        ...json,
      });
      stream.on('error', () => {});
      stream.write('{');
      return stream;
    });
    context.count(streams.length);
    for (let i = 0; i < 20; i++) {
      await sleep(100);
      for (const socket of sockets) if (!socket.destroyed) socket.write(' ');
      for (const stream of streams) if (!stream.destroyed) stream.write(' ');
    }
    session.destroy();
    for (const socket of sockets) socket.destroy();
  },
};

const reading: Attack = {
  name: 'slow readers',
  long: true,
  async run(context) {
    const { draw, wire, send } = context;
    const path = '/api/v1/namespaces/slow/configmaps';
    await send({
      method: 'POST',
      path: '/api/v1/namespaces',
      headers: json,
      body: '{"metadata":{"name":"slow"}}',
    });
    const data = { a: 'x'.repeat(20_000) };
    for (let i = 0; i < 20; i++)
      await send({
        method: 'POST',
        path,
        headers: json,
        body: JSON.stringify({ metadata: { name: `big-${i}` }, data }),
      });
    const sockets = await openMany(context, 30);
    for (const socket of sockets) {
      socket.pause();
      const query = once(draw, 2) ? '?watch=1&timeoutSeconds=30' : '';
      // Asked for several times, and never read.
      socket.write(`GET ${path}${query} HTTP/1.1\r\nhost: x\r\n\r\n`.repeat(query ? 1 : 20));
    }
    const session = wire.session();
    for (let i = 0; i < 50; i++) {
      const stream = session.request({ ':path': `${path}${pick(draw, ['', '?watch=1'])}` });
      stream.on('error', () => {});
      stream.pause();
    }
    for (let i = 0; i < 60; i++)
      await send({
        ...{
          method: 'PATCH',
          path: `${path}/big-${i % 20}`,
          headers: { 'content-type': 'application/merge-patch+json' },
        },
        body: JSON.stringify({ data: { b: String(i) } }),
      });
    session.destroy();
    for (const socket of sockets) socket.destroy();
  },
};

export const slow: Attack[] = [headers, body, reading];
