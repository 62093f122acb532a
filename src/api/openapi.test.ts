import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Kind } from '../machinery/kind.ts';
import { allKinds } from './all.ts';
import { buildV2, buildV3, openAPI } from './openapi.ts';
import { decodeOpenAPIV2 } from './openapi-protobuf.ts';

const cronTab: Kind = {
  group: 'stable.example.com',
  version: 'v1',
  kind: 'CronTab',
  plural: 'crontabs',
  singular: 'crontab',
  shortNames: [],
  categories: [],
  namespaced: true,
  verbs: ['get', 'list', 'create', 'update', 'patch', 'delete', 'deletecollection', 'watch'],
  subresources: { status: { kind: '//CronTab', verbs: ['get', 'patch', 'update'] } },
  type: '',
  rules: {},
  columns: [],
};
const schema = {
  type: 'object',
  properties: { spec: { type: 'object', properties: { when: { type: 'string' } } } },
};
const source = { kinds: allKinds, custom: [{ kind: cronTab, schema }], version: 'v1.36.2' };

/** Every `$ref` of a document, resolved. */
function danglingRefs(doc: any): string[] {
  const found = new Set<string>();
  JSON.stringify(doc, (key, value) => {
    if (key === '$ref' && typeof value === 'string') {
      const target = value
        .slice(2)
        .split('/')
        .reduce((at: any, part: string) => at?.[part], doc);
      if (target === undefined) found.add(value);
    }
    return value;
  });
  return [...found];
}

test('version 2: every reference leads somewhere, and every served kind is defined', () => {
  const doc = buildV2(source);
  assert.deepEqual(danglingRefs(doc), []);
  const pod = doc.definitions['io.k8s.api.core.v1.Pod'];
  assert.deepEqual(pod['x-kubernetes-group-version-kind'], [{ group: '', kind: 'Pod', version: 'v1' }]);
  const containers = doc.definitions['io.k8s.api.core.v1.PodSpec'].properties.containers;
  assert.equal(containers['x-kubernetes-patch-merge-key'], 'name');
  assert.deepEqual(containers['x-kubernetes-list-map-keys'], ['name']);
  assert.equal(doc.definitions['io.k8s.apimachinery.pkg.apis.meta.v1.Time'].format, 'date-time');
  const ids = Object.values<any>(doc.paths).flatMap((path) =>
    ['get', 'put', 'post', 'patch', 'delete'].map((method) => path[method]?.operationId).filter(Boolean),
  );
  assert.equal(new Set(ids).size, ids.length);
  assert.ok(ids.includes('listCoreV1NamespacedPod') && ids.includes('listCoreV1PodForAllNamespaces'));
});

test('what kubectl looks for before it asks for a dry run: a patch of the kind with the parameter', () => {
  const doc = buildV3(source, 'apis/apps/v1')!;
  const { patch } = doc.paths['/apis/apps/v1/namespaces/{namespace}/deployments/{name}'];
  assert.deepEqual(patch['x-kubernetes-group-version-kind'], {
    group: 'apps',
    kind: 'Deployment',
    version: 'v1',
  });
  const names = patch.parameters.map((p: any) => p.name);
  for (const name of ['dryRun', 'fieldManager', 'fieldValidation', 'force'])
    assert.ok(names.includes(name), name);
  assert.equal(
    doc.paths['/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale'].get[
      'x-kubernetes-group-version-kind'
    ].kind,
    'Scale',
  );
});

test('version 3: a document for each group version, with all that it refers to', () => {
  const api = openAPI(source);
  const index = JSON.parse(new TextDecoder().decode(api.v3Index().bytes));
  assert.ok(index.paths['api/v1'] && index.paths['apis/stable.example.com/v1']);
  for (const gv of Object.keys(index.paths)) {
    const { bytes, etag } = api.v3(gv)!;
    assert.equal(index.paths[gv].serverRelativeURL, `/openapi/v3/${gv}?hash=${etag}`);
    assert.deepEqual(danglingRefs(JSON.parse(new TextDecoder().decode(bytes))), [], gv);
  }
  assert.equal(api.v3('apis/nothing/v1'), undefined);
  const crd = JSON.parse(new TextDecoder().decode(api.v3('apis/stable.example.com/v1')!.bytes));
  assert.equal(
    crd.components.schemas['com.example.stable.v1.CronTab'].properties.spec.properties.when.type,
    'string',
  );
});

test('protobuf of version 2 holds the same', () => {
  const doc = decodeOpenAPIV2(openAPI(source).v2Protobuf().bytes);
  assert.equal(doc.swagger, '2.0');
  const pod = doc.definitions.additionalProperties.find(
    (d: any) => d.name === 'io.k8s.api.core.v1.Pod',
  ).value;
  assert.match(pod.vendorExtension[0].value.yaml, /"kind":"Pod"/);
  const path = doc.paths.path.find((p: any) => p.name === '/api/v1/namespaces/{namespace}/pods/{name}').value;
  assert.ok(path.patch.parameters.some((p: any) => p.jsonReference?.ref === '#/parameters/fieldValidation'));
  const shared = doc.parameters.additionalProperties.map((p: any) => p.value.nonBodyParameter.query.name);
  assert.ok(shared.includes('fieldValidation'));
});

test('what is said of types and fields is published', () => {
  const texts = {
    V1Pod: { '': 'A pod.', spec: 'What is wanted.' },
    CoreV1Event: { '': 'An event of old.' },
    EventsV1Event: { '': 'A new event.' },
  };
  const core = buildV3({ ...source, texts: () => texts }, 'api/v1')!.components.schemas;
  assert.equal(core['io.k8s.api.core.v1.Pod'].description, 'A pod.');
  assert.equal(core['io.k8s.api.core.v1.Pod'].properties.spec.description, 'What is wanted.');
  assert.equal(core['io.k8s.api.core.v1.Event'].description, 'An event of old.');
  const events = buildV3({ ...source, texts: () => texts }, 'apis/events.k8s.io/v1')!.components.schemas;
  assert.equal(events['io.k8s.api.events.v1.Event'].description, 'A new event.');
  assert.match(core['io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta'].description, /every stored object/);
});

test('every patch of a kind understands fieldValidation: kubectl looks at any one of them', () => {
  for (const [path, item] of Object.entries<any>(buildV3(source, 'api/v1')!.paths)) {
    const { patch } = item;
    if (!patch) continue;
    const { kind } = patch['x-kubernetes-group-version-kind'];
    const names = patch.parameters?.map(({ name }: { name: string }) => name) ?? [];
    assert.ok(names.includes('fieldValidation') || kind.endsWith('ProxyOptions'), `${path}: ${kind}`);
  }
});
