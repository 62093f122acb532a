import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { createServer } from 'node:http';
import { request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { serviceAccounts } from '../../api/core/service-account.ts';
import { clusterRoles } from '../../api/rbac/cluster-role.ts';
import { clusterRoleBindings } from '../../api/rbac/cluster-role-binding.ts';
import { Delegated } from '../../client/delegated.ts';
import { issue, makeAuthority } from '../../cluster/node/certificates.ts';
import { systemClock } from '../../cluster/node/platform.ts';
import { silentLog } from '../../machinery/log.ts';
import { notFound } from '../../machinery/status.ts';
import { startControlPlane } from '../../testing/control-plane.ts';
import type { KubeletApi } from '../api.ts';
import { serveKubelet } from './server.ts';

test('plain requests, streams, and who may ask', async () => {
  const now = Date.now();
  const authority = await makeAuthority('ca', now);
  const server = await issue(authority, { commonName: 'node', hosts: ['127.0.0.1'] }, now);
  const admin = await issue(authority, { commonName: 'admin', organizations: ['system:masters'] }, now);
  const other = await issue(authority, { commonName: 'other', organizations: ['people'] }, now);
  // Stands in for the runtime's endpoint: says what it was asked, then echoes.
  const runtime = createServer().listen(0, '127.0.0.1');
  runtime.on('upgrade', (asked, socket) => {
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Asked: ${asked.method} ${asked.url}\r\n\r\n`,
    );
    socket.pipe(socket);
  });
  const runtimePort = () => (runtime.address() as AddressInfo).port;
  const seen: unknown[] = [];
  const api = {
    healthy: () => true,
    pods: () => [{ metadata: { name: 'p' } }],
    async containerLogs(...args: unknown[]) {
      seen.push(args.slice(0, 4));
      if (args[1] === 'none') throw notFound({ group: '', plural: 'pods' }, 'none');
      return (async function* () {
        yield new TextEncoder().encode('one\n');
        yield new TextEncoder().encode('two\n');
      })();
    },
    async exec(...args: unknown[]) {
      seen.push(args);
      return { url: `http://127.0.0.1:${runtimePort()}/exec/token` };
    },
  } as unknown as KubeletApi;
  const serving = {
    cert: server.cert,
    key: server.key,
    clientCA: authority.cert,
    host: '127.0.0.1',
    port: 0,
  };
  const served = await serveKubelet({ api, log: silentLog, ...serving });
  const ask = (path: string, pair: { cert: string; key: string } | undefined, headers = {}, method = 'GET') =>
    new Promise<{ response: IncomingMessage; body: string }>((resolve, reject) => {
      const { port } = served;
      const options = {
        host: '127.0.0.1',
        port,
        path,
        method,
        headers,
        ca: authority.cert,
        agent: false,
        checkServerIdentity: () => undefined,
      };
      const sent = request(
        { ...options, ...(pair ? { cert: pair.cert, key: pair.key } : {}) },
        (response) => {
          let body = '';
          response.on('data', (data) => (body += data));
          response.on('end', () => resolve({ response, body }));
        },
      );
      sent.on('error', reject);
      sent.on('upgrade', (response, socket) => {
        socket.write('hello');
        socket.once('data', (data) => {
          socket.destroy();
          resolve({ response, body: String(data) });
        });
      });
      sent.end();
    });
  const status = async (path: string, pair?: { cert: string; key: string }) =>
    (await ask(path, pair)).response.statusCode;
  try {
    assert.equal(await status('/healthz'), 200);
    assert.equal(await status('/pods'), 401);
    assert.equal(await status('/pods', other), 403);
    assert.equal(await status('/nothing', admin), 404);
    assert.equal(JSON.parse((await ask('/pods', admin)).body).items[0].metadata.name, 'p');
    assert.equal((await ask('/containerLogs/ns/p/c?tailLines=5&follow=true', admin)).body, 'one\ntwo\n');
    assert.deepEqual(seen.pop(), [
      'ns',
      'p',
      'c',
      { follow: true, previous: false, timestamps: false, tailLines: 5 },
    ]);
    assert.equal(await status('/containerLogs/ns/none/c', admin), 404);
    const upgrade = { connection: 'Upgrade', upgrade: 'SPDY/3.1' };
    const { response, body } = await ask(
      '/exec/ns/p/c?command=ls&command=-l&output=1',
      admin,
      upgrade,
      'POST',
    );
    assert.deepEqual(
      [response.statusCode, response.headers['x-asked'], body],
      [101, 'POST /exec/token', 'hello'],
    );
    assert.deepEqual(seen.pop(), [
      'ns',
      'p',
      'c',
      ['ls', '-l'],
      { stdin: false, stdout: true, stderr: false, tty: false },
    ]);
  } finally {
    await served[Symbol.asyncDispose]();
    runtime.closeAllConnections();
    runtime.close();
  }
});

test('who may ask for what of the node is asked of the API server', async () => {
  const now = Date.now();
  const authority = await makeAuthority('ca', now);
  const server = await issue(authority, { commonName: 'node', hosts: ['127.0.0.1'] }, now);
  const scraper = await issue(authority, { commonName: 'scraper', organizations: ['people'] }, now);
  await using plane = await startControlPlane();
  const { client } = plane;
  await client(serviceAccounts).create({ metadata: { name: 'prometheus', namespace: 'default' } });
  const made: any = await client(serviceAccounts).createSubresource(
    'prometheus',
    'token',
    { spec: {} } as never,
    { namespace: 'default' },
  );
  await client(clusterRoles).create({
    metadata: { name: 'node-metrics' },
    rules: [{ apiGroups: [''], resources: ['nodes/metrics'], verbs: ['get'] }],
  });
  await client(clusterRoleBindings).create({
    metadata: { name: 'node-metrics' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'node-metrics' },
    subjects: [
      { kind: 'ServiceAccount', name: 'prometheus', namespace: 'default' },
      { kind: 'User', name: 'scraper', apiGroup: 'rbac.authorization.k8s.io' },
    ],
  });
  const api = { nodeName: 'n', probes: () => 'probed\n', pods: () => [] } as unknown as KubeletApi;
  await using served = await serveKubelet({
    ...{ api, log: silentLog, ...server, clientCA: authority.cert, host: '127.0.0.1', port: 0 },
    delegated: new Delegated(client, systemClock),
  });
  const status = (path: string, headers: object, pair = {}) =>
    new Promise<number>((resolve, reject) => {
      const options = { host: '127.0.0.1', port: served.port, path, ca: authority.cert, agent: false };
      request({ ...options, headers: { ...headers }, ...pair }, (response) => {
        response.resume();
        resolve(response.statusCode!);
      })
        .on('error', reject)
        .end();
    });
  const bearer = { authorization: `Bearer ${made.status.token}` };
  assert.equal(await status('/metrics/probes', bearer), 200);
  assert.equal(await status('/pods', bearer), 403);
  assert.equal(await status('/metrics/probes', { authorization: 'Bearer made-up' }), 401);
  assert.equal(await status('/metrics/probes', {}), 401);
  assert.equal(await status('/metrics/probes', {}, scraper), 200);
  assert.equal(await status('/stats/summary', {}, scraper), 403);
});
