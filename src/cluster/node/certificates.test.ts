import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { tokenAuthority } from '../../apiserver/authn/service-account.ts';
import { certificatesIn } from './certificates.ts';
import { publicTokenKeys, tokenKeysFrom } from './token-keys.ts';

test('servers that share a directory, and start together, have the same authorities and the same token key', async () => {
  const root = mkdtempSync(join(tmpdir(), 'wherry-pki-'));
  try {
    const shared = join(root, 'shared');
    const all = await Promise.all(
      ['a', 'b', 'c'].map((name) => certificatesIn(join(root, name), Date.now(), shared)),
    );
    assert.equal(new Set(all.map(({ ca }) => ca.cert)).size, 1);
    assert.equal(new Set(all.map(({ tokenKeys }) => tokenKeys.privateKey)).size, 1);
    const proxies = await Promise.all(all.map((one) => one.frontProxy()));
    assert.equal(new Set(proxies.map(({ ca }) => ca.cert)).size, 1);
    const [first] = await Promise.all(
      all.map((one) => one.certificate('apiserver', { commonName: 'x', hosts: ['localhost'] })),
    );
    assert.ok(new X509Certificate(first!.cert).verify(new X509Certificate(all[1]!.ca.cert).publicKey));
    assert.deepEqual(readdirSync(shared).sort(), [
      ...['ca.crt', 'ca.key', 'front-proxy-ca.crt', 'front-proxy-ca.key', 'sa.key', 'sa.pub'],
    ]);
    // A certificate of another authority is not good, though that has the same name.
    const alone = await certificatesIn(join(root, 'a'), Date.now());
    const own = await alone.certificate('apiserver', { commonName: 'x', hosts: ['localhost'] });
    assert.ok(new X509Certificate(own.cert).verify(new X509Certificate(alone.ca.cert).publicKey));
  } finally {
    rmSync(root, { recursive: true });
  }
});

test('tokens are signed with keys of upstream tools, and those of other servers are believed', async () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const ec = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const pem = rsa.privateKey.export({ type: 'pkcs1', format: 'pem' }) as string;
  const old = ec.privateKey.export({ type: 'sec1', format: 'pem' }) as string;
  const account = { metadata: { name: 'a', namespace: 'default', uid: 'u' } };
  const living = { serviceAccount: () => account, pod: () => undefined, secret: () => undefined };
  const authority = (keys: Parameters<typeof tokenAuthority>[0], issuers: string[]) =>
    tokenAuthority(keys, issuers, ['api'], living as never, () => 'id');
  const before = await authority(tokenKeysFrom(old), ['https://old']);
  const now = await authority(tokenKeysFrom(pem, publicTokenKeys(`${old}${pem}`)), [
    'https://new',
    'https://old',
  ]);
  const request = {
    ...{ namespace: 'default', serviceAccount: { name: 'a', uid: 'u' } },
    ...{ audiences: [], lifetimeSeconds: 60 },
  };
  const nowMs = Date.now();
  for (const one of [before, now]) {
    const { token } = await one.mint(request, nowMs);
    assert.equal((await now.authenticate(token, undefined, nowMs)).user.uid, 'u');
  }
  const { token } = await now.mint(request, nowMs);
  await assert.rejects(before.authenticate(token, undefined, nowMs), /Unauthorized/);
  const { keys } = (await now.jwks()) as { keys: { alg: string; kty: string }[] };
  assert.deepEqual(
    keys.map(({ alg, kty }) => [alg, kty]),
    [
      ['RS256', 'RSA'],
      ['ES256', 'EC'],
    ],
  );
  assert.throws(() => publicTokenKeys('none'), /no key/);
});

test('authorities of other tools issue, too: RSA keys, in their own form', async () => {
  const root = mkdtempSync(join(tmpdir(), 'wherry-pki-'));
  try {
    const run = (...args: string[]) => execFileSync('openssl', args, { cwd: root, stdio: 'pipe' });
    run(
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
      '/CN=kubernetes',
    );
    run('rsa', '-in', 'ca.key', '-traditional', '-out', 'ca.key');
    const { ca, certificate } = await certificatesIn(join(root, 'own'), Date.now(), root);
    const { cert } = await certificate('admin', { commonName: 'admin' });
    assert.ok(new X509Certificate(cert).verify(new X509Certificate(ca.cert).publicKey));
  } finally {
    rmSync(root, { recursive: true });
  }
});
