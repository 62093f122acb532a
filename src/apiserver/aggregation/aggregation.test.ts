import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { WebSocket } from 'ws';
import { customResourceDefinitions } from '../../api/apiextensions/custom-resource-definition.ts';
import { apiServices } from '../../api/apiregistration/api-service.ts';
import { configMaps } from '../../api/core/config-map.ts';
import { namespaces } from '../../api/core/namespace.ts';
import { services } from '../../api/core/service.ts';
import { issue, makeAuthority } from '../../cluster/node/certificates.ts';
import { isNotFound } from '../../machinery/status.ts';
import { startControlPlane } from '../../testing/control-plane.ts';
import { createSlice, group, putEndpoint, startExtension, version } from '../../testing/extension-server.ts';
import { serveControlPlane } from '../../testing/https-server.ts';
import { requestHeaderDefaults } from '../authn/request-header.ts';
import { mergeDocuments } from './openapi-documents.ts';

const now = Date.now();
const proxyCA = await makeAuthority('front-proxy-ca', now);
const proxyIdentity = await issue(proxyCA, { commonName: 'front-proxy-client' }, now);
const plane = await startControlPlane({
  api: {
    proxyIdentity,
    requestHeader: { ...requestHeaderDefaults, ca: proxyCA.cert },
    clientCA: proxyCA.cert,
  },
});
const https = await serveControlPlane(plane);
const extension = await startExtension(proxyCA.cert, 'api.wardle.svc');
after(async () => {
  await https[Symbol.asyncDispose]();
  await extension[Symbol.asyncDispose]();
  await plane.stop();
});
const { ask } = https;
const registered = plane.client(apiServices);
const name = `${version}.${group}`;
const path = `/apis/${group}/${version}/namespaces/default/flunders`;
const aggregatedType = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';

async function until<T>(check: () => Promise<T | undefined | false> | T | undefined | false): Promise<T> {
  for (let i = 0; i < 600; i++) {
    const found = await check();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error('it did not come to that');
}
const condition = async () =>
  (await registered.get(name)).status?.conditions?.find((c) => c.type === 'Available');
const reason = (wanted: string) =>
  until(async () => {
    const found = await condition();
    return found?.reason === wanted && found;
  });

test('each group version of our own has an APIService', async () => {
  const apps = await registered.get('v1.apps');
  assert.deepEqual(apps.spec, {
    group: 'apps',
    version: 'v1',
    groupPriorityMinimum: 17800,
    versionPriority: 15,
  });
  assert.equal(apps.metadata.labels?.['kube-aggregator.kubernetes.io/automanaged'], 'onstart');
  assert.equal(apps.status?.conditions?.[0]?.reason, 'Local');
  assert.deepEqual((await registered.get('v1.')).spec, {
    version: 'v1',
    groupPriorityMinimum: 18000,
    versionPriority: 1,
  });
  await assert.rejects(registered.get('v1.apiregistration.k8s.io'), isNotFound);
  const groups = (await ask('/apis')).json.groups.map((g: any) => g.name);
  assert.deepEqual(groups.slice(0, 4), [
    'apiregistration.k8s.io',
    'apps',
    'events.k8s.io',
    'authentication.k8s.io',
  ]);
  await registered.delete('v1.apps');
  await until(() => registered.get('v1.apps').catch((e) => isNotFound(e) && undefined));
});

test('custom resources have one as long as they are served', async () => {
  const crds = plane.client(customResourceDefinitions);
  await crds.create({
    metadata: { name: 'cars.example.com' },
    spec: {
      group: 'example.com',
      names: { plural: 'cars', kind: 'Car' },
      scope: 'Namespaced',
      versions: [
        { name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } },
      ],
    },
  } as never);
  const service = await until(() => registered.get('v1.example.com').catch(() => undefined));
  assert.deepEqual(service.spec, {
    group: 'example.com',
    version: 'v1',
    groupPriorityMinimum: 1000,
    versionPriority: 100,
  });
  assert.equal(service.metadata.labels?.['kube-aggregator.kubernetes.io/automanaged'], 'true');
  await registered.patch('v1.example.com', { spec: { versionPriority: 7 } });
  await until(async () => (await registered.get('v1.example.com')).spec.versionPriority === 100);
  await crds.delete('cars.example.com');
  await until(async () => !(await registered.get('v1.example.com').catch(() => undefined)));
});

