import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { protobuf } from '../../api/protobuf.ts';
import { openEnvelope } from '../../machinery/protobuf/kubernetes.ts';
import { startControlPlane } from '../../testing/control-plane.ts';
import { type Ask, serveControlPlane } from '../../testing/https-server.ts';

const plane = await startControlPlane();
const https = await serveControlPlane(plane);
after(async () => {
  await https[Symbol.asyncDispose]();
  await plane.stop();
});
const { ask } = https;
const maps = '/api/v1/namespaces/default/configmaps';
const map = (name: string, more: object = {}) => ({ metadata: { name }, ...more });
const post = (body: Ask['body'], headers = {}, query = '') =>
  ask(maps + query, { method: 'POST', body, headers });
const isStatus = (answer: { code: number; json: any }, code: number, message?: string) => {
  assert.equal(answer.code, code, JSON.stringify(answer.json));
  assert.equal(answer.json.kind, 'Status');
  assert.equal(answer.json.status, 'Failure');
  assert.equal(answer.json.code, code);
  if (message) assert.ok(answer.json.message.includes(message), answer.json.message);
};

test('verbs and their codes', async () => {
  const made = await post(map('a', { data: { k: 'v' } }));
  assert.equal(made.code, 201);
  assert.equal(made.headers['content-type'], 'application/json');
  assert.deepEqual([made.json.kind, made.json.apiVersion], ['ConfigMap', 'v1']);
  const got = await ask(`${maps}/a`);
  assert.deepEqual(got.json, made.json);
  const list = await ask(maps);
  assert.equal(list.json.kind, 'ConfigMapList');
  assert.ok(!('kind' in list.json.items[0]));
  assert.equal((await ask(`${maps}/a`, { method: 'PUT', body: map('a', { data: {} }) })).code, 200);
  const patched = await ask(`${maps}/a`, {
    method: 'PATCH',
    body: '{"data":{"x":"y"}}',
    headers: { 'content-type': 'application/merge-patch+json' },
  });
  assert.deepEqual(patched.json.data, { x: 'y' });
  const applied = await ask(`${maps}/applied?fieldManager=me`, {
    method: 'PATCH',
    body: 'apiVersion: v1\nkind: ConfigMap\ndata:\n  yes: "1"\n',
    headers: { 'content-type': 'application/apply-patch+yaml' },
  });
  assert.equal(applied.code, 201, applied.text);
  const deleted = await ask(`${maps}/a`, { method: 'DELETE' });
  assert.deepEqual([deleted.code, deleted.json.status], [200, 'Success']);
  isStatus(await ask(`${maps}/a`), 404, 'configmaps "a" not found');
  isStatus(await post(map('applied')), 409);
  isStatus(await post(map('Bad_Name')), 422);
});

test('a body that cannot be read is told with what it should have been, and how it begins', async () => {
  const headers = { 'content-type': 'application/json' };
  const prefix =
    "the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; ";
  const yaml = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {}\n';
  const shown = `${Buffer.from(yaml).toString('hex', 0, 30)} ...`;
  isStatus(
    await post(yaml, headers),
    400,
    `${prefix}json parse error: invalid character 'a' looking for beginning of value (${shown})`,
  );
  const cut = await post('{"kind":', headers);
  isStatus(cut, 400, `${prefix}json parse error: unexpected end of JSON input ({"kind":)`);
});

test('a deletion that takes time is accepted, with options in the body', async () => {
  await post(map('slow', { metadata: { name: 'slow', finalizers: ['a.b/c'] } }));
  const answer = await ask(`${maps}/slow`, {
    method: 'DELETE',
    body: { kind: 'DeleteOptions', apiVersion: 'v1', propagationPolicy: 'Foreground' },
  });
  assert.equal(answer.code, 200);
  assert.ok(answer.json.metadata.finalizers.includes('foregroundDeletion'));
});

test('methods that a path does not have', async () => {
  isStatus(await ask(maps, { method: 'PUT', body: {} }), 405);
  isStatus(
    await ask(maps, {
      method: 'PATCH',
      body: {},
      headers: { 'content-type': 'application/merge-patch+json' },
    }),
    405,
  );
  isStatus(await ask(`${maps}/x`, { method: 'POST', body: map('x') }), 405);
  isStatus(await ask(maps, { method: 'OPTIONS' }), 405);
  isStatus(await ask('/api/v1/componentstatuses', { method: 'POST', body: {} }), 405);
});

