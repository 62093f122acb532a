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
  assert.match(not.text, /\[-\]poststarthook\/rbac\/bootstrap-roles failed: reason withheld\n/);
  const failing = [...not.text.matchAll(/^\[-\](\S+) failed/gm)].map((m) => `exclude=${m[1]}`);
  const without = await ask(`/readyz?verbose&${failing.join('&')}&exclude=nonsense`);
  assert.equal(without.code, 200);
  assert.match(without.text, /\[\+\]informer-sync excluded: ok\n/);
  assert.match(without.text, /warn: some health checks cannot be excluded: no matches for "nonsense"\n/);
  const one = await ask('/livez/poststarthook/rbac/bootstrap-roles');
  assert.equal(one.code, 500);
  assert.match(one.text, /^internal server error: not finished: x/);
  plane.server.pending.clear();
  assert.match((await ask('/metrics/slis')).text, /kubernetes_healthcheck\{name="ping",type="livez"\} 1\n/);
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
  const requests = (verb: string, code: number) =>
    new RegExp(
      `\\napiserver_request_total\\{verb="${verb}",dry_run="",group="",version="v1",resource="namespaces",subresource="",scope="(cluster|resource)",component="apiserver",code="${code}",system_client=""\\} \\d+\\n`,
    );
  assert.match(text, requests('LIST', 200));
  assert.match(text, requests('GET', 404));
  assert.match(text, /\napiserver_request_duration_seconds_bucket\{verb="LIST",[^}]*le="\+Inf"\} \d+\n/);
  assert.match(text, /\napiserver_storage_objects\{resource="namespaces"\} 4\n/);
  assert.match(text, /\napiserver_resource_objects\{group="apps",resource="deployments"\} 0\n/);
  assert.match(text, /\napiserver_current_inflight_requests\{request_kind="readOnly"\} [1-9]/);
  assert.match(text, /\nprocess_resident_memory_bytes \S+\n/);
  // Each metric is said once what it is, and what follows is of that metric.
  let name = '';
  const named = new Set<string>();
  for (const line of text.trim().split('\n')) {
    const head = /^# TYPE (\w+) (counter|gauge|histogram|summary)$/.exec(line);
    if (head) {
      name = head[1]!;
      assert.ok(!named.has(name), `${name} is there twice`);
      named.add(name);
    } else if (!line.startsWith('# HELP ')) {
      assert.match(line, /^\w+(\{([a-z_]+="([^"\\]|\\.)*",?)*\})? ([\d.e+-]+|\+Inf|NaN)$/);
      assert.match(line, new RegExp(`^${name}(_bucket|_sum|_count)?[ {]`));
    }
  }
  assert.equal((await ask('/metrics', { as: null })).code, 403);
});