test('what other servers have to know is published', async () => {
  const get = () =>
    plane.client(configMaps).get('extension-apiserver-authentication', { namespace: 'kube-system' });
  const { data } = await until(() => get().catch(() => undefined));
  assert.equal(data?.['requestheader-client-ca-file'], proxyCA.cert);
  assert.equal(data?.['client-ca-file'], proxyCA.cert);
  assert.equal(data?.['requestheader-allowed-names'], '["front-proxy-client"]');
  assert.equal(data?.['requestheader-username-headers'], '["X-Remote-User"]');
  assert.equal(data?.['requestheader-extra-headers-prefix'], '["X-Remote-Extra-"]');
  await plane.client(configMaps).delete('extension-apiserver-authentication', { namespace: 'kube-system' });
  await until(() => get().catch(() => undefined));
});

test('a server is available once it can be reached and answers', async () => {
  await plane.client(namespaces).create({ metadata: { name: 'wardle' }, spec: {} });
  await registered.create({
    metadata: { name },
    spec: {
      ...{ group, version, groupPriorityMinimum: 2000, versionPriority: 200 },
      service: { namespace: 'wardle', name: 'api', port: 7443 },
      caBundle: Buffer.from(extension.ca).toString('base64'),
    },
  });
  const found = await reason('ServiceNotFound');
  assert.equal(found.status, 'False');
  assert.equal(found.message, 'service/api in "wardle" is not present');
  const absent = await ask(path);
  assert.equal(absent.code, 503);
  assert.equal(absent.text, 'service unavailable\n');

  const service = await plane.client(services).create({
    metadata: { name: 'api', namespace: 'wardle' },
    spec: { ports: [{ port: 443 }] },
  } as never);
  await reason('ServicePortError');
  await plane.client(services).update({
    ...service,
    spec: { ...service.spec, ports: [{ port: 7443, protocol: 'TCP' }] },
  } as never);
  await reason('EndpointsNotFound');
  const slice = await createSlice(plane, 'wardle', 'api', extension.port);
  await reason('MissingEndpoints');
  await putEndpoint(plane, slice);
  const passed = await reason('Passed');
  assert.equal(passed.status, 'True');
  assert.equal(passed.message, 'all checks passed');
  const probe = extension.seen.find(({ url }) => url === `/apis/${group}/${version}`)!;
  assert.equal(probe.headers['x-remote-user'], 'system:kube-aggregator');
  assert.equal(probe.headers['x-remote-group'], 'system:masters');
  assert.equal(probe.proxy, 'front-proxy-client');
});

