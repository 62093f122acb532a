import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { localSubjectAccessReviews } from '../../api/authorization/local-subject-access-review.ts';
import { selfSubjectAccessReviews } from '../../api/authorization/self-subject-access-review.ts';
import { leases } from '../../api/coordination/lease.ts';
import { configMaps } from '../../api/core/config-map.ts';
import { nodes } from '../../api/core/node.ts';
import { pods } from '../../api/core/pod.ts';
import { secrets } from '../../api/core/secret.ts';
import { serviceAccounts } from '../../api/core/service-account.ts';
import { clusterRoles } from '../../api/rbac/cluster-role.ts';
import { clusterRoleBindings } from '../../api/rbac/cluster-role-binding.ts';
import { roles } from '../../api/rbac/role.ts';
import { roleBindings } from '../../api/rbac/role-binding.ts';
import type { PolicyRule } from '../../api/rbac/v1.gen.ts';
import { startControlPlane } from '../../testing/control-plane.ts';
import { refused } from '../../testing/expect.ts';
import { ruleCovers } from './covers.ts';

const plane = await startControlPlane();
after(() => plane.stop());
const { client, server } = plane;
const inDefault = { namespace: 'default' };
const apiGroup = 'rbac.authorization.k8s.io';
let n = 0;

/** A user with these rules in the namespace `default`. */
async function userWith(...rules: PolicyRule[]): Promise<string> {
  const name = `user-${n++}`;
  await client(roles).create({ metadata: { name, namespace: 'default' }, rules });
  await client(roleBindings).create({
    metadata: { name, namespace: 'default' },
    roleRef: { apiGroup, kind: 'Role', name },
    subjects: [{ kind: 'User', name, apiGroup }],
  });
  return name;
}
const may = (user: string, verb: string, resource: string, more: object = {}) =>
  server.authorizer.authorize({
    user: { name: user, groups: [] },
    verb,
    group: '',
    resource,
    namespace: 'default',
    ...more,
  });

test('a role holds in its namespace, for its verbs and resources', async () => {
  const user = await userWith({ apiGroups: [''], resources: ['pods'], verbs: ['get', 'list'] });
  assert.ok(may(user, 'get', 'pods'));
  assert.ok(!may(user, 'create', 'pods'));
  assert.ok(!may(user, 'get', 'pods', { namespace: 'kube-system' }));
  assert.ok(!may(user, 'get', 'pods', { namespace: undefined }));
  assert.ok(!may(user, 'get', 'pods', { subresource: 'log' }));
  assert.ok(!may(user, 'get', 'pods', { group: 'apps' }));
  const error = await refused(plane.clientFor(user)(secrets).list(inDefault), 403);
  assert.equal(
    error.message,
    `secrets is forbidden: User "${user}" cannot list resource "secrets" in API group "" in the namespace "default"`,
  );
});

test('names, subresources and wildcards', async () => {
  const named = await userWith(
    { apiGroups: [''], resources: ['configmaps'], resourceNames: ['one'], verbs: ['get', 'list', 'watch'] },
    { apiGroups: [''], resources: ['pods/log', '*/scale'], verbs: ['get'] },
    { apiGroups: ['apps'], resources: ['*'], verbs: ['*'] },
  );
  assert.ok(may(named, 'get', 'configmaps', { name: 'one' }));
  assert.ok(!may(named, 'get', 'configmaps', { name: 'two' }));
  assert.ok(!may(named, 'list', 'configmaps'));
  assert.ok(may(named, 'get', 'pods', { subresource: 'log' }));
  assert.ok(!may(named, 'get', 'pods'));
  assert.ok(may(named, 'get', 'replicationcontrollers', { subresource: 'scale' }));
  assert.ok(may(named, 'delete', 'deployments', { group: 'apps', subresource: 'status' }));
  const own = plane.clientFor(named);
  await client(configMaps).create({ metadata: { name: 'one', namespace: 'default' } });
  await own(configMaps).list({ ...inDefault, fieldSelector: 'metadata.name=one' });
  await refused(own(configMaps).list({ ...inDefault, fieldSelector: 'metadata.name=two' }), 403);
});

test('paths outside the resources', async () => {
  await client(clusterRoles).create({
    metadata: { name: 'paths' },
    rules: [{ nonResourceURLs: ['/metrics', '/logs/*'], verbs: ['get'] }],
  });
  await client(clusterRoleBindings).create({
    metadata: { name: 'paths' },
    roleRef: { apiGroup, kind: 'ClusterRole', name: 'paths' },
    subjects: [{ kind: 'Group', name: 'readers', apiGroup }],
  });
  const user = { name: 'reader', groups: ['readers'] };
  const path = (path: string, verb = 'get') => server.authorizer.authorize({ user, verb, path });
  assert.deepEqual(
    [path('/metrics'), path('/metrics', 'post'), path('/logs/a/b'), path('/logs'), path('/metrics/x')],
    [true, false, true, false, false],
  );
});

