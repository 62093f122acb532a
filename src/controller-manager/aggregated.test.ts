// Resources of another API server, behind the aggregation layer: namespaces are emptied of them, and owners are among them.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { allKinds } from '../api/all.ts';
import { apiServices } from '../api/apiregistration/api-service.ts';
import { configMaps } from '../api/core/config-map.ts';
import { namespaces } from '../api/core/namespace.ts';
import type { Client } from '../client/client.ts';
import { type Discovery, repeatedDiscovery } from '../client/discovery.ts';
import { createInformers } from '../client/informer.ts';
import { httpsClient } from '../client/node/https.ts';
import { restTransport } from '../client/rest.ts';
import { createClient } from '../client/typed.ts';
import { controllerUser } from '../cluster/identities.ts';
import { issue, makeAuthority } from '../cluster/node/certificates.ts';
import { systemClock, systemRandom } from '../cluster/node/platform.ts';
import { silentLog } from '../machinery/log.ts';
import type { KubeObject } from '../machinery/meta.ts';
import { isNotFound } from '../machinery/status.ts';
import { startControlPlane } from '../testing/control-plane.ts';
import { flunders, group, register, startExtension, version } from '../testing/extension-server.ts';
import { serveControlPlane } from '../testing/https-server.ts';
import { until } from './flow-fixtures.ts';
import { type ControllerManagerOptions, startControllerManager } from './start.ts';

const now = Date.now();
const proxyCA = await makeAuthority('front-proxy-ca', now);
const proxyIdentity = await issue(proxyCA, { commonName: 'front-proxy-client' }, now);
const plane = await startControlPlane({ api: { proxyIdentity } });
const https = await serveControlPlane(plane);
const extension = await startExtension(proxyCA.cert, 'api.wardle.svc');
after(async () => {
  await https[Symbol.asyncDispose]();
  await extension[Symbol.asyncDispose]();
  await plane.stop();
});
await register(plane, extension);

const { client } = plane;
const service = `${version}.${group}`;
const known = async () => !(await plane.discover()).failed.size;
const fresh = async () => {
  const found = await client(apiServices).get(service);
  const available = found.status?.conditions?.find(({ type }) => type === 'Available');
  return available?.status === 'True' && (await known());
};
await until('the extension is there', fresh);

const common = {
  kinds: allKinds,
  trace: plane.trace,
  clock: systemClock,
  random: systemRandom,
  log: silentLog,
};
const only = { controllers: ['namespace', 'garbagecollector'], resyncPeriodMs: 200 };

/** Each way of running the controllers: in the API server's process, and apart. */
const ways: Record<string, () => Promise<AsyncDisposable>> = {
  'in process': () =>
    startControllerManager({
      ...common,
      ...only,
      clientFor: (name) =>
        plane.clientFor(controllerUser(name), ['system:serviceaccounts', 'system:authenticated']),
      client,
      informers: plane.informers,
      discover: plane.discover,
    }),
  'over HTTPS': async () => {
    const { port, ca } = https;
    const server = `https://127.0.0.1:${port}`;
    const http = httpsClient({ server, ca, ...(await https.identity('kcm', ['system:masters'])) });
    const rest = restTransport(http);
    const its = createClient(rest);
    const informers = createInformers(its, { clock: systemClock, log: silentLog });
    const ended = new AbortController();
    const settings: ControllerManagerOptions = {
      ...{ ...common, ...only, client: its, informers },
      discover: repeatedDiscovery(rest),
    };
    const manager = await startControllerManager(settings);
    informers.start(ended.signal);
    return {
      async [Symbol.asyncDispose]() {
        await manager[Symbol.asyncDispose]();
        ended.abort();
        http.close();
      },
    };
  },
};

