import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ConnectionError } from '../http.ts';
import { type Access, chooseAccess, KubeconfigError } from '../kubeconfig.ts';
import { httpsClient } from './https.ts';
import { connectionOptions, kubeconfigPaths, loadKubeconfig, transportFrom } from './kubeconfig.ts';

async function rig() {
  const directory = mkdtempSync(join(tmpdir(), 'wherry-kubeconfig-'));
  /** Answers 401 to all but this. */
  const server = { accepted: '', asked: [] as (string | undefined)[] };
  const http = createServer((request, response) => {
    server.asked.push(request.headers.authorization);
    const ok = !server.accepted || request.headers.authorization === server.accepted;
    response.writeHead(ok ? 200 : 401).end('{}');
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  return {
    server,
    url,
    file(name: string, text: string, mode = 0o600): string {
      const path = join(directory, name);
      writeFileSync(path, text);
      chmodSync(path, mode);
      return path;
    },
    read: (name: string) => readFileSync(join(directory, name), 'utf8'),
    directory,
    async client(user: Access['user'], env: Record<string, string | undefined> = process.env) {
      const access: Access = { cluster: { server: url }, user, namespace: undefined, context: '' };
      const client = httpsClient(await connectionOptions(access, env));
      return async () => (await client.request({ method: 'GET', path: '/' })).status;
    },
    [Symbol.asyncDispose]: async () => {
      http.closeAllConnections();
      http.close();
      rmSync(directory, { recursive: true });
    },
  };
}

test('which files count', () => {
  assert.deepEqual(kubeconfigPaths('x', { KUBECONFIG: 'y' }), ['x']);
  assert.deepEqual(kubeconfigPaths(undefined, { KUBECONFIG: 'a:b::a' }), ['a', 'b']);
  assert.deepEqual(kubeconfigPaths(undefined, { HOME: '/home/ann' }), ['/home/ann/.kube/config']);
});

test('files are merged; those that are missing are left out, but not the one that was asked for', async () => {
  await using r = await rig();
  const a = r.file('a', 'contexts: [{name: a, context: {cluster: c, user: u}}]\ncurrent-context: a');
  const b = r.file('b', 'clusters: [{name: c, cluster: {certificate-authority: ca, server: x}}]');
  const config = loadKubeconfig(undefined, { KUBECONFIG: [a, join(r.directory, 'none'), b].join(':') });
  assert.equal(chooseAccess(config).cluster['certificate-authority'], join(r.directory, 'ca'));
  assert.throws(() => loadKubeconfig(join(r.directory, 'none')), KubeconfigError);
});

test('TLS is meant where a server has no scheme but the kubeconfig has something of it', async () => {
  const server = async (cluster: Access['cluster']) =>
    (await connectionOptions({ cluster, user: {}, namespace: undefined, context: '' }, {})).server;
  assert.equal(await server({ server: 'host:1' }), 'http://host:1');
  assert.equal(await server({ server: 'host:1', 'insecure-skip-tls-verify': true }), 'https://host:1');
  assert.equal(await server({}), 'http://localhost:8080');
});

test('a token, a name and password', async () => {
  await using r = await rig();
  r.server.accepted = 'Bearer t';
  assert.equal(await (await r.client({ token: 't' }))(), 200);
  assert.equal(await (await r.client({ token: 'u' }))(), 401);
  r.server.accepted = `Basic ${Buffer.from('ann:pw').toString('base64')}`;
  assert.equal(await (await r.client({ username: 'ann', password: 'pw' }))(), 200);
});

test('a token file is read again when its token is refused', async () => {
  await using r = await rig();
  const path = r.file('token', 'first\n');
  r.server.accepted = 'Bearer first';
  const ask = await r.client({ tokenFile: path });
  assert.equal(await ask(), 200);
  r.file('token', 'second\n');
  r.server.accepted = 'Bearer second';
  assert.equal(await ask(), 200);
  assert.deepEqual(r.server.asked, ['Bearer first', 'Bearer first', 'Bearer second']);
});

const plugin = (body: string) => `#!/bin/sh\necho run >>"$RUNS"\n${body}\n`;
const credential = (status: string) =>
  `echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":${status}}'`;

test('a plugin gives a token, runs again when that is refused or over', async () => {
  await using r = await rig();
  const apiVersion = 'client.authentication.k8s.io/v1';
  const env = { ...process.env, RUNS: join(r.directory, 'runs'), SAID: join(r.directory, 'said') };
  const runs = () => r.read('runs').split('\n').length - 1;
  const command = r.file(
    'login',
    plugin(
      `echo "$KUBERNETES_EXEC_INFO $1 $EXTRA" >"$SAID"\nT=$(wc -l <"$RUNS" | tr -d ' ')\n` +
        `echo '{"kind":"ExecCredential","status":{"token":"t'$T'"}}'`,
    ),
    0o700,
  );
  const exec = { apiVersion, command, args: ['x'], env: [{ name: 'EXTRA', value: 'y' }] };
  r.server.accepted = 'Bearer t1';
  const ask = await r.client({ exec: { ...exec, provideClusterInfo: true, interactiveMode: 'Never' } }, env);
  assert.equal(await ask(), 200);
  assert.equal(await ask(), 200);
  assert.equal(runs(), 1);
  const said = r.read('said').split('} x y');
  assert.deepEqual(JSON.parse(`${said[0]}}`), {
    apiVersion,
    kind: 'ExecCredential',
    spec: { cluster: { server: r.url }, interactive: false },
  });
  r.server.accepted = 'Bearer t2';
  assert.equal(await ask(), 200);
  assert.equal(runs(), 2);

  const over = r.file(
    'over',
    plugin(credential('{"token":"t","expirationTimestamp":"2020-01-01T00:00:00Z"}')),
    0o700,
  );
  r.server.accepted = '';
  const again = await r.client({ exec: { ...exec, command: over } }, env);
  const before = runs();
  await again();
  await again();
  assert.equal(runs(), before + 2);
});

test('a plugin may give a client certificate', async () => {
  await using r = await rig();
  const command = r.file(
    'login',
    plugin(credential('{"clientCertificateData":"CERT","clientKeyData":"KEY"}')),
    0o700,
  );
  const exec = { apiVersion: 'client.authentication.k8s.io/v1', command };
  const access: Access = { cluster: { server: r.url }, user: { exec }, namespace: undefined, context: '' };
  const options = await connectionOptions(access, { ...process.env, RUNS: '/dev/null' });
  assert.deepEqual([options.cert, options.key], ['CERT', 'KEY']);
  assert.deepEqual(await options.credentials!.headers(), {});
});

test('what is wrong with a plugin is told', async () => {
  await using r = await rig();
  const fails = async (command: string, message: RegExp, installHint?: string) => {
    const exec = { apiVersion: 'client.authentication.k8s.io/v1', command, installHint };
    await assert.rejects(r.client({ exec }, { ...process.env, RUNS: '/dev/null' }), message);
  };
  await fails(
    '/none/login',
    /^Error: getting credentials: exec: executable \/none\/login not found\n\nget it there$/,
    'get it there',
  );
  await fails(r.file('a', plugin('exit 3'), 0o700), /executable .*\/a failed with exit code 3$/);
  await fails(r.file('b', plugin('echo no'), 0o700), /decoding stdout/);
  await fails(r.file('c', plugin("echo '{}'"), 0o700), /didn't return a status field/);
  await fails(r.file('d', plugin(credential('{}')), 0o700), /didn't return a token or cert\/key pair/);
});

test('a transport from a file', async () => {
  await using r = await rig();
  r.server.accepted = 'Bearer t';
  const path = r.file(
    'config',
    `clusters: [{name: c, cluster: {server: "${r.url}"}}]
users: [{name: u, user: {token: t}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
`,
  );
  const rest = await transportFrom(path);
  assert.equal((await rest.send({ method: 'GET', path: '/version' })).status, 200);
  const nowhere = await transportFrom(path, { overrides: { server: 'http://127.0.0.1:1' } });
  await assert.rejects(nowhere.send({ method: 'GET', path: '/version' }), ConnectionError);
  await assert.rejects(transportFrom(path, { overrides: { context: 'y' } }), KubeconfigError);
  for (const one of [rest, nowhere]) one.http.close();
});