test('a service account is a subject, and a binding that goes takes the right with it', async () => {
  const name = `user-${n++}`;
  await client(roleBindings).create({
    metadata: { name, namespace: 'default' },
    roleRef: { apiGroup, kind: 'ClusterRole', name: 'view' },
    subjects: [{ kind: 'ServiceAccount', name: 'robot', namespace: 'kube-system' }],
  });
  await client(clusterRoles).update({
    metadata: { name: 'view' },
    rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }],
  });
  const robot = 'system:serviceaccount:kube-system:robot';
  assert.ok(may(robot, 'get', 'pods'));
  await client(roleBindings).delete(name, inDefault);
  assert.ok(!may(robot, 'get', 'pods'));
});

test('nobody grants a role more than they have', async () => {
  const manage = {
    apiGroups: [apiGroup],
    resources: ['roles', 'rolebindings'],
    verbs: ['create', 'update', 'patch', 'get'],
  };
  const user = await userWith(manage, { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list'] });
  const own = plane.clientFor(user, ['staff']);
  const role = (name: string, verbs: string[]) => ({
    metadata: { name, namespace: 'default' },
    rules: [{ apiGroups: [''], resources: ['pods'], verbs }],
  });
  await own(roles).create(role('less', ['get']));
  const error = await refused(own(roles).create(role('more', ['get', 'delete'])), 403);
  assert.match(
    error.message,
    /^roles.rbac.authorization.k8s.io "more" is forbidden: user "user-\d+" \(groups=/,
  );
  assert.match(
    error.message,
    /is attempting to grant RBAC permissions not currently held:\n\{APIGroups:\[""\]/,
  );
  await refused(own(roles).update(role('less', ['*'])), 403, 'not currently held');
  await refused(
    own(roles).patch('less', [{ op: 'add', path: '/rules/0/verbs/-', value: 'delete' }], {
      ...inDefault,
      type: 'json',
    }),
    403,
  );
  await client(roles).create(role('given', ['delete']));
  await own(roles).patch('given', { metadata: { labels: { a: 'b' } } }, inDefault);

  const bind = (name: string, to: string, kind = 'Role') =>
    own(roleBindings).create({
      metadata: { name, namespace: 'default' },
      roleRef: { apiGroup, kind, name: to },
      subjects: [{ kind: 'User', name: user, apiGroup }],
    });
  await bind('fine', 'less');
  await refused(bind('bad', 'given'), 403, 'not currently held');
  await refused(bind('worse', 'cluster-admin', 'ClusterRole'), 403, 'not currently held');
});

test('escalate and bind are rights of their own', async () => {
  const user = await userWith(
    { apiGroups: [apiGroup], resources: ['roles'], verbs: ['create', 'escalate'] },
    { apiGroups: [apiGroup], resources: ['rolebindings'], verbs: ['create'] },
    { apiGroups: [apiGroup], resources: ['clusterroles'], resourceNames: ['admin'], verbs: ['bind'] },
  );
  const own = plane.clientFor(user);
  await own(roles).create({
    metadata: { name: 'escalated', namespace: 'default' },
    rules: [{ apiGroups: ['*'], resources: ['*'], verbs: ['*'] }],
  });
  const bind = (name: string) =>
    own(roleBindings).create({
      metadata: { name: `bound-${name}`, namespace: 'default' },
      roleRef: { apiGroup, kind: 'ClusterRole', name },
      subjects: [{ kind: 'User', name: user, apiGroup }],
    });
  await bind('admin');
  await refused(bind('cluster-admin'), 403);
});

test('which rules cover which', () => {
  const rule = (text: string): PolicyRule => {
    const [verbs, apiGroups, resources, resourceNames] = text.split(' ').map((part) => part.split(','));
    return {
      verbs: verbs!,
      apiGroups: apiGroups!.map((g) => (g === 'core' ? '' : g)),
      resources,
      ...(resourceNames ? { resourceNames } : {}),
    };
  };
  for (const [own, wanted, covered] of [
    [['* * *'], 'get core pods', true],
    [['* * *'], '* * *', true],
    [['get,list core pods'], '* core pods', false],
    [['get core pods', 'list core pods'], 'get,list core pods', true],
    [['get core pods'], 'get core pods web', true],
    [['get core pods web'], 'get core pods', false],
    [['get core pods a', 'get core pods b'], 'get core pods a,b', true],
    [['get core */status'], 'get core pods/status', true],
    [['get core pods'], 'get core pods/status', false],
    [['get core pods', 'get apps deployments'], 'get core,apps pods', false],
  ] as const)
    assert.equal(ruleCovers(own.map(rule), rule(wanted)), covered, `${own} over ${wanted}`);
  assert.ok(
    ruleCovers([{ verbs: ['get'], nonResourceURLs: ['/a/*'] }], {
      verbs: ['get'],
      nonResourceURLs: ['/a/*', '/a/b'],
    }),
  );
  assert.ok(
    !ruleCovers([{ verbs: ['get'], nonResourceURLs: ['/a'] }], { verbs: ['get'], nonResourceURLs: ['/a/*'] }),
  );
});

test('a node reads what its pods name, and writes what is its own', async () => {
  const node = plane.clientFor('system:node:n1', ['system:nodes']);
  await client(nodes).create({ metadata: { name: 'n1' }, spec: {} });
  await client(nodes).create({ metadata: { name: 'n2' }, spec: {} });
  for (const name of ['mine', 'other']) {
    await client(secrets).create({ metadata: { name, namespace: 'default' } });
    await client(configMaps).create({ metadata: { name, namespace: 'default' } });
  }
  const pod = (name: string, nodeName: string, secretName: string): any => ({
    metadata: { name, namespace: 'default' },
    spec: {
      nodeName,
      containers: [{ name: 'a', image: 'a', envFrom: [{ configMapRef: { name: secretName } }] }],
      volumes: [{ name: 's', secret: { secretName } }],
    },
  });
  await refused(node(secrets).get('mine', inDefault), 403);
  await client(pods).create(pod('p1', 'n1', 'mine'));
  await client(pods).create(pod('p2', 'n2', 'other'));
  await node(secrets).get('mine', inDefault);
  await node(configMaps).get('mine', inDefault);
  await node(secrets).list({ ...inDefault, fieldSelector: 'metadata.name=mine' });
  await refused(node(secrets).get('other', inDefault), 403);
  await refused(node(secrets).list(inDefault), 403);
  await refused(node(secrets).list(), 403);

  const status = { status: { message: 'x' } };
  const options = { ...inDefault, subresource: 'status' };
  await node(pods).patch('p1', status, options);
  await refused(node(pods).patch('p2', status, options), 403, 'can only update pods with spec.nodeName set');
  await refused(node(pods).delete('p2', inDefault), 403, 'can only delete pods');
  await refused(node(pods).create(pod('p3', 'n1', 'mine')), 403, 'can only create mirror pods');
  await node(nodes).patch('n1', { status: { phase: 'x' } }, { subresource: 'status' });
  await refused(
    node(nodes).patch('n2', { metadata: { labels: { a: 'b' } } }),
    403,
    'is not allowed to modify node',
  );
  await refused(node(nodes).patch('n1', { spec: { taints: null } }), 403, 'taints');
  await refused(
    node(nodes).patch('n1', { metadata: { labels: { 'node-restriction.kubernetes.io/x': 'y' } } }),
    403,
    'labels',
  );
  const lease = (name: string, namespace: string) =>
    node(leases).create({ metadata: { name, namespace }, spec: { holderIdentity: name } });
  await lease('n1', 'kube-node-lease');
  await refused(lease('n2', 'kube-node-lease'), 403);

  const token = (boundObjectRef: object) =>
    node(serviceAccounts).createSubresource('default', 'token', { spec: { boundObjectRef } }, inDefault);
  await token({ kind: 'Pod', apiVersion: 'v1', name: 'p1' });
  await refused(token({ kind: 'Pod', apiVersion: 'v1', name: 'p2' }), 403, 'bound to a pod');
  await client(pods).delete('p1', { ...inDefault, gracePeriodSeconds: 0 });
  await refused(node(secrets).get('mine', inDefault), 403);
});

test('an update that creates needs the right to create', async () => {
  const user = await userWith({
    apiGroups: ['coordination.k8s.io', ''],
    resources: ['leases', 'configmaps'],
    verbs: ['update', 'patch', 'get'],
  });
  const own = plane.clientFor(user);
  await refused(
    own(leases).update({ metadata: { name: 'new', namespace: 'default' }, spec: {} }),
    403,
    'cannot create resource "leases"',
  );
  await refused(
    own(configMaps).patch(
      'new',
      { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'new' } },
      { ...inDefault, type: 'apply', fieldManager: 'x' },
    ),
    403,
    'cannot create',
  );
});

test('access reviews', async () => {
  const user = await userWith({ apiGroups: [''], resources: ['pods'], verbs: ['get'] });
  const review = (kind: any, spec: object, as = client) =>
    as(kind).create({ metadata: {}, spec } as never) as Promise<any>;
  const resourceAttributes = { verb: 'get', resource: 'pods', namespace: 'default' };
  const own = plane.clientFor(user, []);
  assert.equal((await review(selfSubjectAccessReviews, { resourceAttributes }, own)).status.allowed, true);
  const no = await review(
    selfSubjectAccessReviews,
    { resourceAttributes: { ...resourceAttributes, verb: 'delete' } },
    own,
  );
  assert.equal(no.status.allowed, false);
  await refused(review(selfSubjectAccessReviews, {}, own), 422);
  const local = await (client(localSubjectAccessReviews) as any).create({
    metadata: { namespace: 'default' },
    spec: { user, resourceAttributes },
  });
  assert.equal(local.status.allowed, true);
});
