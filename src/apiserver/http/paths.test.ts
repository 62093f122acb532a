import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startControlPlane } from '../../testing/control-plane.ts';
import { serveControlPlane } from '../../testing/https-server.ts';

const plane = await startControlPlane();
const https = await serveControlPlane(plane);
after(async () => {
  await https[Symbol.asyncDispose]();
  await plane.stop();
});
const { ask } = https;
const aggregatedType = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';

test('discovery, plain', async () => {
  assert.deepEqual((await ask('/api')).json.versions, ['v1']);
  const groups = (await ask('/apis')).json;
  assert.equal(groups.kind, 'APIGroupList');
  const apps = groups.groups.find((g: any) => g.name === 'apps');
  assert.equal(apps.preferredVersion.groupVersion, 'apps/v1');
  assert.equal((await ask('/apis/apps')).json.kind, 'APIGroup');
  const autoscaling = (await ask('/apis/autoscaling')).json;
  assert.deepEqual(
    autoscaling.versions.map((v: any) => v.version),
    ['v2', 'v1'],
  );
  const core = (await ask('/api/v1')).json;
  assert.equal(core.kind, 'APIResourceList');
  const find = (name: string) => core.resources.find((r: any) => r.name === name);
  assert.deepEqual(find('pods').shortNames, ['po']);
  assert.equal(find('pods').singularName, 'pod');
  assert.equal(find('pods/eviction').group, 'policy');
  assert.equal(find('nodes').namespaced, false);
  assert.ok(find('pods/exec').verbs.includes('create'));
});

test('discovery, aggregated', async () => {
  const answer = await ask('/apis', { headers: { accept: `${aggregatedType},application/json` } });
  assert.equal(answer.headers['content-type'], aggregatedType);
  assert.equal(answer.json.kind, 'APIGroupDiscoveryList');
  const apps = answer.json.items.find((g: any) => g.metadata.name === 'apps');
  const deployments = apps.versions[0].resources.find((r: any) => r.resource === 'deployments');
  assert.equal(deployments.scope, 'Namespaced');
  assert.ok(
    deployments.subresources.some((s: any) => s.subresource === 'scale' && s.responseKind.kind === 'Scale'),
  );
  const again = await ask('/apis', {
    headers: { accept: aggregatedType, 'if-none-match': String(answer.headers.etag) },
  });
  assert.equal(again.code, 304);
  const core = await ask('/api', { headers: { accept: aggregatedType } });
  assert.equal(core.json.items.length, 1);
});

test('health, version and keys', async () => {
  assert.equal((await ask('/healthz')).text, 'ok');
  assert.equal((await ask('/livez/ping')).text, 'ok');
  const ready = await ask('/readyz?verbose');
  assert.match(ready.text, /\[\+\]ping ok\n/);
  assert.match(ready.text, /readyz check passed\n$/);
  assert.equal((await ask('/readyz/nonsense')).code, 404);
  plane.server.pending.add('x');
  const not = await ask('/readyz');
  assert.equal(not.code, 500);
  assert.match(not.text, /\[-\]informer-sync failed/);
  const without = await ask('/readyz?exclude=informer-sync&exclude=poststarthook/start-controllers');
  assert.equal(without.code, 200);
  plane.server.pending.clear();
  assert.match((await ask('/version')).json.gitVersion, /^v1\.36\./);
  const openid = (await ask('/.well-known/openid-configuration')).json;
  assert.deepEqual(openid.id_token_signing_alg_values_supported, ['ES256']);
  assert.equal((await ask('/openid/v1/jwks')).json.keys.length, 1);
  assert.ok((await ask('/')).json.paths.includes('/apis/apps/v1'));
});

test('OpenAPI', async () => {
  const v2 = await ask('/openapi/v2');
  assert.equal(v2.json.swagger, '2.0');
  const wire = await ask('/openapi/v2', {
    headers: { accept: 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf' },
  });
  assert.match(String(wire.headers['content-type']), /protobuf/);
  const index = (await ask('/openapi/v3')).json;
  const { serverRelativeURL } = index.paths['apis/apps/v1'];
  const v3 = await ask(serverRelativeURL);
  assert.match(v3.json.openapi, /^3\./);
  assert.match(String(v3.headers['cache-control']), /immutable/);
  assert.equal((await ask('/openapi/v3/apis/nonsense')).code, 404);
});

test('metrics', async () => {
  await ask('/api/v1/namespaces');
  await ask('/api/v1/namespaces/nonsense');
  const { text, headers } = await ask('/metrics');
  assert.match(String(headers['content-type']), /^text\/plain; version=0\.0\.4/);
  assert.match(
    text,
    /apiserver_request_total\{verb="LIST",group="",version="v1",resource="namespaces",[^}]*code="200"\} 1\n/,
  );
  assert.match(text, /apiserver_request_total\{verb="GET",[^}]*resource="namespaces",[^}]*code="404"\} 1\n/);
  assert.match(text, /apiserver_request_duration_seconds_bucket\{verb="LIST",[^}]*le="\+Inf"\} 1\n/);
  assert.match(text, /apiserver_storage_objects\{resource="namespaces"\} 4\n/);
  assert.match(text, /process_resident_memory_bytes \d+\n/);
  for (const line of text.trim().split('\n'))
    assert.match(line, /^(# TYPE \w+ \w+|\w+(\{[^}]*\})? [\d.e+-]+)$/);
  assert.equal((await ask('/metrics', { as: null })).code, 403);
});