test('requests are passed on in the name of who asks, and answers back', async () => {
  extension.seen.length = 0;
  const made = await ask(`${path}?fieldManager=me`, {
    method: 'POST',
    headers: {
      'impersonate-user': 'jane',
      'impersonate-group': 'system:masters',
      'impersonate-uid': 'u-1',
      'impersonate-extra-example.com%2Fscopes': 'a b',
      'x-remote-user': 'root',
      'x-forwarded-for': '192.0.2.7',
    },
    body: { metadata: { name: 'one' } },
  });
  assert.equal(made.code, 201);
  assert.equal(made.json.metadata.name, 'one');
  const asked = extension.seen.find(({ method }) => method === 'POST');
  const { headers } = asked!;
  assert.equal(asked!.url, `${path}?fieldManager=me`);
  assert.equal(asked!.proxy, 'front-proxy-client');
  assert.equal(headers['x-remote-user'], 'jane');
  assert.equal(headers['x-remote-uid'], 'u-1');
  assert.equal(headers['x-remote-group'], 'system:masters, system:authenticated');
  assert.equal(headers['x-remote-extra-example.com%2fscopes'.toLowerCase()], 'a b');
  assert.equal(headers['x-forwarded-for'], '192.0.2.7, 127.0.0.1');
  assert.equal(headers.host, 'api.wardle.svc:7443');
  assert.equal(headers['impersonate-user'], undefined);
  assert.equal(headers.authorization, undefined);
  assert.equal(headers['audit-id'], made.headers['audit-id']);
  assert.equal((await ask(`${path}/one`)).json.metadata.name, 'one');
  assert.equal((await ask(`${path}/two`)).code, 404);
  // Who may not is refused here already.
  const jane = await https.identity('jane');
  assert.equal((await ask(path, { as: jane })).code, 403);
  const redirected = await ask(`/apis/${group}/${version}/redirect`);
  assert.equal(redirected.code, 502);
  assert.match(redirected.text, /attempted to redirect/);
  assert.equal(redirected.headers.location, undefined);
});

test('watches and upgraded connections go through', async () => {
  const watched = ask(`${path}?watch=1`, { onData: (text) => text.includes('"three"') });
  await until(() => extension.seen.some(({ url }) => url.endsWith('watch=1')));
  await ask(path, { method: 'POST', body: { metadata: { name: 'three' } } });
  assert.match((await watched).text, /"type":"ADDED"/);

  const admin = await https.identity('kate', ['system:masters']);
  const socket = new WebSocket(`wss://127.0.0.1:${https.port}${path}/one/shell`, { ca: https.ca, ...admin });
  const answer = await new Promise<string>((resolve, reject) => {
    socket.on('open', () => socket.send('hello'));
    socket.on('message', (data) => resolve(String(data)));
    socket.on('error', reject);
  });
  assert.equal(answer, 'kate: hello');
  socket.terminate();
});

