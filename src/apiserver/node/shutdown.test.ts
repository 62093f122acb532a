import assert from 'node:assert/strict';
import { connect, constants } from 'node:http2';
import { Agent, request } from 'node:https';
import { test } from 'node:test';
import { configMaps } from '../../api/core/config-map.ts';
import { startControlPlane } from '../../testing/control-plane.ts';
import { serveControlPlane } from '../../testing/https-server.ts';

type Outcome = number | string;

test('nobody sees a request fail when the server goes', async () => {
  const plane = await startControlPlane();
  const https = await serveControlPlane(plane);
  const admin = await https.identity('admin', ['system:masters']);
  const tls = { host: '127.0.0.1', port: https.port, ca: https.ca, ...admin };
  const outcomes: Outcome[] = [];
  let over = false;
  const path = '/api/v1/namespaces/default/configmaps';

  // HTTP/1.1, with connections that are kept.
  const agent = new Agent({ ...tls, keepAlive: true, maxSockets: 8 });
  const one = (i: number) =>
    new Promise<Outcome>((resolve) => {
      const write = i % 3 === 0;
      const sent = request({ ...tls, agent, path, method: write ? 'POST' : 'GET' }, (response) => {
        response.resume();
        response.on('end', () => resolve(response.statusCode!));
        response.on('error', (error: NodeJS.ErrnoException) => resolve(`answer: ${error.code}`));
      });
      sent.on('error', (error: NodeJS.ErrnoException) => resolve(error.code!));
      sent.setHeader('content-type', 'application/json');
      sent.end(write ? JSON.stringify({ metadata: { generateName: 'm-' } }) : undefined);
    });
  const loop = async (worker: number) => {
    for (let i = worker; !over; i++) {
      const outcome = await one(i);
      outcomes.push(outcome);
      if (outcome === 'ECONNREFUSED') return;
    }
  };
  // HTTP/2: as long as the connection is open and nobody has asked to leave it.
  const session = connect(`https://127.0.0.1:${https.port}`, tls);
  let left = false;
  session.on('goaway', () => (left = true));
  session.on('error', (error: NodeJS.ErrnoException) => outcomes.push(`session: ${error.code}`));
  const loop2 = async () => {
    while (!over && !left && !session.closed)
      outcomes.push(
        await new Promise<Outcome>((resolve) => {
          const stream = session.request({ ':path': path });
          let code = 0;
          stream.on('response', (headers) => (code = headers[':status']!));
          stream.on('error', (error: NodeJS.ErrnoException) =>
            resolve(
              stream.rstCode === constants.NGHTTP2_REFUSED_STREAM ? 'refused' : `stream: ${error.code}`,
            ),
          );
          stream.on('end', () => resolve(code));
          stream.resume();
        }),
      );
  };
  const watching = https.ask(`${path}?watch=1`);
  const loops = [...Array.from({ length: 8 }, (_, i) => loop(i)), loop2(), loop2()];
  while (outcomes.length < 50) await new Promise((resolve) => setTimeout(resolve, 10));
  const before = outcomes.length;
  const shutdown = https.shutDown(1000);
  const ready = await https.ask('/readyz');
  assert.equal(ready.code, 500);
  assert.match(ready.text, /\[-\]shutdown failed/);
  assert.equal((await https.ask('/livez')).code, 200);
  await shutdown;
  assert.equal((await watching).code, 200, 'a watch ends as if its time was over');
  const stored = (await plane.client(configMaps).list({ namespace: 'default' })).items.length;
  setTimeout(() => (over = true), 500);
  await Promise.all(loops);
  agent.destroy();
  session.destroy();
  // A stream that is refused was not looked at: clients may send it again, as after a connection that was refused.
  const fine: Outcome[] = [200, 201, 'ECONNREFUSED', 'refused'];
  const failed = outcomes.filter((outcome) => !fine.includes(outcome));
  assert.deepEqual(failed, []);
  assert.equal(
    stored,
    outcomes.filter((outcome) => outcome === 201).length,
    'what was written was acknowledged',
  );
  assert.ok(outcomes.length > before);
  assert.equal(outcomes.filter((outcome) => outcome === 'ECONNREFUSED').length, 8);
  await plane.stop();
});
