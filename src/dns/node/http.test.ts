import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { statusLineOf } from '../../testing/raw-http.ts';
import { serveHttp } from './http.ts';

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });

test('pages, and targets that are none', async () => {
  const port = await freePort();
  await using _server = await serveHttp(`127.0.0.1:${port}`, (path) => ({ status: 200, body: path }));
  assert.equal(await (await fetch(`http://127.0.0.1:${port}/health?x=1`)).text(), '/health');
  for (const target of ['//', 'http://[', '///:x@']) {
    assert.match(await statusLineOf(port, target), /^HTTP\/1\.1 400 /);
    assert.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 200, `it lives after ${target}`);
  }
});
