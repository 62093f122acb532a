import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryStore } from '../../etcd/memory.ts';
import type { StoreEvent } from '../../machinery/store.ts';
import { parseEncryptionConfiguration } from '../encryption/configuration.ts';
import { EncryptedStore } from '../encryption/encrypted-store.ts';
import { nodeCiphers } from './ciphers.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (value: Uint8Array): string => new TextDecoder().decode(value);
const key = (letter: string, length = 32): string => btoa(letter.repeat(length));
const config = (...resources: object[]): string =>
  JSON.stringify({ kind: 'EncryptionConfiguration', apiVersion: 'apiserver.config.k8s.io/v1', resources });
const keys = (...names: string[]) => ({ keys: names.map((name) => ({ name, secret: key(name[0]!) })) });
const read = (file: string) => parseEncryptionConfiguration(file, nodeCiphers);
const one = (provider: object, ...more: object[]) =>
  read(config({ resources: ['secrets'], providers: [provider, ...more] }));

const secret = '/registry/secrets/default/s';
const put = (value: string, name = secret) => ({ op: 'put' as const, key: name, value: bytes(value) });

test("what is stored has upstream's format, and comes back", async () => {
  for (const [provider, prefix, more] of [
    [{ aescbc: keys('k1') }, 'k8s:enc:aescbc:v1:k1:', 16 + 16],
    [{ aesgcm: { keys: [{ name: 'k2', secret: key('x', 16) }] } }, 'k8s:enc:aesgcm:v1:k2:', 12 + 16 + 5],
    [{ secretbox: keys('k3') }, 'k8s:enc:secretbox:v1:k3:', 24 + 16 + 5],
    [{ identity: {} }, '', 5],
  ] as [object, string, number][]) {
    const plain = memoryStore();
    const store = new EncryptedStore(plain, one(provider));
    const seen: StoreEvent[] = [];
    store.watch({ key: '/registry/', end: '/registry0', onEvents: (events) => void seen.push(...events) });
    await store.txn([], [put('value')]);
    await store.txn([], [put('open', '/registry/configmaps/default/c'), { op: 'delete', key: secret }]);
    const stored = (await plain.range({ key: secret, revision: 2 })).kvs[0]!.value;
    assert.equal(text(stored.subarray(0, prefix.length)), prefix);
    assert.equal(stored.length, prefix.length + more);
    const { kvs } = await store.range({ key: secret, revision: 2 });
    assert.equal(text(kvs[0]!.value), 'value');
    assert.equal(text((await plain.range({ key: '/registry/configmaps/default/c' })).kvs[0]!.value), 'open');
    assert.deepEqual(
      seen.map((e) => [e.type, text(e.kv.value), e.previous && text(e.previous.value)]),
      [
        ['put', 'value', undefined],
        ['put', 'open', undefined],
        ['delete', '', 'value'],
      ],
    );
  }
});

// Made by upstream's kube-apiserver v1.36 with these keys: a Secret and a ConfigMap, in protobuf.
const upstreamGcm =
  'azhzOmVuYzphZXNnY206djE6ZzE6Qp9PUdJyDMEwzB0ow17oa+KWnAoQEnca/QBCloKIApjCQnIx0xc7VzN8UnJj+MCeN7y58hDhkiiAK/nvAx4K4TmkuyLPvU4n4GFxwOld0MjhFD3In0HqaOH4ZQtxmlD84zkkKfYariXMsCBhQ3xyxzT8o302JjEZy2mlyg6PfiAx4eDIGDzH1y2B5KPQzBDsSTxkZvREc6L/56Hf2DBOEG38TY4cLhjPYpf2n8IeLebgZdcYx1lXDY8lCqVhbDUDkDUhCr6YX+0+FYPeMiaIuHj84h6jjTPDImW9pesVptIkeBNDEpSRliJp6zgm7g==';
