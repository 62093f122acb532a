import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import {
  type AddressInfo,
  connect,
  createServer as createTcpServer,
  type Server,
  type Socket,
} from 'node:net';
import { test } from 'node:test';
import { configMaps } from '../../api/core/config-map.ts';
import { systemClock } from '../../cluster/node/platform.ts';
import { silentLog } from '../../machinery/log.ts';
import { startControlPlane } from '../../testing/control-plane.ts';
import { refused } from '../../testing/expect.ts';
import { serveControlPlane } from '../../testing/https-server.ts';
import { ConnectionError } from '../http.ts';
import { createInformers } from '../informer.ts';
import { createClient } from '../typed.ts';
import { type HttpsOptions, httpsClient, httpsTransport } from './https.ts';

const settings = (name: string) => ({ metadata: { name, namespace: 'default' }, data: { a: 'b' } });

/** A control plane behind a socket that can be cut; what is asked of it. */
async function start() {
  const plane = await startControlPlane();
  const https = await serveControlPlane(plane);
  const open = new Set<Socket>();
  let made = 0;
  const proxy = createTcpServer((socket) => {
    made++;
    const up = connect(https.port, '127.0.0.1');
    open.add(socket);
    socket.pipe(up).pipe(socket);
    const end = () => {
      open.delete(socket);
      socket.destroy();
      up.destroy();
    };
    for (const one of [socket, up]) one.on('error', end).on('close', end);
  });
  const port = await listening(proxy);
  const asked: string[] = [];
  const admin = await https.identity('admin', ['system:masters']);
  const rest = (options: Partial<HttpsOptions> = {}) =>
    httpsTransport({
      server: `https://127.0.0.1:${port}`,
      ca: https.ca,
      ...admin,
      onExchange: ({ method, url, status, milliseconds }) =>
        asked.push(
          `${method} ${url.replace(/https:\S+?(?=\/)/, '')} ${status} in ${milliseconds} milliseconds`,
        ),
      ...options,
    });
  return {
    plane,
    https,
    rest,
    asked,
    connections: () => made,
    cut: () => {
      for (const socket of open) socket.destroy();
    },
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      proxy.close();
      await https[Symbol.asyncDispose]();
      await plane.stop();
    },
  };
}

