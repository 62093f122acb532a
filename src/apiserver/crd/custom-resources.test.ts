import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { customResourceDefinitions } from '../../api/apiextensions/custom-resource-definition.ts';
import type { CustomResourceDefinition } from '../../api/apiextensions/v1.gen.ts';
import { startControlPlane } from '../../testing/control-plane.ts';
import { refused } from '../../testing/expect.ts';
import { serveControlPlane } from '../../testing/https-server.ts';

const plane = await startControlPlane();
const https = await serveControlPlane(plane);
after(async () => {
  await https[Symbol.asyncDispose]();
  await plane.stop();
});
const crds = plane.client(customResourceDefinitions);
const spec = {
  type: 'object',
  properties: {
    size: { type: 'integer', minimum: 1, default: 3 },
    color: { type: 'string', enum: ['red', 'blue'] },
  },
  'x-kubernetes-validations': [
    { rule: "self.color != 'red' || self.size < 10", message: 'red ones are small' },
    { rule: 'self.size >= oldSelf.size', message: 'they only grow' },
  ],
};
const schema = (more: object = {}) => ({
  openAPIV3Schema: {
    type: 'object',
    properties: {
      spec,
      status: { type: 'object', properties: { replicas: { type: 'integer' }, selector: { type: 'string' } } },
      ...more,
    },
  },
});
const version = (name: string, more: object = {}): any => ({
  name,
  served: true,
  storage: true,
  schema: schema(),
  subresources: {
    status: {},
    scale: {
      specReplicasPath: '.spec.size',
      statusReplicasPath: '.status.replicas',
      labelSelectorPath: '.status.selector',
    },
  },
  additionalPrinterColumns: [
    { name: 'Size', type: 'integer', jsonPath: '.spec.size' },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
  ],
  ...more,
});
const definition = (plural: string, kind: string, versions: any[] = [version('v1')]): any => ({
  metadata: { name: `${plural}.example.com` },
  spec: {
    group: 'example.com',
    scope: 'Namespaced',
    names: { plural, kind, singular: kind.toLowerCase(), shortNames: [plural.slice(0, 3)] },
    versions,
  },
});