const upstreamCbc =
  'azhzOmVuYzphZXNjYmM6djE6YzE6U8306ybYgp3G5joqMf8MQKKg33jjzJa9zAxArOsBJ/fC5cgTbr950nAxiRR7I3qwgbextgd/P2Gzv93wnCfGipOxC0HiinfbY2WiheFMBimxKfMjbYAes42YHhoqr7g9V+OVUjN5nPNtnQv3VuUfohaB4RwJiFUs6Jw7qwBoQCXKzkb3wDD8xBKsglAVy6l6Dmp3VEPlKYtfkE2x8XGbaM/w1psEi43vubgKuy6diLOqjWfv6PSyD+wQWIhsGlHKXsTv77Rd8CnrZzCzl7oFxIqt1ukN13PWsfFGsJ2lgn8=';

test('what upstream has written is read', () => {
  const from = (base64: string) => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const gcm = one({ aesgcm: keys('g1') })('', 'secrets')!;
  const secrets = '/registry/secrets/default/s1';
  const { plain } = gcm.fromStorage(from(upstreamGcm), bytes(secrets));
  assert.match(text(plain), /^k8s\0.*Secret.*default.*Opaque/s);
  assert.throws(
    () => gcm.fromStorage(from(upstreamGcm), bytes('/registry/secrets/default/s2')),
    /message authentication failed/,
  );
  const cbc = one({ aescbc: keys('c1') })('', 'secrets')!;
  assert.match(text(cbc.fromStorage(from(upstreamCbc), bytes('')).plain), /^k8s\0.*ConfigMap/s);
});

test('rotation: the first key writes, all read, and what is not of the first is stale', async () => {
  const plain = memoryStore();
  await new EncryptedStore(plain, one({ aescbc: keys('a1') })).txn([], [put('value')]);
  const both = new EncryptedStore(plain, one({ aescbc: keys('b2', 'a1') }));
  assert.equal(text((await both.range({ key: secret })).kvs[0]!.value), 'value');
  assert.equal(both.isStale(secret), true);
  await both.txn([], [put('value')]);
  assert.equal(both.isStale(secret), false);
  assert.match(text((await plain.range({ key: secret })).kvs[0]!.value), /^k8s:enc:aescbc:v1:b2:/);
  const next = new EncryptedStore(
    plain,
    one({ secretbox: keys('c') }, { aescbc: keys('b2') }, { identity: {} }),
  );
  assert.equal(text((await next.range({ key: secret })).kvs[0]!.value), 'value');
  assert.equal(next.isStale(secret), true);
  // Away from encryption: identity first.
  const away = new EncryptedStore(plain, one({ identity: {} }, { aescbc: keys('b2') }));
  assert.equal(text((await away.range({ key: secret })).kvs[0]!.value), 'value');
  assert.equal(away.isStale(secret), true);
  await away.txn([], [put('value')]);
  assert.equal(text((await plain.range({ key: secret })).kvs[0]!.value), 'value');
  assert.equal(text((await next.range({ key: secret })).kvs[0]!.value), 'value', 'what is not encrypted yet');
});

test('what cannot be read says why, and names its key', async () => {
  const plain = memoryStore();
  await new EncryptedStore(plain, one({ aescbc: keys('a1') })).txn([], [put('value')]);
  for (const [provider, why] of [
    [{ aescbc: keys('b1') }, 'no matching key was found for the provided AES transformer'],
    [{ aescbc: { keys: [{ name: 'a1', secret: key('z') }] } }, 'invalid padding on input'],
    [{ secretbox: keys('a1') }, 'no matching prefix found'],
    [{ identity: {} }, 'no matching prefix found'],
  ] as [object, string][]) {
    const store = new EncryptedStore(plain, one(provider));
    const { kvs } = await store.range({ key: secret });
    assert.throws(
      () => kvs[0]!.value,
      (error: Error) => error.message.startsWith(`unable to transform key "${secret}": ${why} (`),
    );
  }
});