test('HEAD is GET without the body', async () => {
  await post(map('head'));
  for (const http2 of [false, true]) {
    const answer = await ask(`${maps}/head`, { method: 'HEAD', http2 });
    assert.deepEqual([answer.code, answer.bytes.length], [200, 0]);
  }
  assert.equal((await ask(`${maps}/none`, { method: 'HEAD' })).code, 404);
});

test('what cannot be read is 400, what is not known 415, what is too long 413', async () => {
  const json = { 'content-type': 'application/json' };
  isStatus(await post('{"a', json), 400);
  isStatus(await post('[]', json), 400);
  isStatus(await post('"x"', json), 400);
  isStatus(await post('null', json), 422);
  isStatus(await post('{"metadata":"x"}', json), 400);
  isStatus(await post('{"kind":"Secret","apiVersion":"v1","metadata":{"name":"a"}}', json), 400);
  isStatus(await post('{"apiVersion":"apps/v1","metadata":{"name":"a"}}', json), 400);
  isStatus(await post('{"metadata":{"name":"x","namespace":"other"}}', json), 400, 'does not match');
  isStatus(await post('a: [\n', { 'content-type': 'application/yaml' }), 400, 'yaml');
  isStatus(await post('a: b: c\n', { 'content-type': 'application/yaml' }), 400);
  isStatus(await post('nonsense', { 'content-type': 'application/vnd.kubernetes.protobuf' }), 400);
  isStatus(
    await post(new Uint8Array([0x6b, 0x38, 0x73, 0, 0xff, 0xff]), {
      'content-type': 'application/vnd.kubernetes.protobuf',
    }),
    400,
  );
  isStatus(await post('x', { 'content-type': 'text/plain' }), 415);
  isStatus(
    await ask(`${maps}/head`, {
      method: 'PATCH',
      body: '{}',
      headers: { 'content-type': 'application/json' },
    }),
    415,
    'application/apply-patch+yaml',
  );
  for (const http2 of [false, true]) {
    const answer = await ask(maps, {
      method: 'POST',
      headers: json,
      body: `{"a":"${'x'.repeat(4 << 20)}"}`,
      http2,
    });
    isStatus(answer, 413);
  }
});

test('what is nested too deep is refused, and the server lives on', async () => {
  const deep = `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`;
  const json = { 'content-type': 'application/json' };
  isStatus(await post(deep, json), 400);
  isStatus(await post(`{"metadata":{"name":"x"},"data":${'['.repeat(500_000)}`, json), 400);
  isStatus(await post(`a: ${'['.repeat(20_000)}`, { 'content-type': 'application/yaml' }), 400);
  isStatus(await post(`${'- '.repeat(5_000)}x`, { 'content-type': 'application/yaml' }), 400);
  const patch = { method: 'PATCH', headers: { 'content-type': 'application/merge-patch+json' } };
  isStatus(await ask(`${maps}/head`, { ...patch, body: deep }), 400);
  assert.equal((await ask(`${maps}/head`)).code, 200);
});

test('YAML aliases are no bomb', async () => {
  let text = 'a0: &a0 [x,x,x,x,x,x,x,x,x]\n';
  for (let i = 1; i < 12; i++) text += `a${i}: &a${i} [${Array(9).fill(`*a${i - 1}`)}]\n`;
  isStatus(await post(text, { 'content-type': 'application/yaml' }), 400);
});

test('keys that JavaScript knows otherwise', async () => {
  const body =
    '{"metadata":{"name":"proto","annotations":{"constructor":"a"}},"data":{"__proto__":"b","constructor":"c"},"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}';
  const made = await post(body, { 'content-type': 'application/json' });
  assert.equal(made.code, 201, made.text);
  assert.match(made.text, /"__proto__":"b"/);
  assert.equal(({} as any).polluted, undefined);
  const patched = await ask(`${maps}/proto`, {
    method: 'PATCH',
    headers: { 'content-type': 'application/merge-patch+json' },
    body: '{"__proto__":{"polluted":true},"metadata":{"labels":{"toString":"x"}},"data":{"hasOwnProperty":"d"}}',
  });
  assert.equal(patched.code, 200, patched.text);
  assert.deepEqual(patched.json.metadata.labels, { toString: 'x' });
  assert.equal(({} as any).polluted, undefined);
  assert.equal((await ask(`${maps}?labelSelector=valueOf`)).json.items.length, 0);
  assert.equal(
    (await ask(`${maps}?labelSelector=${encodeURIComponent('constructor!=x,toString=x')}`)).json.items.length,
    1,
  );
  isStatus(await ask('/api/v1/namespaces/default/pods/__proto__'), 404);
  isStatus(await ask('/api/v1/constructor'), 404);
  isStatus(await ask(`${maps}/proto/constructor`), 404);
});

