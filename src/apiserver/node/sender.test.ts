import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { after, before, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { services } from '../../api/core/service.ts';
import { issue, makeAuthority } from '../../cluster/node/certificates.ts';
import { type ControlPlane, startControlPlane } from '../../testing/control-plane.ts';
import { type Callee, OutboundError, readBody } from '../outbound/outbound.ts';

let plane: ControlPlane;
let server: Server;
let port: number;
let caBundle: string;
let pair: { cert: string; key: string };
let otherBundle: string;
let connections = 0;
const seen: { url: string; host: string; body: string }[] = [];

before(async () => {
  const now = Date.now();
  const authority = await makeAuthority('hooks', now);
  caBundle = Buffer.from(authority.cert).toString('base64');
  otherBundle = Buffer.from((await makeAuthority('other', now)).cert).toString('base64');
  pair = await issue(authority, { commonName: 'hook', hosts: ['hook.default.svc', '127.0.0.1'] }, now);
  server = createServer(pair, async (request, response) => {
    let body = '';
    for await (const part of request.setEncoding('utf8')) body += part;
    seen.push({ url: request.url!, host: request.headers.host!, body });
    if (request.url!.startsWith('/slow')) return;
    if (request.url === '/moved') response.writeHead(302, { location: 'https://example.com/' });
    response.end('hello');
  });
  server.on('secureConnection', () => connections++);
  server.on('upgrade', (_request, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nfirst');
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
  plane = await startControlPlane();
  const { client } = plane;
  const metadata = { namespace: 'default' };
  const ports = [{ port: 443 }];
  await client(services).create({ metadata: { ...metadata, name: 'hook' }, spec: { ports } });
  await client(services).create({ metadata: { ...metadata, name: 'empty' }, spec: { ports } });
  const ready = [{ addresses: ['10.1.1.1'], conditions: { ready: false } }, { addresses: ['127.0.0.1'] }];
  const slice = { addressType: 'IPv4', ports: [{ name: '', port }], endpoints: ready };
  // Validation refuses loopback, where the server of this test is.
  const labels = { 'kubernetes.io/service-name': 'hook' };
  const { registry } = plane.server;
  const key = '/registry/endpointslices/default/hook-1';
  const object = { ...slice, metadata: { ...metadata, name: 'hook-1', labels } };
  const value = new TextEncoder().encode(JSON.stringify(object));
  await registry.store.txn([], [{ op: 'put', key, value }]);
});
after(async () => {
  await plane.stop();
  server.closeAllConnections();
  server.close();
});

const service = (name: string, more: Partial<Callee> = {}): Callee => ({
  service: { namespace: 'default', name, path: '/hook' },
  caBundle,
  ...more,
});
const post = (body = '{}') => ({ method: 'POST', body: new TextEncoder().encode(body), timeoutMs: 5000 });
const failure = async (callee: Callee, more = {}): Promise<OutboundError> => {
  try {
    await plane.server.registry.outbound.send(callee, { ...post(), ...more });
  } catch (error) {
    assert.ok(error instanceof OutboundError, String(error));
    return error;
  }
  assert.fail('it was answered');
};
const text = async (callee: Callee, more = {}) => {
  const response = await plane.server.registry.outbound.send(callee, { ...post(), ...more });
  return { ...response, text: new TextDecoder().decode(await readBody(response, 1000)) };
};

test('a service is a ready endpoint, known by the name of the service; connections are kept', async () => {
  const before = connections;
  for (let i = 0; i < 3; i++) {
    const { code, text: answer } = await text(service('hook'), { path: '/more', query: 'timeout=5s' });
    assert.deepEqual([code, answer], [200, 'hello']);
  }
  assert.equal(connections - before, 1);
  const host = 'hook.default.svc:443';
  assert.deepEqual(seen.at(-1), { url: '/hook/more?timeout=5s', host, body: '{}' });
});

test('a URL is where it says; redirections are not followed; bodies may be streams', async () => {
  const url = `https://127.0.0.1:${port}`;
  async function* parts() {
    yield new TextEncoder().encode('one ');
    yield new TextEncoder().encode('two');
  }
  assert.equal((await text({ url: `${url}/a`, caBundle }, { body: parts() })).text, 'hello');
  assert.deepEqual([seen.at(-1)!.url, seen.at(-1)!.body], ['/a', 'one two']);
  assert.equal((await text({ url: `${url}/moved`, caBundle })).code, 302);
  assert.equal((await text({ url, insecure: true })).text, 'hello');
});

test('whoever leaves while the whole answer waits to be read harms nobody', async () => {
  const left = new AbortController();
  const { send } = plane.server.registry.outbound;
  for (let i = 0; i < 5; i++) {
    const { body } = await send(service('hook'), { ...post(), signal: left.signal });
    await new Promise((resolve) => setTimeout(resolve, 20));
    const pieces = body[Symbol.asyncIterator]();
    assert.equal(new TextDecoder().decode((await pieces.next()).value), 'hello');
    if (i === 4) left.abort();
    await pieces.return?.();
  }
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal((await text(service('hook'))).text, 'hello');
});

test('why there is no answer is said in words that people know', async () => {
  const { createServer: createPlain } = await import('node:net');
  const plain = createPlain((socket) => void socket.resume().end('HTTP/1.1 400 Bad Request\r\n\r\n'));
  await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve));
  const { port: plainPort } = plain.address() as AddressInfo;
  const cases: [OutboundError, string, RegExp][] = [
    [
      await failure(service('gone')),
      'service',
      /^Post "https:\/\/gone.default.svc:443\/hook": service "gone" not found$/,
    ],
    [await failure(service('empty')), 'no-endpoints', /: no endpoints available for service "empty"$/],
    [
      await failure({ service: { namespace: 'default', name: 'hook', port: 8443 }, caBundle }),
      'service',
      /: no service port 8443 found for service "hook"$/,
    ],
    [
      await failure(service('hook', { caBundle: otherBundle })),
      'tls',
      /: tls: failed to verify certificate: x509: certificate signed by unknown authority$/,
    ],
    [
      await failure({ url: `https://localhost:${port}/`, caBundle }),
      'tls',
      /x509: certificate is valid for hook.default.svc, 127.0.0.1, not localhost$/,
    ],
    [
      await failure({ url: `https://127.0.0.1:${plainPort}/` }),
      'tls',
      /server gave HTTP response to HTTPS client$/,
    ],
    [await failure(service('hook', { caBundle: 'AAAA' })), 'tls', /unable to parse bytes as PEM block$/],
    [
      await failure({ url: `https://127.0.0.1:${port}/slow`, caBundle }, { timeoutMs: 50 }),
      'timeout',
      /\/slow": context deadline exceeded$/,
    ],
    [
      await failure({ url: `https://127.0.0.1:${port}/slow`, caBundle }, { signal: AbortSignal.timeout(50) }),
      'canceled',
      /context canceled$/,
    ],
    [await failure({}), 'configuration', /must have either service or URL$/],
  ];
  plain.close();
  await new Promise((resolve) => plain.once('close', resolve));
  cases.push([
    await failure({ url: `https://127.0.0.1:${plainPort}/`, caBundle }),
    'refused',
    /: dial tcp 127.0.0.1:\d+: connect: connection refused$/,
  ]);
  for (const [error, reason, message] of cases) {
    assert.equal(error.failure, reason, error.message);
    assert.match(error.message, message);
  }
});

test('who we are is shown to those who ask', async () => {
  const now = Date.now();
  const authority = await makeAuthority('clients', now);
  const us = await issue(authority, { commonName: 'kube-apiserver' }, now);
  const names: (string | undefined)[] = [];
  const asking = createServer(
    { ...pair, requestCert: true, rejectUnauthorized: false, ca: authority.cert },
    (request, response) => {
      const { subject } = (request.socket as TLSSocket).getPeerCertificate();
      names.push(subject?.CN as string | undefined);
      response.end();
    },
  );
  await new Promise<void>((resolve) => asking.listen(0, '127.0.0.1', resolve));
  const url = `https://127.0.0.1:${(asking.address() as AddressInfo).port}/`;
  await text({ url, caBundle });
  await text({ url, caBundle, identity: us });
  assert.deepEqual(names, [undefined, 'kube-apiserver']);
  asking.closeAllConnections();
  asking.close();
});

test('where a service leads', async () => {
  const { client, server: api } = plane;
  const external = { type: 'ExternalName', externalName: 'hooks.example.com' };
  const metadata = { namespace: 'default', name: 'outside' };
  await client(services).create({ metadata, spec: external });
  const at = (name: string, port?: number) =>
    api.registry.outbound.resolve({ service: { namespace: 'default', name, path: 'a/b', port } });
  assert.deepEqual(at('outside', 8443), {
    ...{ host: 'hooks.example.com', port: 8443, serverName: 'outside.default.svc' },
    ...{ authority: 'outside.default.svc:8443', path: '/a/b' },
  });
  assert.deepEqual(at('hook'), {
    ...{ host: '127.0.0.1', port, serverName: 'hook.default.svc' },
    ...{ authority: 'hook.default.svc:443', path: '/a/b' },
  });
});

test('a connection may become another protocol', async () => {
  const headers = { connection: 'Upgrade', upgrade: 'echo' };
  const upgraded = await plane.server.registry.outbound.upgrade(service('hook'), { method: 'GET', headers });
  assert.ok('socket' in upgraded);
  const socket = upgraded.socket as unknown as Socket;
  const next = () => new Promise<string>((resolve) => socket.once('data', (d) => resolve(String(d))));
  assert.equal(await next(), 'first');
  socket.write('second');
  assert.equal(await next(), 'second');
  socket.destroy();
});