async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** A server by hand. */
async function serving(handler: RequestListener) {
  const server = createServer(handler);
  const port = await listening(server);
  return {
    url: `http://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

async function until(what: () => boolean): Promise<void> {
  for (let i = 0; !what(); i++) {
    assert.ok(i < 500, `never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test('objects go to and fro over TLS, on a kept connection; failures are StatusErrors', async () => {
  await using cluster = await start();
  const rest = cluster.rest();
  const maps = createClient(rest)(configMaps);
  const created = await maps.create(settings('one'));
  assert.equal(created.data!.a, 'b');
  await maps.update({ ...created, data: { a: 'c' } });
  await maps.patch('one', { data: { d: 'e' } }, { namespace: 'default', type: 'merge' });
  assert.deepEqual((await maps.get('one', { namespace: 'default' })).data, { a: 'c', d: 'e' });
  const error = await refused(maps.get('two', { namespace: 'default' }), 404, 'configmaps "two" not found');
  assert.equal(error.reason, 'NotFound');
  await refused(maps.update(created), 409);
  await maps.delete('one', { namespace: 'default' });
  await refused(maps.get('one', { namespace: 'default' }), 404);
  assert.equal(cluster.connections(), 1);
  rest.http.close();
});

test('who asks is who the certificate names, and whom the headers impersonate', async () => {
  await using cluster = await start();
  const name = async (options: Partial<HttpsOptions>) => {
    const rest = cluster.rest(options);
    const review = await rest.send({
      method: 'POST',
      path: '/apis/authentication.k8s.io/v1/selfsubjectreviews',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' }),
    });
    rest.http.close();
    const { username, groups } = JSON.parse(await review.text()).status.userInfo;
    return [username, ...groups];
  };
  assert.deepEqual(await name({}), ['admin', 'system:masters', 'system:authenticated']);
  assert.deepEqual(await name({ ...(await cluster.https.identity('ann', ['dev'])) }), [
    'ann',
    'dev',
    'system:authenticated',
  ]);
  const headers = { 'impersonate-user': 'bob', 'impersonate-group': ['x', 'y'] as unknown as string };
  assert.deepEqual(await name({ headers }), ['bob', 'x', 'y', 'system:authenticated']);
});

test('a watch brings events as they come, and ends quietly when its reader leaves', async () => {
  await using cluster = await start();
  const rest = cluster.rest();
  const maps = createClient(rest)(configMaps);
  const { metadata } = await maps.list({ namespace: 'default' });
  const leave = new AbortController();
  const seen: string[] = [];
  const watching = (async () => {
    const { resourceVersion } = metadata;
    for await (const events of maps.watch({ namespace: 'default', resourceVersion, signal: leave.signal }))
      for (const { type, object } of events) seen.push(`${type} ${object.metadata.name}`);
  })();
  await maps.create(settings('one'));
  await maps.delete('one', { namespace: 'default' });
  await until(() => seen.length === 2);
  assert.deepEqual(seen, ['ADDED one', 'DELETED one']);
  leave.abort();
  await watching;
  await refused(async () => {
    for await (const _ of maps.watch({ resourceVersion: 'nonsense' })) assert.fail('no events');
  }, 400);
  rest.http.close();
});

test('an informer whose connection breaks goes on from where it was', async () => {
  await using cluster = await start();
  const rest = cluster.rest();
  const client = createClient(rest);
  const stop = new AbortController();
  const informers = createInformers(client, { clock: systemClock, log: silentLog });
  const maps = informers(configMaps);
  informers.start(stop.signal);
  const own = createClient(cluster.rest())(configMaps);
  await own.create(settings('before'));
  await until(() => Boolean(maps.get('before', 'default')));
  cluster.asked.length = 0;
  cluster.cut();
  await cluster.plane.client(configMaps).create(settings('during'));
  await until(() => Boolean(maps.get('during', 'default')));
  assert.ok(maps.get('before', 'default'));
  assert.ok(
    cluster.asked.every((line) => line.includes('watch=true')),
    `it does not list again: ${cluster.asked}`,
  );
  stop.abort();
  rest.http.close();
});

test('a server that is not there, or not the one, is a ConnectionError', async () => {
  await using cluster = await start();
  const closed = createTcpServer();
  const port = await listening(closed);
  closed.close();
  const nobody = httpsTransport({ server: `https://127.0.0.1:${port}` });
  const attempt = (rest: ReturnType<typeof httpsTransport>) =>
    rest.send({ method: 'GET', path: '/version' }).then(
      () => assert.fail('it went through'),
      (error) => error as ConnectionError,
    );
  const down = await attempt(nobody);
  assert.ok(down instanceof ConnectionError);
  assert.deepEqual([down.code, down.errno], [503, 'ECONNREFUSED']);
  const stranger = await attempt(cluster.rest({ ca: (await anotherAuthority()).ca }));
  assert.ok(stranger instanceof ConnectionError);
  assert.match(stranger.message, /certificate/);
  const trusting = cluster.rest({ ca: undefined, insecure: true });
  assert.equal((await trusting.send({ method: 'GET', path: '/version' })).status, 200);
  trusting.http.close();
});

/** Another authority. */
async function anotherAuthority() {
  const plane = await startControlPlane();
  const https = await serveControlPlane(plane);
  await https[Symbol.asyncDispose]();
  await plane.stop();
  return https;
}

test('a kept connection that the server had closed is replaced; a POST is not sent twice', async () => {
  let answered = 0;
  const server = createTcpServer((socket) => {
    let requests = 0;
    socket.on('error', () => {});
    socket.on('data', () => {
      if (requests++) return socket.resetAndDestroy();
      answered++;
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}');
    });
  });
  const port = await listening(server);
  const client = httpsClient({ server: `http://127.0.0.1:${port}` });
  const ask = async (method: 'GET' | 'POST') => {
    await (await client.request({ method, path: '/', body: method === 'POST' ? '{}' : undefined })).bytes();
  };
  await ask('GET');
  await ask('GET');
  assert.equal(answered, 2);
  await assert.rejects(ask('POST'), ConnectionError);
  assert.equal(answered, 2);
  client.close();
  server.close();
});

test('a watch whose server goes away in the middle ends, with what it had', async () => {
  await using server = await serving((_request, response) => {
    response.write('{"type":"ADDED","object":{"metadata":{"name":"one"}}}\n{"type":"ADD');
    setTimeout(() => response.destroy(), 20);
  });
  const rest = httpsTransport({ server: server.url });
  const seen: unknown[] = [];
  for await (const events of createClient(rest)(configMaps).watch({})) seen.push(...events);
  assert.deepEqual(seen, [{ type: 'ADDED', object: { metadata: { name: 'one' } } }]);
  rest.http.close();
});

test('an ERROR event is thrown, after the events before it', async () => {
  await using server = await serving((_request, response) => {
    const gone = { kind: 'Status', status: 'Failure', code: 410, reason: 'Expired', message: 'too old' };
    response.end(
      `{"type":"ADDED","object":{"metadata":{"name":"é"}}}\n${JSON.stringify({ type: 'ERROR', object: gone })}\n`,
    );
  });
  const rest = httpsTransport({ server: server.url });
  const seen: string[] = [];
  await refused(
    async () => {
      for await (const events of createClient(rest)(configMaps).watch({}))
        seen.push(...events.map((e) => e.object.metadata.name!));
    },
    410,
    'too old',
  );
  assert.deepEqual(seen, ['é']);
  rest.http.close();
});

test('401 makes credentials fresh, once', async () => {
  let token = 'old';
  let refreshes = 0;
  await using server = await serving((request, response) => {
    const known = request.headers.authorization === 'Bearer new';
    response.writeHead(known ? 200 : 401).end('{}');
  });
  const credentials = {
    headers: async () => ({ authorization: `Bearer ${token}` }),
    async refresh() {
      token = refreshes++ ? 'bad' : 'new';
      return true;
    },
  };
  const client = httpsClient({ server: server.url, credentials });
  assert.equal((await client.request({ method: 'GET', path: '/' })).status, 200);
  token = 'old';
  assert.equal((await client.request({ method: 'GET', path: '/' })).status, 401);
  assert.equal(refreshes, 2);
  client.close();
});

test('a server that says when to come back is asked again then', async () => {
  let asked = 0;
  await using server = await serving((_request, response) => {
    if (asked++) response.end('{"a":1}');
    else response.writeHead(429, { 'retry-after': '0' }).end('busy');
  });
  const client = httpsClient({ server: server.url });
  const response = await client.request({ method: 'GET', path: '/' });
  assert.deepEqual([response.status, await response.text(), asked], [200, '{"a":1}', 2]);
  client.close();
});

test('a request has its time, a stream has none unless told', async () => {
  await using server = await serving((request, response) => {
    if (request.url !== '/stream') return;
    response.flushHeaders();
    setTimeout(() => response.end('late'), 150);
  });
  const client = httpsClient({ server: server.url, timeoutMs: 50 });
  await assert.rejects(client.request({ method: 'GET', path: '/' }), { errno: 'ETIMEDOUT' });
  assert.equal(await (await client.request({ method: 'GET', path: '/stream', stream: true })).text(), 'late');
  const short = httpsClient({ server: server.url, streamTimeoutMs: 50 });
  const cut = await short.request({ method: 'GET', path: '/stream', stream: true });
  await assert.rejects(cut.text(), { errno: 'ETIMEDOUT' });
  short.close();
  const leave = new AbortController();
  const waiting = client.request({ method: 'GET', path: '/', stream: true, signal: leave.signal });
  leave.abort(new Error('left'));
  await assert.rejects(waiting, /left/);
  client.close();
});

test('answers come gzipped where that is asked for; warnings are told', async () => {
  await using cluster = await start();
  const warnings: string[] = [];
  const rest = cluster.rest({ compress: true, onWarning: (text) => warnings.push(text) });
  const maps = createClient(rest)(configMaps);
  await maps.create({ ...settings('big'), data: { text: 'x'.repeat(200_000) } });
  assert.equal((await maps.get('big', { namespace: 'default' })).data!.text!.length, 200_000);
  await rest.send({
    method: 'POST',
    path: '/api/v1/namespaces/default/configmaps?fieldValidation=Warn',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...settings('odd'), colour: 'red' }),
  });
  assert.deepEqual(warnings, ['unknown field "colour"']);
  rest.http.close();
});