test('names that are no names', async () => {
  isStatus(await ask(`${maps}/a%2fb`), 400, "may not contain '/'");
  isStatus(await ask(`${maps}/%2e%2e`), 400, "may not be '..'");
  isStatus(await ask('/api/v1/namespaces/a%2fb/configmaps'), 400);
  isStatus(await ask(`${maps}/%zz`), 400, 'invalid URL escape');
  isStatus(await ask('/api/v1/configmaps/default%2fhead'), 400);
  isStatus(await ask('/api/v1/namespaces/default/nodes'), 404);
  isStatus(await ask('/api/v1/namespaces/default/namespaces/x'), 404);
});

test('rights in a namespace do not reach the cluster through it', async () => {
  const { client } = plane;
  const { roleBindings } = await import('../../api/rbac/role-binding.ts');
  await client(roleBindings).create({
    metadata: { name: 'boss', namespace: 'default' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
    subjects: [{ kind: 'User', name: 'boss', apiGroup: 'rbac.authorization.k8s.io' }],
  });
  const as = await https.identity('boss');
  assert.equal((await ask(maps, { as })).code, 200);
  assert.equal((await ask('/api/v1/namespaces/default', { as })).code, 200);
  isStatus(await ask('/api/v1/namespaces/kube-system', { as }), 403);
  isStatus(await ask('/api/v1/nodes', { as }), 403);
  const body = { metadata: { name: 'sneaky' }, spec: {} };
  isStatus(await ask('/api/v1/namespaces/default/nodes', { as, method: 'POST', body }), 404);
  isStatus(await ask('/api/v1/namespaces/default/namespaces', { as, method: 'POST', body }), 404);
});

test('unknown paths and resources', async () => {
  isStatus(await ask('/api/v1/nonsense'), 404, 'the server could not find the requested resource');
  isStatus(await ask('/apis/apps/v9/deployments'), 404);
  isStatus(await ask('/nonsense'), 404);
  isStatus(await ask('/apis/nonsense'), 404);
  const as = await https.identity('nobody');
  isStatus(await ask('/api/v1/nonsense', { as }), 403, 'cannot list resource "nonsense"');
  isStatus(await ask('/nonsense', { as }), 403, 'cannot get path "/nonsense"');
});

test('who asks: nobody, a certificate, a token, somebody else', async () => {
  isStatus(await ask(maps, { as: null }), 403, 'User "system:anonymous" cannot list resource "configmaps"');
  assert.equal((await ask('/healthz', { as: null })).text, 'ok');
  assert.equal((await ask('/version', { as: null })).code, 200);
  const bad = await ask(maps, { as: null, headers: { authorization: 'Bearer nonsense' } });
  isStatus(bad, 401, 'Unauthorized');
  isStatus(await ask(maps, { as: null, headers: { authorization: 'Basic YTpi' } }), 401);
  isStatus(await ask(maps, { as: await https.foreign('admin') }), 401);

  const { serviceAccounts } = await import('../../api/core/service-account.ts');
  const token = await plane
    .client(serviceAccounts)
    .createSubresource<any>('default', 'token', { spec: {} }, { namespace: 'default' });
  const bearer = { authorization: `Bearer ${token.status.token}` };
  isStatus(await ask(maps, { as: null, headers: bearer }), 403, 'system:serviceaccount:default:default');

  const whoami = (headers: Record<string, string>, as?: any) =>
    ask('/apis/authentication.k8s.io/v1/selfsubjectreviews', {
      method: 'POST',
      body: {},
      headers: { 'content-type': 'application/json', ...headers },
      ...(as ? { as } : {}),
    });
  const jane = await whoami({
    'impersonate-user': 'jane',
    'impersonate-group': 'a, ,,b',
    'impersonate-uid': '7',
    'impersonate-extra-scopes': 'view',
  });
  assert.deepEqual(jane.json.status.userInfo, {
    username: 'jane',
    uid: '7',
    groups: ['a', ',,b', 'system:authenticated'],
    extra: { scopes: ['view'] },
  });
  const robot = await whoami({ 'impersonate-user': 'system:serviceaccount:ns:x' });
  assert.deepEqual(robot.json.status.userInfo.groups, [
    'system:serviceaccounts',
    'system:serviceaccounts:ns',
    'system:authenticated',
  ]);
  isStatus(await whoami({ 'impersonate-group': 'a' }), 400);
  const small = await https.identity('small');
  isStatus(await whoami({ 'impersonate-user': 'admin' }, small), 403, 'cannot impersonate resource "users"');

  const { clusterRoles } = await import('../../api/rbac/cluster-role.ts');
  const { clusterRoleBindings } = await import('../../api/rbac/cluster-role-binding.ts');
  await plane.client(clusterRoles).create({
    metadata: { name: 'imp' },
    rules: [{ apiGroups: [''], resources: ['users'], verbs: ['impersonate'] }],
  });
  await plane.client(clusterRoleBindings).create({
    metadata: { name: 'imp' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'imp' },
    subjects: [{ kind: 'User', name: 'small', apiGroup: 'rbac.authorization.k8s.io' }],
  });
  assert.equal((await whoami({ 'impersonate-user': 'jane' }, small)).code, 201);
  for (const headers of [
    { 'impersonate-group': 'system:masters' },
    { 'impersonate-uid': '1' },
    { 'impersonate-extra-scopes': 'all' },
  ])
    isStatus(await whoami({ 'impersonate-user': 'jane', ...headers } as any, small), 403);
});

test('field validation', async () => {
  const body = '{"metadata":{"name":"fv"},"data":{"a":"1","a":"2"},"nonsense":1}';
  const json = { 'content-type': 'application/json' };
  const ignored = await post(body, json, '?fieldValidation=Ignore&dryRun=All');
  assert.deepEqual([ignored.code, ignored.headers.warning], [201, undefined]);
  const warned = await post(body, json, '?fieldValidation=Warn&dryRun=All');
  assert.equal(warned.code, 201);
  assert.equal(
    warned.headers.warning,
    '299 - "unknown field \\"nonsense\\"", 299 - "duplicate field \\"data.a\\""',
  );
  isStatus(
    await post(body, json, '?fieldValidation=Strict'),
    400,
    'strict decoding error: unknown field "nonsense", duplicate field "data.a"',
  );
  isStatus(await post(body, json, '?fieldValidation=Some'), 422);
  isStatus(await post(body, json, '?dryRun=Some'), 422);
  const yaml = await post(
    'metadata: {name: fy}\nnonsense: 1\n',
    { 'content-type': 'application/yaml' },
    '?fieldValidation=Strict',
  );
  isStatus(yaml, 400, 'unknown field "nonsense"');
  const standard = await post(body, json, '?dryRun=All');
  assert.ok(standard.headers.warning, 'Warn unless told');
});

test('forms of answers', async () => {
  const get = (accept: string, path = `${maps}/head`) => ask(path, { headers: { accept } });
  const yaml = await get('application/yaml');
  assert.equal(yaml.headers['content-type'], 'application/yaml');
  assert.match(yaml.text, /^apiVersion: v1\n/);
  const wire = await get('application/vnd.kubernetes.protobuf');
  const envelope = openEnvelope(wire.bytes)!;
  assert.equal(envelope.kind, 'ConfigMap');
  assert.equal((protobuf.decode(envelope.raw, 'core.v1.ConfigMap') as any).metadata.name, 'head');
  const round = await post(
    protobuf.encode(
      { kind: 'ConfigMap', apiVersion: 'v1', metadata: { name: 'wire' }, data: { a: 'b' } } as any,
      'core.v1.ConfigMap',
    )!,
    {
      'content-type': 'application/vnd.kubernetes.protobuf',
    },
  );
  assert.deepEqual(round.json.data, { a: 'b' });
  const table = await get('application/json;as=Table;v=v1;g=meta.k8s.io,application/json', maps);
  assert.equal(table.json.kind, 'Table');
  assert.deepEqual(
    table.json.columnDefinitions.map((c: any) => c.name),
    ['Name', 'Data', 'Age'],
  );
  assert.equal(table.json.rows[0].object.kind, 'PartialObjectMetadata');
  const rows = async (include: string) =>
    (await get('application/json;as=Table;v=v1;g=meta.k8s.io', `${maps}?includeObject=${include}`)).json
      .rows[0].object;
  assert.equal(await rows('None'), undefined);
  assert.equal((await rows('Object')).kind, 'ConfigMap');
  const partial = await get('application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io');
  assert.deepEqual(Object.keys(partial.json), ['kind', 'apiVersion', 'metadata']);
  const partials = await get(
    'application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io',
    maps,
  );
  assert.equal(openEnvelope(partials.bytes)!.kind, 'PartialObjectMetadataList');
  isStatus(await get('text/html'), 406, 'only the following media types are accepted');
  assert.equal((await get('text/html, */*;q=0.1')).code, 200);
  assert.equal(
    (await get('application/json;q=0.5, application/yaml')).headers['content-type'],
    'application/yaml',
  );
  const pretty = await get('application/json', `${maps}/head?pretty=true`);
  assert.match(pretty.text, /^\{\n {2}"/);
  assert.match((await ask(`${maps}/head`, { headers: { 'user-agent': 'curl/8' } })).text, /^\{\n/);
});

test('large answers are compressed where that is wanted', async () => {
  await post(map('large', { data: { big: 'x'.repeat(300_000) } }));
  const plain = await ask(`${maps}/large`);
  assert.equal(plain.headers['content-encoding'], undefined);
  for (const http2 of [false, true]) {
    const small = await ask(`${maps}/large`, { headers: { 'accept-encoding': 'gzip' }, http2 });
    assert.equal(small.headers['content-encoding'], 'gzip');
    assert.ok(small.bytes.length < 10_000);
    assert.deepEqual(JSON.parse(gunzipSync(small.bytes).toString()), plain.json);
  }
});

test('both protocols', async () => {
  for (const http2 of [false, true]) {
    assert.equal((await ask(`${maps}/head`, { http2 })).json.metadata.name, 'head');
    isStatus(await ask(`${maps}/nothing`, { http2 }), 404);
  }
});

test('what is never stored has no table', async () => {
  const review = { spec: { nonResourceAttributes: { path: '/', verb: 'get' } } };
  const path = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
  const headers = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' };
  isStatus(await ask(path, { method: 'POST', body: review, headers }), 406);
  assert.equal((await ask(path, { method: 'POST', body: review })).code, 201);
});

test('an apply says what its type does not have, and which keys stand twice', async () => {
  const apply = (body: string, query = '') =>
    ask(`${maps}/strict?fieldManager=me${query}`, {
      method: 'PATCH',
      body,
      headers: { 'content-type': 'application/apply-patch+yaml' },
    });
  const head = 'apiVersion: v1\nkind: ConfigMap\n';
  isStatus(
    await apply(`${head}extra: 1\nmore: 2\n`),
    500,
    '(/; /v1, Kind=ConfigMap): errors:\n  .extra: field not declared in schema\n  .more: field',
  );
  const twice = `${head}data:\n  a: b\n  a: c\n`;
  isStatus(await apply(twice, '&fieldValidation=Strict'), 400, 'line 5: key "a" already set in map');
  const warned = await apply(twice);
  assert.equal(warned.code, 201, warned.text);
  assert.match(String(warned.headers.warning), /line 5: key \\"a\\" already set in map/);
});

test('a list that was just made for somebody else is as true as a new one', async () => {
  const names = async () => (await ask(maps)).json.items.map((item: any) => item.metadata.name).sort();
  await post(map('listed-1'));
  const first = await ask(maps);
  const again = await ask(maps);
  assert.deepEqual(again.json.items, first.json.items);
  await post(map('listed-2'));
  assert.ok((await names()).includes('listed-2'));
  await ask(`${maps}/listed-1`, { method: 'DELETE' });
  assert.ok(!(await names()).includes('listed-1'));
  // Something else changes: the revision of the list does, its items do not.
  await ask('/api/v1/namespaces/default/secrets', { method: 'POST', body: { metadata: { name: 's' } } });
  const later = await ask(maps);
  assert.ok(Number(later.json.metadata.resourceVersion) > Number(first.json.metadata.resourceVersion));
});

test('an answer that does not wait for the body comes all the same', async () => {
  const path = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
  const headers = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' };
  for (const http2 of [false, true])
    for (const length of [100, 100_000, 2_500_000]) {
      const body = { spec: { nonResourceAttributes: { path: 'x'.repeat(length), verb: 'get' } } };
      isStatus(await ask(path, { method: 'POST', body, headers, http2 }), 406);
    }
});
