// The official client for JavaScript against our API server over HTTPS: objects, patches, pages, watches, informers.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  ApiextensionsV1Api,
  AppsV1Api,
  CoreV1Api,
  CustomObjectsApi,
  KubeConfig,
  KubernetesObjectApi,
  makeInformer,
  PatchStrategy,
  setHeaderOptions,
  type V1ConfigMap,
  Watch,
} from '@kubernetes/client-node';
import { type ControlPlane, startControlPlane } from '../../src/testing/control-plane.ts';
import { type HttpsPlane, serveControlPlane } from '../../src/testing/https-server.ts';

let plane: ControlPlane;
let https: HttpsPlane;
const config = new KubeConfig();
const namespace = 'default';

before(async () => {
  plane = await startControlPlane();
  https = await serveControlPlane(plane);
  const { cert, key } = await https.identity('admin', ['system:masters']);
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  config.loadFromOptions({
    clusters: [{ name: 'c', server: `https://127.0.0.1:${https.port}`, caData: base64(https.ca) }],
    users: [{ name: 'u', certData: base64(cert), keyData: base64(key) }],
    contexts: [{ name: 'x', cluster: 'c', user: 'u' }],
    currentContext: 'x',
  });
});
after(async () => {
  await https[Symbol.asyncDispose]();
  await plane.stop();
});

const until = async (what: string, isSo: () => boolean): Promise<void> => {
  for (const end = Date.now() + 10_000; !isSo(); ) {
    if (Date.now() > end) throw new Error(`timed out waiting for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};
const map = (name: string, data: Record<string, string> = { a: 'b' }): V1ConfigMap => ({
  metadata: { name, labels: { of: 'client' } },
  data,
});

test('objects, patches and pages', async () => {
  const core = config.makeApiClient(CoreV1Api);
  const made = await core.createNamespacedConfigMap({ namespace, body: map('one') });
  assert.ok(made.metadata!.creationTimestamp instanceof Date);
  const merge = setHeaderOptions('Content-Type', PatchStrategy.MergePatch);
  const patched = await core.patchNamespacedConfigMap(
    { name: 'one', namespace, body: { data: { c: 'd' } } },
    merge,
  );
  assert.deepEqual(patched.data, { a: 'b', c: 'd' });
  const apply = setHeaderOptions('Content-Type', PatchStrategy.ServerSideApply);
  const applied = await core.patchNamespacedConfigMap(
    {
      name: 'two',
      namespace,
      fieldManager: 'test',
      body: { apiVersion: 'v1', kind: 'ConfigMap', ...map('two') },
    },
    apply,
  );
  assert.equal(applied.metadata!.managedFields![0]!.manager, 'test');
  const first = await core.listNamespacedConfigMap({ namespace, limit: 1, labelSelector: 'of=client' });
  const second = await core.listNamespacedConfigMap({
    namespace,
    limit: 1,
    labelSelector: 'of=client',
    _continue: first.metadata!._continue!,
  });
  assert.deepEqual([...first.items, ...second.items].map((item) => item.metadata!.name).sort(), [
    'one',
    'two',
  ]);
  await assert.rejects(core.readNamespacedConfigMap({ name: 'three', namespace }), { code: 404 });
  await assert.rejects(core.createNamespacedConfigMap({ namespace, body: map('one') }), { code: 409 });
  await core.deleteCollectionNamespacedConfigMap({ namespace, labelSelector: 'of=client' });
});

test('an informer sees each change once', async () => {
  const core = config.makeApiClient(CoreV1Api);
  const informer = makeInformer(
    config,
    `/api/v1/namespaces/${namespace}/configmaps`,
    () => core.listNamespacedConfigMap({ namespace, labelSelector: 'of=client' }),
    'of=client',
  );
  const seen: string[] = [];
  for (const verb of ['add', 'update', 'delete'] as const)
    informer.on(verb, (object) => void seen.push(`${verb} ${object.metadata!.name}`));
  await core.createNamespacedConfigMap({ namespace, body: map('before') });
  await informer.start();
  await core.createNamespacedConfigMap({ namespace, body: map('later') });
  await core.replaceNamespacedConfigMap({ name: 'later', namespace, body: map('later', { x: 'y' }) });
  await core.deleteNamespacedConfigMap({ name: 'before', namespace });
  await until('the deletion', () => seen.length === 4);
  assert.deepEqual(seen, ['add before', 'add later', 'update later', 'delete before']);
  await informer.stop();
});

test('a watch with bookmarks ends when it is told to', async () => {
  const core = config.makeApiClient(CoreV1Api);
  const types: string[] = [];
  const controller = await new Watch(config).watch(
    `/api/v1/namespaces/${namespace}/configmaps`,
    { sendInitialEvents: true, resourceVersionMatch: 'NotOlderThan', allowWatchBookmarks: true },
    (type) => void types.push(type),
    () => {},
  );
  await until('the first bookmark', () => types.includes('BOOKMARK'));
  await core.createNamespacedConfigMap({ namespace, body: map('watched') });
  await until('an event', () => types.at(-1) === 'ADDED');
  controller.abort();
});

test('workloads, custom resources, and objects of any kind', async () => {
  const apps = config.makeApiClient(AppsV1Api);
  const labels = { app: 'web' };
  await apps.createNamespacedDeployment({
    namespace,
    body: {
      metadata: { name: 'web' },
      spec: {
        replicas: 2,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'x' }] } },
      },
    },
  });
  const scale = await apps.readNamespacedDeploymentScale({ name: 'web', namespace });
  assert.equal(scale.spec!.replicas, 2);
  await config.makeApiClient(ApiextensionsV1Api).createCustomResourceDefinition({
    body: {
      metadata: { name: 'crons.example.com' },
      spec: {
        group: 'example.com',
        scope: 'Namespaced',
        names: { plural: 'crons', kind: 'Cron' },
        versions: [
          {
            name: 'v1',
            served: true,
            storage: true,
            schema: { openAPIV3Schema: { type: 'object', x_kubernetes_preserve_unknown_fields: true } },
          },
        ],
      },
    },
  });
  const custom = config.makeApiClient(CustomObjectsApi);
  const place = { group: 'example.com', version: 'v1', namespace, plural: 'crons' };
  const cron = { apiVersion: 'example.com/v1', kind: 'Cron', metadata: { name: 'nightly' }, spec: { at: 3 } };
  for (let tries = 0; ; tries++) {
    try {
      await custom.createNamespacedCustomObject({ ...place, body: cron });
      break;
    } catch (error) {
      if (tries > 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  const any = KubernetesObjectApi.makeApiClient(config);
  const read = await any.read({
    apiVersion: 'example.com/v1',
    kind: 'Cron',
    metadata: { name: 'nightly', namespace },
  });
  assert.deepEqual((read as unknown as typeof cron).spec, { at: 3 });
});
