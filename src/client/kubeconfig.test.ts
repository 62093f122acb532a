import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseAccess, KubeconfigError, mergeKubeconfigs, parseKubeconfig } from './kubeconfig.ts';

const home = parseKubeconfig(
  `
apiVersion: v1
kind: Config
current-context: dev
clusters:
- name: one
  cluster: {server: https://one, certificate-authority: ca.crt}
users:
- name: ann
  user: {client-certificate: ann.crt, client-key: /keys/ann.key, exec: {command: ./bin/login}}
- name: bob
  user: {token: secret}
- name: eve
contexts:
- name: dev
  context: {cluster: one, user: ann, namespace: web}
- name: broken
  context: {cluster: none, user: nobody}
`,
  (path) => (path.startsWith('/') ? path : `/home/.kube/${path}`),
);

const other = parseKubeconfig(`
current-context: other
clusters:
- {name: one, cluster: {server: https://another-one}}
- {name: two, cluster: {server: https://two, insecure-skip-tls-verify: true}}
contexts:
- {name: other, context: {cluster: two, user: bob}}
`);

test('paths are of the directory of their file', () => {
  const { cluster, user, namespace, context } = chooseAccess(home);
  assert.deepEqual(cluster, { server: 'https://one', 'certificate-authority': '/home/.kube/ca.crt' });
  assert.equal(user['client-certificate'], '/home/.kube/ann.crt');
  assert.equal(user['client-key'], '/keys/ann.key');
  assert.equal(user.exec!.command, '/home/.kube/./bin/login');
  assert.deepEqual([namespace, context], ['web', 'dev']);
});

test('of several files the first that says something counts', () => {
  const merged = mergeKubeconfigs([home, other]);
  assert.equal(merged['current-context'], 'dev');
  assert.deepEqual(
    merged.clusters.map(({ name, cluster }) => [name, cluster.server]),
    [
      ['one', 'https://one'],
      ['two', 'https://two'],
    ],
  );
  const access = chooseAccess(merged, { context: 'other' });
  assert.equal(access.cluster.server, 'https://two');
  assert.equal(access.user.token, 'secret');
  assert.equal(access.namespace, undefined);
});

test('the command line counts more than the files', () => {
  const access = chooseAccess(mergeKubeconfigs([home, other]), {
    user: 'bob',
    namespace: 'x',
    server: 'https://elsewhere',
    'insecure-skip-tls-verify': true,
    as: 'eve',
    'as-group': ['a', 'b'],
    'as-user-extra': ['scope=1', 'scope=2'],
  });
  assert.deepEqual(access.cluster, { server: 'https://elsewhere', 'insecure-skip-tls-verify': true });
  assert.deepEqual(access.user, {
    token: 'secret',
    as: 'eve',
    'as-groups': ['a', 'b'],
    'as-user-extra': { scope: ['1', '2'] },
  });
  assert.equal(access.namespace, 'x');
  const tokened = chooseAccess(home, { token: 'other' }).user;
  assert.deepEqual([tokened.token, tokened.exec], ['other', undefined]);
});

test('groups are asked for with a user only', () => {
  const config = { contexts: [], clusters: [], users: [], 'current-context': '' } as never;
  assert.throws(
    () => chooseAccess(config, { 'as-group': ['g'] }),
    /requesting uid, groups or user-extra for {2}without impersonating a user/,
  );
  assert.deepEqual(chooseAccess(config, { as: 'u', 'as-group': ['g'] }).user['as-groups'], ['g']);
});

test('what is named and not there is told', () => {
  const config = mergeKubeconfigs([home]);
  const says = (overrides: Parameters<typeof chooseAccess>[1], message: string) =>
    assert.throws(
      () => chooseAccess(config, overrides),
      (error) => error instanceof KubeconfigError && error.message === message,
    );
  says({ context: 'none' }, 'context was not found for specified context: none');
  says({ cluster: 'none' }, 'cluster "none" does not exist');
  says({ user: 'none' }, 'auth info "none" does not exist');
  assert.throws(() => parseKubeconfig('a: [1'), { code: 400 });
});
