import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { customResourceDefinitions } from '../../api/apiextensions/custom-resource-definition.ts';
import { startControlPlane } from '../../testing/control-plane.ts';
import { serveControlPlane } from '../../testing/https-server.ts';

const plane = await startControlPlane();
const https = await serveControlPlane(plane);
after(async () => {
  await https[Symbol.asyncDispose]();
  await plane.stop();
});
const crds = plane.client(customResourceDefinitions);
let next = 0;

/** A resource of this schema; resolves when it is served. */
async function define(properties: object, more: object = {}) {
  const plural = `things${next++}`;
  const kind = `${plural[0]!.toUpperCase()}${plural.slice(1)}`;
  const path = `/apis/example.com/v1/namespaces/default/${plural}`;
  const schema = (props: object) => ({ openAPIV3Schema: { type: 'object', properties: props } });
  await crds.create({
    metadata: { name: `${plural}.example.com` },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural, kind },
      versions: [{ name: 'v1', served: true, storage: true, schema: schema(properties), ...more }],
    },
  } as any);
  const ask = (method: string, at: string, body?: object, type = 'application/json') =>
    https.ask(path + at, { method, ...(body ? { body, headers: { 'content-type': type } } : {}) });
  while ((await ask('GET', '')).code === 404) await new Promise((resolve) => setTimeout(resolve, 2));
  return {
    ask,
    create: (name: string, fields: object) => ask('POST', '', { metadata: { name }, ...fields }),
    merge: (name: string, patch: object, sub = '') =>
      ask('PATCH', `/${name}${sub}`, patch, 'application/merge-patch+json'),
    /** Changes the schema; resolves when it counts. */
    async change(changed: object) {
      const { server } = plane;
      const served = () => server.registry.scheme.resource('example.com', 'v1', plural)!.kind;
      const before = served();
      const value = schema(changed);
      await crds.patch(`${plural}.example.com`, [{ op: 'replace', path: '/spec/versions/0/schema', value }], {
        type: 'json',
      });
      while (served() === before) await new Promise((resolve) => setTimeout(resolve, 2));
    },
  };
}
const text = { type: 'string' };
const object = (properties: object, more: object = {}) => ({ type: 'object', properties, ...more });

test('what does not change may go on breaking rules that came later', async () => {
  const rule = { rule: "self == 'good'", message: 'be good' };
  const things = await define({
    spec: object({ a: text, b: text, c: text }),
    list: { type: 'array', items: text },
  });
  assert.equal((await things.create('x', { spec: { a: 'bad', b: 'x' }, list: ['long', 'short'] })).code, 201);
  await things.change({
    spec: object({
      a: { ...text, 'x-kubernetes-validations': [rule] },
      b: { ...text, enum: ['y', 'z'] },
      c: { ...text, maxLength: 3 },
    }),
    list: { type: 'array', items: { ...text, maxLength: 4 } },
  });
  assert.equal((await things.merge('x', { metadata: { labels: { a: 'b' } } })).code, 200);
  assert.equal((await things.merge('x', { spec: { c: 'new' } })).code, 200);
  const changed = await things.merge('x', { spec: { c: 'longer' } });
  assert.match(changed.json.message, /spec\.c: Too long/);
  assert.doesNotMatch(changed.json.message, /spec\.b/);
  assert.match((await things.merge('x', { spec: { b: 'q' } })).json.message, /spec\.b: Unsupported value/);
  assert.match((await things.merge('x', { spec: { a: 'worse' } })).json.message, /be good/);
  // Which element of a plain list is which cannot be told.
  assert.match((await things.merge('x', { list: ['short', 'long'] })).json.message, /list\[0\]: Too long/);
  assert.equal((await things.create('y', { spec: { a: 'bad' } })).code, 422);
});