test('discovery and OpenAPI tell of both servers', async () => {
  const discovered = await until(async () => {
    const { items } = (await ask('/apis', { headers: { accept: aggregatedType } })).json;
    const found = items.find((g: any) => g.metadata.name === group)?.versions[0];
    return found?.freshness === 'Current' && found;
  });
  assert.equal(discovered.resources[0].resource, 'flunders');
  assert.equal(discovered.resources[0].subresources[0].subresource, 'shell');
  assert.ok((await ask('/apis')).json.groups.some((g: any) => g.name === group));
  assert.equal((await ask(`/apis/${group}`)).json.preferredVersion.version, version);
  assert.equal((await ask(`/apis/${group}/${version}`)).json.resources[0].name, 'flunders');

  const { paths } = (await ask('/openapi/v3')).json;
  const { serverRelativeURL } = paths[`apis/${group}/${version}`];
  assert.match(serverRelativeURL, /\?hash=ABC$/);
  assert.match(paths['apis/apps/v1'].serverRelativeURL, /hash=/);
  assert.equal(paths.version, undefined);
  assert.equal((await ask(serverRelativeURL)).json.info.title, 'wardle');
  const v2 = (await ask('/openapi/v2')).json;
  const own = v2.paths[`/apis/${group}/${version}/namespaces/{namespace}/flunders/{name}`];
  assert.equal(own.get.operationId, 'readFlunder');
  assert.ok(v2.definitions['example.FlunderSpec']);
  assert.equal(v2.definitions['example.Unused'], undefined);
  assert.ok(v2.paths['/apis/apps/v1/deployments']);
  const wire = await ask('/openapi/v2', {
    headers: { accept: 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf' },
  });
  assert.ok(wire.bytes.includes('readFlunder'));
});

test('a server that fails is told to be unavailable, and comes back', async () => {
  extension.broken = true;
  // What changes the object has it looked at again.
  await registered.patch(name, { metadata: { labels: { looked: 'again' } } });
  const failed = await reason('FailedDiscoveryCheck');
  assert.match(failed.message!, /bad status from .*: 500/);
  assert.equal((await ask(path)).code, 503);
  const stale = await until(async () => {
    const { items } = (await ask('/apis', { headers: { accept: aggregatedType } })).json;
    const found = items.find((g: any) => g.metadata.name === group)?.versions[0];
    return found?.freshness === 'Stale' && found;
  });
  assert.equal(stale.resources.length, 1, 'what was known last is still told');
  const { text } = await ask('/metrics');
  assert.match(text, new RegExp(`aggregator_unavailable_apiservice\\{name="${name}"\\} 1\\n`));
  extension.broken = false;
  extension.aggregated = false;
  await reason('Passed');
  // Without the one document, the list of the version is taken.
  await until(async () => {
    const { items } = (await ask('/apis', { headers: { accept: aggregatedType } })).json;
    const found = items.find((g: any) => g.metadata.name === group)?.versions[0];
    return found?.freshness === 'Current' && found.resources[0].subresources[0].subresource === 'shell';
  });
});

test('a server whose certificate nobody vouches for is not believed, unless that is wanted', async () => {
  const other = await makeAuthority('other', now);
  await registered.patch(name, { spec: { caBundle: Buffer.from(other.cert).toString('base64') } });
  const failed = await reason('FailedDiscoveryCheck');
  assert.match(failed.message!, /certificate signed by unknown authority/);
  await registered.patch(name, { spec: { caBundle: null, insecureSkipTLSVerify: true } });
  await reason('Passed');
  assert.equal((await ask(path)).code, 200);
  await registered.delete(name);
  await until(async () => (await ask(path)).code === 404);
  assert.ok(!(await ask('/apis')).json.groups.some((g: any) => g.name === group));
});

test('behind another API server, we believe it when it says who asks', async () => {
  const proxy = await issue(proxyCA, { commonName: 'front-proxy-client' }, now);
  const whoami = (as: typeof proxy, headers: Record<string, string>) =>
    ask('/apis/authentication.k8s.io/v1/selfsubjectreviews', {
      ...{
        as,
        method: 'POST',
        headers,
        body: { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' },
      },
    });
  const remote = {
    'x-remote-user': 'jane',
    'x-remote-group': 'staff',
    'x-remote-uid': 'u-2',
    'x-remote-extra-example.com%2fscopes': 'x',
  };
  const { userInfo } = (await whoami(proxy, remote)).json.status;
  assert.deepEqual(userInfo, {
    username: 'jane',
    uid: 'u-2',
    groups: ['staff', 'system:authenticated'],
    extra: { 'example.com/scopes': ['x'] },
  });
  assert.equal((await whoami(proxy, {})).code, 401, 'a proxy is nobody by itself');
  const stranger = await issue(proxyCA, { commonName: 'somebody' }, now);
  assert.equal((await whoami(stranger, remote)).code, 401);
  const client = await https.identity('kate');
  assert.equal((await whoami(client, remote)).json.status.userInfo.username, 'kate');
});

test('of two definitions of one name, the second gets another', () => {
  const ours = { paths: { '/a': 1 }, definitions: { T: { type: 'object' } }, parameters: {} };
  const theirs = {
    paths: { '/a': 2, '/b': { $ref: '#/definitions/T' } },
    definitions: { T: { type: 'string' }, U: { $ref: '#/definitions/T' } },
    parameters: {},
  };
  const merged = mergeDocuments(ours, [theirs]);
  assert.deepEqual(merged.paths, { '/a': 1, '/b': { $ref: '#/definitions/T_v2' } });
  assert.deepEqual(merged.definitions, {
    T: { type: 'object' },
    T_v2: { type: 'string' },
    U: { $ref: '#/definitions/T_v2' },
  });
});
