import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { connect } from 'node:tls';
import { configMaps } from '../../api/core/config-map.ts';
import { startControlPlane } from '../../testing/control-plane.ts';
import { serveControlPlane } from '../../testing/https-server.ts';

const plane = await startControlPlane();
const https = await serveControlPlane(plane);
after(async () => {
  await https[Symbol.asyncDispose]();
  await plane.stop();
});
const { client, server } = plane;
const maps = '/api/v1/namespaces/default/configmaps';
const create = (name: string, more: object = {}) =>
  client(configMaps).create({ metadata: { name, namespace: 'default' }, ...more });
const lines = (text: string): any[] =>
  text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));

test('events come as they happen, over both protocols', async () => {
  await create('first');
  for (const http2 of [false, true]) {
    let seen = '';
    const name = `second-${http2}`;
    const answer = await https.ask(`${maps}?watch=true`, {
      http2,
      onData(text) {
        if (!seen) void create(name);
        seen += text;
        return seen.includes(name);
      },
    });
    assert.equal(answer.code, 200);
    assert.equal(answer.headers['content-type'], 'application/json');
    assert.equal(answer.headers['content-length'], undefined);
    const events = lines(seen);
    assert.equal(events[0].type, 'ADDED');
    assert.deepEqual([events[0].object.kind, events[0].object.apiVersion], ['ConfigMap', 'v1']);
    assert.equal(events.at(-1).object.metadata.name, name);
  }
});

test('a streamed list, as client-go asks for it', async () => {
  let seen = '';
  await https.ask(
    `${maps}?watch=1&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan`,
    { onData: (text) => (seen += text).includes('initial-events-end') },
  );
  const last = lines(seen).at(-1);
  assert.equal(last.type, 'BOOKMARK');
  assert.equal(last.object.kind, 'ConfigMap');
  assert.deepEqual(last.object.metadata.annotations, { 'k8s.io/initial-events-end': 'true' });
});

test('a watch ends when its time is over', async () => {
  const began = Date.now();
  const answer = await https.ask(`${maps}?watch=true&timeoutSeconds=1`);
  assert.equal(answer.code, 200);
  assert.ok(Date.now() - began > 900 && Date.now() - began < 3000);
  assert.equal(server.registry.caches.of(configMaps)!.watchers, 0);
});

test('a table says its columns once', async () => {
  let seen = '';
  await https.ask(`${maps}?watch=true`, {
    headers: { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' },
    onData: (text) => (seen += text).split('\n').length > 3,
  });
  const [first, second] = lines(`${seen.split('\n').slice(0, 2).join('\n')}\n`);
  assert.equal(first.object.kind, 'Table');
  assert.ok(first.object.columnDefinitions.length);
  assert.equal(second.object.columnDefinitions, null);
});

test('what goes wrong before it begins is a Status', async () => {
  const bad = await https.ask(`${maps}?watch=true&fieldSelector=a%3Db`);
  assert.equal(bad.code, 400);
  assert.equal(bad.json.kind, 'Status');
});

test('a client that goes takes its watch with it', async () => {
  await https.ask(`${maps}?watch=true`, { onData: () => true });
  for (let i = 0; i < 50 && server.registry.caches.of(configMaps)!.watchers; i++)
    await new Promise((resolve) => setTimeout(resolve, 10));
  assert.equal(server.registry.caches.of(configMaps)!.watchers, 0);
});

test('a client that does not read is cut off before memory is gone', async () => {
  const { cert, key } = await https.identity('slow', ['system:masters']);
  const socket = connect({ host: '127.0.0.1', port: https.port, cert, key, rejectUnauthorized: false });
  await new Promise((resolve) => socket.once('secureConnect', resolve));
  socket.write(`GET ${maps}?watch=true HTTP/1.1\r\nHost: x\r\n\r\n`);
  await new Promise((resolve) => socket.once('data', resolve));
  socket.pause();
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.on('error', () => {});
  const cache = server.registry.caches.of(configMaps)!;
  assert.equal(cache.watchers, 1);
  for (let i = 0; i < 60 && cache.watchers; i++) {
    await create(`big-${i}`, { data: { x: 'x'.repeat(900_000) } });
  }
  assert.equal(cache.watchers, 0);
  socket.resume();
  await closed;
});