/** Waits until the newest definition is as `is` wants it. */
async function until(name: string, is: (crd: CustomResourceDefinition) => boolean) {
  for (let i = 0; i < 200; i++) {
    const crd = await crds.get(`${name}.example.com`);
    if (is(crd)) return crd;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.fail(`${name} did not become so: ${JSON.stringify((await crds.get(`${name}.example.com`)).status)}`);
}
const condition = (crd: CustomResourceDefinition, type: string) =>
  crd.status?.conditions?.find((c) => c.type === type)?.status;
const established = (name: string) => until(name, (crd) => condition(crd, 'Established') === 'True');
const at = (plural: string, name = '', v = 'v1') =>
  `/apis/example.com/${v}/namespaces/default/${plural}${name ? `/${name}` : ''}`;
const send = (path: string, method: string, body: object, type = 'application/json') =>
  https.ask(path, { method, body, headers: { 'content-type': type } });
const merge = (path: string, body: object) => send(path, 'PATCH', body, 'application/merge-patch+json');

test('served a moment after it is defined, by all names', async () => {
  await crds.create(definition('widgets', 'Widget'));
  const crd = await established('widgets');
  assert.equal(condition(crd, 'NamesAccepted'), 'True');
  assert.deepEqual(crd.status!.storedVersions, ['v1']);
  assert.equal(crd.status!.acceptedNames!.listKind, 'WidgetList');
  const found = (await https.ask('/apis/example.com/v1')).json.resources;
  assert.deepEqual(
    found.map((r: any) => r.name),
    ['widgets', 'widgets/status', 'widgets/scale'],
  );
  const made = await send(at('widgets'), 'POST', { metadata: { name: 'a' }, spec: { color: 'red', odd: 1 } });
  assert.equal(made.code, 201, made.text);
  assert.deepEqual(made.json.spec, { color: 'red', size: 3 });
  assert.equal(made.json.metadata.generation, 1);
  assert.match(String(made.headers.warning), /unknown field \\"spec.odd\\"/);
  const list = (await https.ask(at('widgets'))).json;
  assert.deepEqual([list.kind, list.items.length], ['WidgetList', 1]);
});

test('what breaks the schema or its rules', async () => {
  const wrong = async (body: object, message: string, path = at('widgets'), method = 'POST') => {
    const answer = await send(
      path,
      method,
      body,
      method === 'PATCH' ? 'application/merge-patch+json' : undefined,
    );
    assert.equal(answer.code, 422, answer.text);
    assert.ok(answer.json.message.includes(message), answer.json.message);
  };
  await wrong({ metadata: { name: 'b' }, spec: { size: 0 } }, 'spec.size');
  await wrong({ metadata: { name: 'b' }, spec: { color: 'green' } }, 'Unsupported value: "green"');
  await wrong({ metadata: { name: 'b' }, spec: { size: 'big' } }, 'spec.size');
  await wrong({ metadata: { name: 'b' }, spec: { size: 12, color: 'red' } }, 'red ones are small');
  await wrong({ spec: { size: 2 } }, 'they only grow', at('widgets', 'a'), 'PATCH');
  await wrong({ status: { replicas: 'many' } }, 'status.replicas', `${at('widgets', 'a')}/status`, 'PATCH');
  const bad = await send(at('widgets'), 'POST', { metadata: { name: 'b', labels: { a: 1 } }, spec: {} });
  assert.equal(bad.code, 400);
  const strategic = await send(at('widgets', 'a'), 'PATCH', {}, 'application/strategic-merge-patch+json');
  assert.equal(strategic.code, 415);
});

test('status, scale, columns and apply', async () => {
  const status = await merge(`${at('widgets', 'a')}/status`, {
    status: { replicas: 2, selector: 'a=b' },
    spec: { size: 9 },
  });
  assert.deepEqual([status.json.spec.size, status.json.status.replicas], [3, 2]);
  assert.equal(status.json.metadata.generation, 1);
  const main = await merge(at('widgets', 'a'), { status: { replicas: 7 }, spec: { size: 4 } });
  assert.deepEqual(
    [main.json.spec.size, main.json.status.replicas, main.json.metadata.generation],
    [4, 2, 2],
  );
  const scale = (await https.ask(`${at('widgets', 'a')}/scale`)).json;
  assert.deepEqual([scale.spec.replicas, scale.status], [4, { replicas: 2, selector: 'a=b' }]);
  await merge(`${at('widgets', 'a')}/scale`, { spec: { replicas: 5 } });
  const table = (
    await https.ask(at('widgets'), { headers: { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' } })
  ).json;
  assert.deepEqual(
    table.columnDefinitions.map((c: any) => c.name),
    ['Name', 'Size', 'Age'],
  );
  assert.deepEqual(table.rows[0].cells.slice(0, 2), ['a', 5]);
  const body = { apiVersion: 'example.com/v1', kind: 'Widget', metadata: { name: 'app' }, spec: { size: 6 } };
  const applied = await send(
    `${at('widgets', 'app')}?fieldManager=m`,
    'PATCH',
    body,
    'application/apply-patch+yaml',
  );
  assert.equal(applied.code, 201, applied.text);
  const conflict = await send(
    `${at('widgets', 'app')}?fieldManager=n`,
    'PATCH',
    { ...body, spec: { size: 7 } },
    'application/apply-patch+yaml',
  );
  assert.equal(conflict.code, 409);
});

test('a change of the schema counts at once for what comes', async () => {
  await crds.patch(
    'widgets.example.com',
    [
      {
        op: 'add',
        path: '/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/extra',
        value: { type: 'string', default: 'x' },
      },
    ],
    { type: 'json' },
  );
  for (let i = 0; ; i++) {
    const made = await send(`${at('widgets')}?dryRun=All`, 'POST', { metadata: { name: 'c' }, spec: {} });
    if (made.json.spec.extra === 'x') break;
    assert.ok(i < 100);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const openapi = (await https.ask('/openapi/v3/apis/example.com/v1')).text;
  assert.match(openapi, /"extra"/);
});

test('several versions: one is stored, all are served', async () => {
  await crds.create(
    definition('gears', 'Gear', [
      version('v1'),
      version('v2', { storage: false }),
      version('v3', { storage: false, served: false }),
    ]),
  );
  await established('gears');
  assert.equal(
    (await send(at('gears', '', 'v2'), 'POST', { metadata: { name: 'g' }, spec: { size: 4 } })).code,
    201,
  );
  const one = (await https.ask(at('gears', 'g'))).json;
  const two = (await https.ask(at('gears', 'g', 'v2'))).json;
  assert.deepEqual([one.apiVersion, two.apiVersion], ['example.com/v1', 'example.com/v2']);
  assert.equal(one.metadata.uid, two.metadata.uid);
  assert.equal((await https.ask(at('gears', 'g', 'v3'))).code, 404);
  assert.equal(
    (await https.ask(at('gears', '', 'v2'))).json.items[0].apiVersion ?? 'example.com/v2',
    'example.com/v2',
  );

  await crds.patch(
    'gears.example.com',
    [
      { op: 'replace', path: '/spec/versions/0/storage', value: false },
      { op: 'replace', path: '/spec/versions/1/storage', value: true },
    ],
    { type: 'json' },
  );
  const crd = await until('gears', (c) => c.status!.storedVersions!.length === 2);
  assert.deepEqual(crd.status!.storedVersions, ['v1', 'v2']);
  await send(at('gears'), 'POST', { metadata: { name: 'h' }, spec: {} });
  for (const v of ['v1', 'v2'])
    for (const name of ['g', 'h'])
      assert.equal((await https.ask(at('gears', name, v))).json.apiVersion, `example.com/${v}`);
});

test('versions that are deprecated say so', async () => {
  const old = { storage: false, deprecated: true };
  await crds.create(
    definition('relics', 'Relic', [
      version('v2'),
      version('v1', old),
      version('v1beta1', { ...old, deprecationWarning: 'go "away"' }),
    ]),
  );
  await established('relics');
  const warned = async (v: string) => (await https.ask(at('relics', '', v))).headers.warning;
  assert.equal(await warned('v2'), undefined);
  assert.equal(await warned('v1'), '299 - "example.com/v1 Relic is deprecated; use example.com/v2 Relic"');
  assert.equal(await warned('v1beta1'), '299 - "go \\"away\\""');
  const finalized = { metadata: { name: 'f', finalizers: ['plain'] } };
  const { headers } = await send(at('relics', '', 'v2'), 'POST', finalized);
  assert.match(
    String(headers.warning),
    /metadata\.finalizers: \\"plain\\": prefer a domain-qualified finalizer name/,
  );
});

test('columns show what is of their type; groups of the project need an approval', async () => {
  const column = (name: string, type: string) => ({ name, type, jsonPath: `.data.${name}` });
  const shown = ['string', 'integer', 'number', 'boolean', 'date'].map((type) => column(type, type));
  const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
  const crd = definition('shows', 'Show', [version('v1', { schema, additionalPrinterColumns: shown })]);
  crd.metadata = {
    name: 'shows.test.k8s.io',
    annotations: { 'api-approved.kubernetes.io': 'unapproved, a test' },
  };
  crd.spec.group = 'test.k8s.io';
  await crds.create(crd);
  const path = '/apis/test.k8s.io/v1/namespaces/default/shows';
  for (let i = 0; (await https.ask(path)).code === 404; i++) assert.ok(i < 100);
  const rows: object[] = [
    { string: { a: 1 }, integer: 1.5, number: 1.5, boolean: true, date: 'x' },
    { string: 7, integer: '1', number: true, boolean: 1, date: 3 },
    {},
  ];
  for (const [i, data] of rows.entries()) await send(path, 'POST', { metadata: { name: `r${i}` }, data });
  const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io';
  const table = (await https.ask(path, { headers: { accept } })).json;
  assert.deepEqual(
    table.rows.map((r: any) => r.cells),
    [
      ['r0', '{"a":1}', 1, 1.5, true, '<invalid>'],
      ['r1', '7', null, null, null, null],
      ['r2', null, null, null, null, null],
    ],
  );
  const approval = async () =>
    (await crds.get('shows.test.k8s.io')).status?.conditions?.find(
      (c) => c.type === 'KubernetesAPIApprovalPolicyConformant',
    );
  assert.deepEqual(
    [(await approval())!.status, (await approval())!.reason],
    ['False', 'UnapprovedAnnotation'],
  );
  await crds.patch('shows.test.k8s.io', {
    metadata: { annotations: { 'api-approved.kubernetes.io': 'https://example.com/1' } },
  });
  for (let i = 0; (await approval())!.status !== 'True'; i++) assert.ok(i < 100);
});

test('names that another definition has', async () => {
  await crds.create(definition('widgetz', 'Widget'));
  const crd = await until('widgetz', (c) => condition(c, 'NamesAccepted') === 'False');
  assert.equal(condition(crd, 'Established'), 'False');
  assert.equal((await https.ask(at('widgetz'))).code, 404);
});

test('a definition that goes takes its objects with it, those with finalizers last', async () => {
  await merge(at('widgets', 'app'), { metadata: { finalizers: ['example.com/hold'] } });
  await crds.delete('widgets.example.com');
  const crd = await until('widgets', (c) => condition(c, 'Terminating') === 'True');
  assert.ok(crd.metadata.deletionTimestamp);
  for (let i = 0; (await https.ask(at('widgets', 'a'))).code !== 404; i++) assert.ok(i < 100);
  const held = (await https.ask(at('widgets', 'app'))).json;
  assert.ok(held.metadata.deletionTimestamp);
  const late = await send(at('widgets'), 'POST', { metadata: { name: 'late' } });
  assert.deepEqual(
    [late.code, late.json.message],
    [405, 'create not allowed while custom resource definition is terminating'],
  );
  await merge(at('widgets', 'app'), { metadata: { finalizers: null } });
  for (let i = 0; (await https.ask(at('widgets'))).code !== 404; i++) assert.ok(i < 100);
  await refused(crds.get('widgets.example.com'), 404);
  await established('widgetz');
  await crds.delete('widgetz.example.com');
  assert.ok(
    !(await https.ask('/apis/example.com/v1')).json.resources?.some((r: any) => r.name === 'widgets'),
  );
  const again = definition('widgets', 'Widget', [
    version('v1', {
      schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
    }),
  ]);
  for (let i = 0; (await https.ask(at('widgetz'))).code !== 404; i++) assert.ok(i < 100);
  await crds.create(again);
  await established('widgets');
  const made = await send(at('widgets'), 'POST', {
    metadata: { name: 'a' },
    spec: { anything: { goes: true } },
  });
  assert.deepEqual(made.json.spec, { anything: { goes: true } });
});