const ownedBy = (owner: KubeObject, apiVersion: string, kind: string) => [
  { apiVersion, kind, name: owner.metadata.name!, uid: owner.metadata.uid! },
];
const isThere = async (asked: Promise<unknown>): Promise<boolean> => {
  try {
    await asked;
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
};
const makeNamespace = (name: string) =>
  client(namespaces).create({ metadata: { name }, spec: { finalizers: ['kubernetes'] } });
const makeFlunder = (namespace: string, name: string, ownerReferences: object[] = []) =>
  client(flunders).create({ metadata: { name, namespace, ownerReferences } } as never);
const makeMap = (namespace: string, name: string, ownerReferences: object[] = []) =>
  client(configMaps).create({ metadata: { name, namespace, ownerReferences } } as never);
const hasMap = (namespace: string, name: string) => isThere(client(configMaps).get(name, { namespace }));
const goesAway = (name: string) =>
  until(`${name} is gone`, async () => !(await isThere(client(namespaces).get(name))));
/** Has the API server look at the extension at once, not when its time has come. */
const lookAgain = (looked: string) =>
  client(apiServices).patch(service, { metadata: { labels: { looked } } });
async function goesDown(): Promise<void> {
  extension.broken = true;
  extension.disconnect();
  await lookAgain('down');
  await until('the extension is known to be down', async () => !(await known()));
}
async function comesBack(): Promise<void> {
  extension.broken = false;
  await lookAgain('up');
  await until('the extension is known to be back', fresh);
}
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

for (const [way, start] of Object.entries(ways)) {
  const prefix = way.replaceAll(' ', '-').toLowerCase();

  test(`${way}: a namespace is emptied of another server's objects`, async () => {
    await using _ = await start();
    const [some, others] = [`${prefix}-some`, `${prefix}-others`];
    await makeNamespace(some);
    await makeNamespace(others);
    await makeFlunder(some, 'a');
    await makeFlunder(some, 'b');
    await makeFlunder(others, 'a');
    extension.seen.length = 0;
    await client(namespaces).delete(some);
    await goesAway(some);
    assert.equal(extension.objects.list(some).length, 0);
    assert.equal(extension.objects.list(others).length, 1);
    const deletes = () => extension.seen.filter(({ method }) => method === 'DELETE').map(({ url }) => url);
    const path = (namespace: string) => `/apis/${group}/${version}/namespaces/${namespace}/flunders`;
    assert.deepEqual(deletes().sort(), [`${path(some)}/a`, `${path(some)}/b`], 'one by one');

    extension.verbs.push('deletecollection');
    await lookAgain(`${prefix}-verbs`);
    await until('the verb is known', async () =>
      (await plane.discover()).find('flunders')!.verbs.includes('deletecollection'),
    );
    extension.seen.length = 0;
    await client(namespaces).delete(others);
    await goesAway(others);
    assert.deepEqual(deletes(), [path(others)], 'all at once');
    extension.verbs.pop();
    await lookAgain(`${prefix}-no-verbs`);
  });

  test(`${way}: a namespace stays while the other server cannot be asked`, async () => {
    await using _ = await start();
    const name = `${prefix}-waits`;
    await makeNamespace(name);
    await makeFlunder(name, 'a');
    await makeMap(name, 'own');
    await goesDown();
    await client(namespaces).delete(name);
    const conditions = async () =>
      new Map((await client(namespaces).get(name)).status?.conditions?.map((c) => [c.type, c]));
    await until(
      'what is known went',
      async () => (await conditions()).size > 0 && !(await hasMap(name, 'own')),
    );
    const { status, reason, message } = (await conditions()).get('NamespaceDeletionDiscoveryFailure')!;
    assert.equal(status, 'True');
    assert.equal(reason, 'DiscoveryFailed');
    assert.equal(
      message,
      'Discovery failed for some groups, 1 failing: unable to retrieve the complete list of server APIs: ' +
        'wardle.example.com/v1alpha1: stale GroupVersion discovery: wardle.example.com/v1alpha1',
    );
    const others = [...(await conditions()).values()].filter(
      (c) => c.type !== 'NamespaceDeletionDiscoveryFailure',
    );
    assert.deepEqual(others.map((c) => `${c.type} ${c.status} ${c.reason}`).sort(), [
      'NamespaceContentRemaining False ContentRemoved',
      'NamespaceDeletionContentFailure False ContentDeleted',
      'NamespaceDeletionGroupVersionParsingFailure False ParsedGroupVersions',
      'NamespaceFinalizersRemaining False ContentHasNoFinalizers',
    ]);
    await comesBack();
    await goesAway(name);
    assert.equal(extension.objects.list(name).length, 0);
  });

  test(`${way}: owners and dependents are of either server`, async () => {
    await using _ = await start();
    const namespace = `${prefix}-owners`;
    await makeNamespace(namespace);
    const flunder = await makeFlunder(namespace, 'owner');
    await makeMap(namespace, 'of-flunder', ownedBy(flunder, `${group}/${version}`, 'Flunder'));
    const map = await makeMap(namespace, 'owner');
    await makeFlunder(namespace, 'of-map', ownedBy(map, 'v1', 'ConfigMap'));
    await pause(300);
    assert.ok(await hasMap(namespace, 'of-flunder'));
    assert.ok(extension.objects.get(namespace, 'of-map'));

    await client(flunders).delete('owner', { namespace });
    await until('the map is collected', async () => !(await hasMap(namespace, 'of-flunder')));
    await client(configMaps).delete('owner', { namespace });
    await until('the flunder is collected', () => !extension.objects.get(namespace, 'of-map'));
  });

  test(`${way}: nothing is collected while the other server cannot be asked`, async () => {
    const namespace = `${prefix}-patience`;
    await makeNamespace(namespace);
    const owners = {
      stays: await makeFlunder(namespace, 'stays'),
      goes: await makeFlunder(namespace, 'goes'),
    };
    const reference = (owner: KubeObject) => ownedBy(owner, `${group}/${version}`, 'Flunder');
    {
      await using _ = await start();
      for (const [name, owner] of Object.entries(owners)) await makeMap(namespace, name, reference(owner));
      await pause(200);
      await goesDown();
      extension.objects.delete(namespace, 'goes');
      await pause(600);
      for (const name of Object.keys(owners)) assert.ok(await hasMap(namespace, name), name);
    }
    // Nor by one that starts only now, and has never seen the owners.
    await using _ = await start();
    await makeMap(namespace, 'late', reference(owners.goes));
    await pause(600);
    for (const name of [...Object.keys(owners), 'late']) assert.ok(await hasMap(namespace, name), name);
    await comesBack();
    await until('the maps of the owner that is gone are collected', async () => {
      const left = await Promise.all(['goes', 'late'].map((name) => hasMap(namespace, name)));
      return left.every((there) => !there);
    });
    assert.ok(await hasMap(namespace, 'stays'));
  });

  test(`${way}: an owner whose server was taken away is not taken as gone`, async () => {
    await using _ = await start();
    const namespace = `${prefix}-unregistered`;
    await makeNamespace(namespace);
    const owner = await makeFlunder(namespace, 'owner');
    const before = await client(apiServices).get(service);
    await client(apiServices).delete(service);
    await until('the group is not served', async () => !(await plane.discover()).find('flunders'));
    await makeMap(namespace, 'owned', ownedBy(owner, `${group}/${version}`, 'Flunder'));
    await pause(500);
    assert.ok(await hasMap(namespace, 'owned'));
    extension.objects.delete(namespace, 'owner');
    await client(apiServices).create({ metadata: { name: service }, spec: before.spec });
    await until('the group is served', fresh);
    await until('the map is collected', async () => !(await hasMap(namespace, 'owned')));
  });
}

test('the client asks for no more than metadata, and gets them', async () => {
  const http = httpsClient({
    server: `https://127.0.0.1:${https.port}`,
    ca: https.ca,
    ...(await https.identity('kcm', ['system:masters'])),
  });
  const far: Client = createClient(restTransport(http));
  const found: Discovery = await plane.discover();
  assert.ok(found.find('flunders'));
  await client(configMaps).create({ metadata: { name: 'full', namespace: 'default' }, data: { a: 'b' } });
  const one = await far(configMaps).get('full', { namespace: 'default', metadataOnly: true });
  assert.equal(one.kind, 'PartialObjectMetadata');
  assert.equal(one.data, undefined);
  const { items } = await far(configMaps).list({ namespace: 'default', metadataOnly: true });
  assert.ok(items.some(({ metadata, data }) => metadata.name === 'full' && data === undefined));
  const ended = new AbortController();
  for await (const batch of far(configMaps).watch({
    namespace: 'default',
    metadataOnly: true,
    signal: ended.signal,
  })) {
    assert.equal(batch[0]!.object.kind, 'PartialObjectMetadata');
    ended.abort();
  }
  http.close();
});