test('which resources: names, wildcards, custom resources, and nothing else', () => {
  const transformerOf = read(
    config(
      { resources: ['secrets', 'configmaps'], providers: [{ aescbc: keys('a') }] },
      { resources: ['*.apps'], providers: [{ aesgcm: keys('b') }] },
      { resources: ['widgets.example.com'], providers: [{ secretbox: keys('c') }] },
      { resources: ['*.'], providers: [{ identity: {} }] },
    ),
  );
  const kindOf = (group: string, resource: string) =>
    text(transformerOf(group, resource)?.toStorage(bytes('v'), bytes('n')) ?? bytes('-')).split(':')[2];
  assert.deepEqual(
    [
      kindOf('', 'secrets'),
      kindOf('apps', 'deployments'),
      kindOf('example.com', 'widgets'),
      kindOf('', 'pods'),
    ],
    ['aescbc', 'aesgcm', 'secretbox', undefined],
  );
  assert.equal(transformerOf('batch', 'jobs'), undefined);
  const all = read(config({ resources: ['*.*'], providers: [{ aescbc: keys('a') }] }));
  assert.ok(all('batch', 'jobs') && all('', 'pods') && all('x.io', 'y'));
});

test('keys of the store and their resources', async () => {
  const plain = memoryStore();
  const all = new EncryptedStore(
    plain,
    read(config({ resources: ['*.*'], providers: [{ aescbc: keys('a') }] })),
  );
  for (const [name, encrypted] of [
    ['/registry/secrets/a/b', true],
    ['/registry/services/specs/a/b', true],
    ['/registry/minions/n', true],
    ['/registry/events/a/b', true],
    ['/registry/example.com/widgets/a/b', true],
    ['/registry/ranges/serviceips', false],
    ['/registry/masterleases/10.0.0.1', false],
    ['/elsewhere', false],
  ] as const) {
    await all.txn([], [put('value', name)]);
    const [kv] = (await plain.range({ key: name })).kvs;
    assert.equal(text(kv!.value).startsWith('k8s:enc:'), encrypted, name);
    assert.equal(text((await all.range({ key: name })).kvs[0]!.value), 'value');
  }
});

test('a wrong file is refused with its place', () => {
  for (const [file, message] of [
    ['{', /no YAML/],
    ['kind: Pod', /must be kind EncryptionConfiguration/],
    [config(), /^resources: at least one is required/],
    [config({ resources: [], providers: [{ identity: {} }] }), /^resources\[0\]\.resources: at least one/],
    [config({ resources: ['secrets'], providers: [] }), /^resources\[0\]\.providers: at least one/],
    [config({ resources: ['secrets'], providers: [{}] }), /providers\[0\]: provider does not contain any/],
    [
      config({ resources: ['secrets'], providers: [{ identity: {}, aescbc: keys('a') }] }),
      /more than one provider/,
    ],
    [config({ resources: ['secrets'], providers: [{ kms: {} }] }), /KMS providers are not supported/],
    [config({ resources: ['secrets'], providers: [{ aescbc: { keys: [] } }] }), /aescbc\.keys: at least one/],
    [
      config({
        resources: ['secrets'],
        providers: [{ secretbox: { keys: [{ name: 'a', secret: key('a', 16) }] } }],
      }),
      /keys\[0\]\.secret: secret is not of the expected length, got 16, expected one of \[32\]/,
    ],
    [
      config({ resources: ['secrets'], providers: [{ aescbc: { keys: [{ name: 'a', secret: '!' }] } }] }),
      /base64/,
    ],
    [
      config({ resources: ['secrets'], providers: [{ aescbc: { keys: [{ secret: 'x' }] } }] }),
      /name is a mandatory/,
    ],
    [config({ resources: ['*'], providers: [{ identity: {} }] }), /use '\*\.' to encrypt/],
    [config({ resources: ['Secrets'], providers: [{ identity: {} }] }), /capital letters/],
    [config({ resources: ['pods.*'], providers: [{ identity: {} }] }), /across groups/],
    [config({ resources: ['events.events.k8s.io'], providers: [{ identity: {} }] }), /Use 'events' instead/],
    [config({ resources: ['secrets', '*.'], providers: [{ identity: {} }] }), /overlapping/],
    [config({ resources: ['secrets', 'secrets'], providers: [{ identity: {} }] }), /multiple times/],
    [
      config(
        { resources: ['*.'], providers: [{ identity: {} }] },
        { resources: ['secrets'], providers: [{ identity: {} }] },
      ),
      /resource "secrets" is masked by earlier rule "\*\."/,
    ],
  ] as [string, RegExp][])
    assert.throws(() => read(file), { name: 'Error', message }, String(message));
});