test('lists that were wrong before may stay so', async () => {
  const list = (more: object = {}) => ({ list: { type: 'array', items: text, ...more }, other: text });
  const things = await define(list());
  await things.create('x', { list: ['a', 'a'] });
  await things.create('y', { list: ['a'] });
  await things.change(list({ 'x-kubernetes-list-type': 'set' }));
  assert.equal((await things.merge('x', { other: 'o' })).code, 200);
  const wrong = await things.merge('y', { list: ['a', 'b', 'a', 'a'] });
  assert.match(wrong.json.message, /: list\[2\]: Duplicate value: "a"$/);
});

test('defaults of a later schema are there when it is read, and stored when it is written', async () => {
  const things = await define({ spec: object({ a: text }) });
  const { json: made } = await things.create('x', { spec: { a: '1' } });
  await things.change({ spec: object({ a: text, b: { ...text, default: 'dflt' } }) });
  const read = (await things.ask('GET', '/x')).json;
  assert.deepEqual([read.spec.b, read.metadata.resourceVersion], ['dflt', made.metadata.resourceVersion]);
  assert.equal((await things.ask('GET', '')).json.items[0].spec.b, 'dflt');
  const put = (await things.ask('PUT', '/x', read)).json;
  assert.notEqual(put.metadata.resourceVersion, made.metadata.resourceVersion);
  assert.equal(
    (await things.ask('PUT', '/x', put)).json.metadata.resourceVersion,
    put.metadata.resourceVersion,
  );
  await things.change({ spec: object({ b: text }) });
  assert.deepEqual((await things.ask('GET', '/x')).json.spec, { b: 'dflt' }, 'what is gone is pruned');
});

test('embedded resources say what they are, and keep no strange metadata', async () => {
  const things = await define({
    template: object(
      {},
      { 'x-kubernetes-embedded-resource': true, 'x-kubernetes-preserve-unknown-fields': true },
    ),
  });
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', odd: 1 }, spec: { any: 1 } };
  const { json } = await things.create('x', { template: pod });
  assert.deepEqual(json.template, { ...pod, metadata: { name: 'p' } });
  const bad = await things.create('y', { template: { kind: 'a b', metadata: { labels: { 'a b': 'c' } } } });
  for (const expected of [
    'template.apiVersion: Required value: must not be empty',
    'template.kind: Invalid value: "a b": may have mixed case',
    'template.metadata.labels: Invalid value: "a b"',
  ])
    assert.ok(bad.json.message.includes(expected), bad.json.message);
});

test('an update says which version it is of; the status is a part of its own', async () => {
  const status = object({ n: { type: 'integer', maximum: 5 } });
  const things = await define(
    { spec: object({ a: text, n: { type: 'integer' } }), data: text, status },
    {
      subresources: {
        status: {},
        scale: { specReplicasPath: '.spec.n', statusReplicasPath: '.status.n' },
      },
    },
  );
  const made = (await things.create('x', { spec: { n: 1 }, status: { n: 9 } })).json;
  assert.deepEqual([made.status, made.metadata.generation], [undefined, 1]);
  const { resourceVersion: _, ...unversioned } = made.metadata;
  const put = await things.ask('PUT', '/x', { ...made, metadata: unversioned });
  assert.match(
    put.json.message,
    /metadata\.resourceVersion: Invalid value: 0x0: must be specified for an update$/,
  );
  assert.equal((await things.merge('x', { data: 'more' })).json.metadata.generation, 2);
  const stated = await things.merge('x', { status: { n: 2 }, metadata: { labels: { no: 'no' } } }, '/status');
  assert.deepEqual(
    [stated.json.status, stated.json.metadata.generation, stated.json.metadata.labels],
    [{ n: 2 }, 2, undefined],
  );
  assert.match(
    (await things.merge('x', { status: { n: 6 } }, '/status')).json.message,
    /status\.n: Invalid value: 6: status\.n in body should be less than or equal to 5/,
  );
  assert.match(
    (await things.merge('x', { spec: { n: -1 } })).json.message,
    /\.spec\.n: Invalid value: -1: should be a non-negative integer/,
  );
  const scaled = await things.ask('PUT', '/x/scale', { spec: { replicas: 3 } });
  assert.deepEqual([scaled.code, scaled.json.spec.replicas], [200, 3]);
});
