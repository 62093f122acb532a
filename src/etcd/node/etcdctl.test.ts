// Debian's etcdctl (package etcd-client) against the embedded store's gRPC server.

import assert from 'node:assert/strict';
import { execFile, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { silentLog } from '../../machinery/log.ts';
import { statusLineOf } from '../../testing/raw-http.ts';
import { type EmbeddedStore, embeddedStore } from './embedded.ts';
import { type EtcdServer, startEtcdServer } from './grpc-server.ts';

const clock = {
  now: () => performance.now(),
  after: (ms: number, fn: () => void) => {
    const timer = setTimeout(fn, ms);
    return { cancel: () => clearTimeout(timer) };
  },
};
const dir = mkdtempSync(join(tmpdir(), 'wherry-etcdctl-'));
const env = { ...process.env, ETCDCTL_API: '3' };
const run = promisify(execFile);
let store: EmbeddedStore;
let server: EtcdServer;

async function open(urls: string[], more: object = {}) {
  store = embeddedStore(join(dir, 'store'));
  server = await startEtcdServer({ store, urls, clock, random: Math.random, log: silentLog, ...more });
}

before(async () => {
  if (!existsSync('/usr/bin/etcdctl')) {
    try {
      execFileSync('apt-get', ['install', '-y', '--no-install-recommends', 'etcd-client'], { stdio: 'pipe' });
    } catch (error) {
      throw new Error('this test needs etcdctl, and apt-get could not install etcd-client', { cause: error });
    }
  }
  await open(['http://127.0.0.1:0']);
});
after(async () => {
  await server.close();
  await store.close();
  rmSync(dir, { recursive: true });
});

/**
 * Without http://, as etcdctl's own default: version 3.4 of it sends the whole URL as the host's name for `endpoint status`,
 * `defrag` and `snapshot`, which HTTP/2 forbids and Node refuses.
 */
const endpoint = (): string => server.urls[0]!.replace('http://', '');

async function etcdctl(...args: string[]): Promise<string> {
  const { stdout } = await run('etcdctl', ['--endpoints', endpoint(), ...args], { env });
  return stdout.trimEnd();
}
const refused = (args: string[], message: RegExp) =>
  assert.rejects(etcdctl(...args), (error: Error & { stderr: string }) => {
    assert.match(error.stderr, message);
    return true;
  });

/** Transactions come on standard input: compares, success, failure, each ended by an empty line. */
async function etcdctlTxn(...parts: string[]): Promise<string> {
  const child = spawn('etcdctl', ['--endpoints', endpoint(), 'txn'], { env });
  let output = '';
  child.stdout.on('data', (text) => (output += text));
  child.stderr.on('data', (text) => (output += text));
  child.stdin.end(parts.map((part) => (part ? `${part}\n\n` : '\n')).join(''));
  await new Promise((resolve) => child.on('close', resolve));
  return output;
}

test('put, get, del', async () => {
  assert.equal(await etcdctl('put', '/a/1', 'one'), 'OK');
  await etcdctl('put', '/a/2', 'two');
  await etcdctl('put', '/a/3', 'three');
  assert.equal(await etcdctl('get', '/a/1'), '/a/1\none');
  assert.equal(await etcdctl('get', '--prefix', '/a/', '--keys-only'), '/a/1\n\n/a/2\n\n/a/3');
  assert.equal(await etcdctl('get', '--print-value-only', '/a/1', '/a/3'), 'one\ntwo');
  assert.equal(await etcdctl('get', '--print-value-only', '--from-key', '/a/2'), 'two\nthree');
  assert.equal(await etcdctl('get', '--print-value-only', '--prefix', '', '--limit', '1'), 'one');
  const sorted = ['get', '--prefix', '/a/', '--print-value-only', '--sort-by', 'VALUE', '--order', 'DESCEND'];
  assert.equal(await etcdctl(...sorted), 'two\nthree\none');
  assert.equal(await etcdctl(...sorted, '--limit', '2'), 'two\nthree');
  assert.equal(await etcdctl('put', '--prev-kv', '/a/1', 'uno'), 'OK\n/a/1\none');
  assert.equal(await etcdctl('get', '--rev', '2', '--print-value-only', '/a/1'), 'one');
  assert.equal(await etcdctl('put', '--ignore-lease', '/a/1', 'un'), 'OK');
  await refused(['put', '--ignore-value', '/none'], /key not found/);
  await refused(['get', '--rev', '1000', '/a/1'], /required revision is a future revision/);
  assert.equal(await etcdctl('del', '--prev-kv', '/a/1'), '1\n/a/1\nun');
  assert.equal(await etcdctl('del', '--prefix', '/a/'), '2');
  const { kvs, count } = JSON.parse(await etcdctl('get', '/a', '--prefix', '-w', 'json'));
  assert.deepEqual([kvs, count], [undefined, undefined]);
});

test('keys of any bytes', async () => {
  const key = 'schlüssel/ключ';
  await etcdctl('put', key, 'wert');
  assert.equal(await etcdctl('get', key), `${key}\nwert`);
  assert.equal(await etcdctl('get', '--prefix', 'schlü', '--print-value-only'), 'wert');
});

test('txn: compares, both branches', async () => {
  await etcdctl('put', '/t/a', '5');
  assert.equal(
    await etcdctlTxn('value("/t/a") = "5"\nmod("/t/b") = "0"', 'put /t/b yes\nget /t/b', 'put /t/b no'),
    'SUCCESS\n\nOK\n\n/t/b\nyes\n',
  );
  assert.equal(await etcdctlTxn('value("/t/a") > "6"', 'put /t/b x', 'get /t/a'), 'FAILURE\n\n/t/a\n5\n');
  assert.equal(await etcdctlTxn('version("/t/a") > "0"', 'del /t/b', ''), 'SUCCESS\n\n1\n');
  assert.match(await etcdctlTxn('', 'put /t/a 1\nput /t/a 2', ''), /duplicate key given in txn request/);
});

test('watch: from now, from a revision, with what was before', async () => {
  await etcdctl('put', '/w/a', '1');
  const from = store.revision;
  const watch = spawn(
    'etcdctl',
    ['--endpoints', endpoint(), 'watch', '--prefix', '--prev-kv', '--rev', String(from), '/w/'],
    { env },
  );
  let output = '';
  watch.stdout.on('data', (text) => (output += text));
  try {
    await etcdctl('put', '/w/a', '2');
    await etcdctl('del', '/w/a');
    const wanted = 'PUT\n/w/a\n1\nPUT\n/w/a\n1\n/w/a\n2\nDELETE\n/w/a\n2\n/w/a\n\n';
    for (let i = 0; i < 200 && output.length < wanted.length; i++)
      await new Promise((go) => setTimeout(go, 10));
    assert.equal(output, wanted);
  } finally {
    watch.kill();
  }
});

test('compact', async () => {
  await etcdctl('put', '/c', '1');
  const old = store.revision;
  await etcdctl('put', '/c', '2');
  assert.equal(await etcdctl('compact', String(store.revision)), `compacted revision ${store.revision}`);
  await refused(['get', '--rev', String(old), '/c'], /required revision has been compacted/);
  await refused(['compact', String(old)], /required revision has been compacted/);
  await refused(['watch', '--rev', String(old), '/c'], /required revision has been compacted|canceled/);
});

test('leases: keys go with them, at the end of their time too; they outlive a restart', async () => {
  const granted = async (seconds: number) =>
    /lease (\w+) granted with TTL\((\d+)s\)/.exec(await etcdctl('lease', 'grant', String(seconds)))!;
  const [, id, ttl] = await granted(60);
  assert.equal(ttl, '60');
  await etcdctl('put', '--lease', id!, '/l/a', '1');
  await etcdctl('put', '--lease', id!, '/l/b', '1');
  assert.match(
    await etcdctl('lease', 'timetolive', '--keys', id!),
    /granted with TTL\(60s\), remaining\((60|59)s\), attached keys\(\[\/l\/a \/l\/b\]\)/,
  );
  assert.match(await etcdctl('lease', 'keep-alive', '--once', id!), /keepalived with TTL\(60\)/);
  await refused(['put', '--lease', '123abc', '/l/c', '1'], /requested lease not found/);

  await server.close();
  await store.close();
  await open(['http://127.0.0.1:0']);
  assert.match(await etcdctl('lease', 'list'), new RegExp(`found 1 leases\n${id}`));
  assert.match(await etcdctl('lease', 'revoke', id!), /revoked/);
  assert.equal(await etcdctl('get', '--prefix', '/l/'), '');
  assert.match(await etcdctl('lease', 'timetolive', id!), /already expired/);

  const [, short] = await granted(1);
  await etcdctl('put', '--lease', short!, '/l/short', '1');
  const gone = new Promise<void>((resolve) =>
    store.watch({ key: '/l/short', onEvents: ([e]) => e?.type === 'delete' && resolve() }),
  );
  await gone;
  assert.equal(await etcdctl('get', '/l/short'), '');
});

test('endpoint status and health, members, alarms, defragmentation, snapshot', async () => {
  const [{ Status: status }] = JSON.parse(await etcdctl('endpoint', 'status', '-w', 'json'));
  assert.equal(status.header.revision, store.revision);
  assert.equal(status.leader, status.header.member_id);
  assert.equal(JSON.parse(await etcdctl('endpoint', 'health', '-w', 'json'))[0].health, true);
  assert.match(await etcdctl('member', 'list'), /started, default/);
  assert.equal(await etcdctl('alarm', 'list'), '');
  assert.match(await etcdctl('defrag'), /Finished defragmenting/);
  await etcdctl('put', '/kept', 'in the snapshot');
  const file = join(dir, 'snapshot');
  await etcdctl('snapshot', 'save', file);
  assert.equal(statSync(file).size % 512, 32, 'the copy and its SHA-256');
  const saved = JSON.parse(await etcdctl('snapshot', 'status', file, '-w', 'json'));
  assert.equal(saved.revision, store.revision);
  const hash = async () => JSON.parse(await etcdctl('endpoint', 'hashkv', '-w', 'json'))[0].HashKV.hash;
  const before = await hash();
  assert.equal(await hash(), before);
  await etcdctl('put', '/kept', 'in the snapshot, too');
  assert.notEqual(await hash(), before);
  await etcdctl('put', '/kept', 'in the snapshot');
});

test('what is not enabled, or cannot be, says so as etcd does', async () => {
  assert.equal(await etcdctl('user', 'list'), '');
  assert.equal(await etcdctl('role', 'list'), '');
  await refused(['auth', 'enable'], /root user does not exist/);
  await refused(['user', 'get', 'nobody'], /user name not found/);
  assert.equal(await etcdctl('--user', 'a:b', 'get', '/none'), '', 'its client goes on without');
  await refused(
    ['member', 'add', 'other', '--peer-urls', 'http://127.0.0.1:1'],
    /unknown method .*MemberAdd/,
  );
});

test('beside gRPC: health, version, metrics', async () => {
  const ask = async (path: string) => (await fetch(`${server.urls[0]}${path}`)).text();
  assert.deepEqual(JSON.parse(await ask('/health')), { health: 'true', reason: '' });
  assert.match(await ask('/version'), /"etcdserver":"3\.5\./);
  assert.match(await ask('/metrics'), new RegExp(`etcd_debugging_mvcc_current_revision ${store.revision}\n`));
  assert.equal((await fetch(`${server.urls[0]}/none`)).status, 404);
  assert.match(await statusLineOf(Number(new URL(server.urls[0]!).port), '//'), /^HTTP\/1\.1 400 /);
  assert.equal(await ask('/readyz'), 'ok\n');
});

test('TLS, with certificates of clients', async () => {
  await server.close();
  await store.close();
  const at = (name: string) => join(dir, name);
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'pipe', cwd: dir });
  openssl(
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-keyout',
    'ca.key',
    '-out',
    'ca.crt',
    '-subj',
    '/CN=ca',
  );
  writeFileSync(at('san'), 'subjectAltName=IP:127.0.0.1');
  for (const name of ['server', 'client']) {
    openssl(
      'req',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.csr`,
      '-subj',
      `/CN=${name}`,
    );
    openssl(
      ...['x509', '-req', '-in', `${name}.csr`, '-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial'],
      ...['-extfile', 'san', '-out', `${name}.crt`],
    );
  }
  await open(['https://127.0.0.1:0'], {
    tls: {
      cert: readFileSync(at('server.crt')),
      key: readFileSync(at('server.key')),
      clientCA: readFileSync(at('ca.crt')),
    },
  });
  const client = ['--cacert', at('ca.crt'), '--cert', at('client.crt'), '--key', at('client.key')];
  assert.equal(await etcdctl(...client, 'get', '/kept'), '/kept\nin the snapshot');
  await assert.rejects(etcdctl('--cacert', at('ca.crt'), '--command-timeout', '500ms', 'get', '/kept'));
});
