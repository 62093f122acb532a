import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { customResourceDefinitions } from '../../api/apiextensions/custom-resource-definition.ts';
import { type ControlPlane, startControlPlane } from '../../testing/control-plane.ts';
import { type HttpsPlane, serveControlPlane } from '../../testing/https-server.ts';
import { type HookServer, hookServer } from '../webhooks/server-fixtures.ts';

let plane: ControlPlane;
let https: HttpsPlane;
let hooks: HookServer;
/** What the webhook does beside what it should. */
let spoil: (object: any) => void = () => {};
let respond: ((review: any) => object | number) | undefined;

/** v1 has `hostPort: 'a:1'`, v2 `host: 'a', port: '1'`. */
function convert(object: any, apiVersion: string): any {
  const { hostPort, host, port, ...rest } = object;
  const parts = hostPort ? hostPort.split(':') : [host, port];
  const fields = apiVersion.endsWith('v2')
    ? { host: parts[0], port: parts[1] }
    : { hostPort: parts.join(':') };
  const converted = { ...structuredClone(rest), ...fields, apiVersion };
  converted.metadata.annotations = {
    ...converted.metadata.annotations,
    [`to-${apiVersion.slice(-2)}`]: 'yes',
  };
  converted.metadata.finalizers = ['not/allowed'];
  spoil(converted);
  return converted;
}

before(async () => {
  plane = await startControlPlane();
  https = await serveControlPlane(plane);
  hooks = await hookServer({
    '/convert': (review) => {
      if (respond) return respond(review);
      const { uid, desiredAPIVersion, objects } = review.request;
      const convertedObjects = objects.map((o: any) => convert(o, desiredAPIVersion));
      const { kind, apiVersion } = review;
      return { kind, apiVersion, response: { uid, convertedObjects, result: { status: 'Success' } } };
    },
  });
  const schema = (properties: object) => ({
    openAPIV3Schema: {
      type: 'object',
      properties: { ...properties, spec: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
    },
  });
  const text = { type: 'string' };
  await plane.client(customResourceDefinitions).create({
    metadata: { name: 'hosts.example.com' },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural: 'hosts', kind: 'Host' },
      versions: [
        { name: 'v1', served: true, storage: true, schema: schema({ hostPort: text }) },
        {
          ...{ name: 'v2', served: true, storage: false, schema: schema({ host: text, port: text }) },
          selectableFields: [{ jsonPath: '.host' }],
        },
      ],
      conversion: {
        strategy: 'Webhook',
        webhook: { clientConfig: hooks.at('/convert'), conversionReviewVersions: ['v1', 'v1beta1'] },
      },
    },
  } as any);
});
after(async () => {
  await hooks[Symbol.asyncDispose]();
  await https[Symbol.asyncDispose]();
  await plane.stop();
});
beforeEach(() => {
  hooks.seen.splice(0);
  spoil = () => {};
  respond = undefined;
});

const at = (version: string, name = '') =>
  `/apis/example.com/${version}/namespaces/default/hosts${name && `/${name}`}`;
const send = async (method: string, path: string, body?: object, type = 'application/json') => {
  for (let tries = 0; ; tries++) {
    const answer = await https.ask(path, {
      method,
      ...(body ? { body: JSON.stringify(body), headers: { 'content-type': type } } : {}),
    });
    // Definitions are served a moment after they are written.
    if (answer.code !== 404 || tries > 100 || method === 'GET') return answer;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};
const host = (version: string, name: string, fields: object): any => ({
  ...{ apiVersion: `example.com/${version}`, kind: 'Host', metadata: { name }, ...fields },
});

test('each client sees the version that it asks for, whatever is stored', async () => {
  assert.equal((await send('POST', at('v1'), host('v1', 'a', { hostPort: 'one:1' }))).code, 201);
  assert.equal(hooks.seen.length, 0, 'the stored version needs nobody');
  const { json: two } = await https.ask(at('v2', 'a'));
  assert.deepEqual(
    [two.apiVersion, two.host, two.port, two.hostPort],
    ['example.com/v2', 'one', '1', undefined],
  );
  assert.deepEqual([two.metadata.annotations, two.metadata.finalizers], [{ 'to-v2': 'yes' }, undefined]);
  const { review } = hooks.seen[0]!;
  assert.deepEqual(
    [review.apiVersion, review.request.desiredAPIVersion, review.request.objects[0].hostPort],
    ['apiextensions.k8s.io/v1', 'example.com/v2', 'one:1'],
  );

  const made = await send('POST', at('v2'), host('v2', 'b', { host: 'two', port: '2', gone: 1 }));
  assert.deepEqual([made.code, made.json.host, made.json.gone], [201, 'two', undefined]);
  assert.equal((await https.ask(at('v1', 'b'))).json.hostPort, 'two:2');

  hooks.seen.splice(0);
  const { json: list } = await https.ask(at('v2'));
  assert.deepEqual(
    list.items.map((o: any) => o.host),
    ['one', 'two'],
  );
  assert.equal(hooks.seen.length, 0, 'what was converted once is known');
  const { json: chosen } = await https.ask(`${at('v2')}?fieldSelector=host%3Dtwo`);
  assert.deepEqual(
    chosen.items.map((o: any) => o.metadata.name),
    ['b'],
  );
});

test('updates, patches and apply in a version that is not stored', async () => {
  const path = at('v2', 'b');
  const patched = await send('PATCH', path, { port: '3' }, 'application/merge-patch+json');
  assert.deepEqual([patched.code, patched.json.port], [200, '3']);
  assert.equal((await https.ask(at('v1', 'b'))).json.hostPort, 'two:3');
  const put = await send('PUT', path, { ...patched.json, host: 'three' });
  assert.deepEqual([put.code, put.json.host, put.json.port], [200, 'three', '3']);
  const applied = host('v2', 'b', { host: 'three', port: '4' });
  const conflict = await send('PATCH', `${path}?fieldManager=me`, applied, 'application/apply-patch+yaml');
  assert.equal(conflict.code, 409, conflict.text);
  const forced = await send(
    'PATCH',
    `${path}?fieldManager=me&force=true`,
    applied,
    'application/apply-patch+yaml',
  );
  assert.deepEqual([forced.code, forced.json.port], [200, '4'], forced.text);
  const { json: one } = await https.ask(at('v1', 'b'));
  assert.deepEqual(
    [one.hostPort, one.metadata.managedFields.find((m: any) => m.manager === 'me').apiVersion],
    ['three:4', 'example.com/v2'],
  );
});

test('watches in order', async () => {
  const seen: string[] = [];
  const done = https.ask(`${at('v2')}?watch=1&timeoutSeconds=20`, {
    onData(text) {
      for (const line of text.trim().split('\n')) {
        const { type, object } = JSON.parse(line);
        seen.push(`${type} ${object.metadata.name} ${object.apiVersion} ${object.port}`);
      }
      return seen.some((line) => line.startsWith('DELETED'));
    },
  });
  while (seen.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  await send('POST', at('v1'), host('v1', 'w', { hostPort: 'w:1' }));
  for (let i = 2; i < 5; i++)
    await send('PATCH', at('v1', 'w'), { hostPort: `w:${i}` }, 'application/merge-patch+json');
  await send('DELETE', at('v1', 'w'));
  await done;
  const v2 = 'example.com/v2';
  assert.deepEqual(seen, [
    ...[`ADDED a ${v2} 1`, `ADDED b ${v2} 4`, `ADDED w ${v2} 1`],
    ...[2, 3, 4].map((n) => `MODIFIED w ${v2} ${n}`),
    `DELETED w ${v2} 4`,
  ]);
});

test('what a webhook may not do', async () => {
  await send('POST', at('v1'), host('v1', 'bad', { hostPort: 'x:1' }));
  const failed = async (): Promise<string> => {
    const { code, json } = await https.ask(at('v2', 'bad'));
    assert.equal(code, 500);
    return json.message;
  };
  const who = 'Internal error occurred: conversion webhook for example.com/v1, Kind=Host';
  spoil = (o) => (o.metadata.uid = 'x');
  assert.match(await failed(), /at index 0: must have the same UID: [\w-]+ != x$/);
  spoil = (o) => (o.kind = 'Other');
  assert.equal(
    await failed(),
    `${who} returned invalid converted object at index 0: invalid kind (expected Host, received Other)`,
  );
  spoil = (o) => (o.metadata.labels = { 'not a label!': 'x' });
  assert.match(
    await failed(),
    /returned invalid metadata in object at index 0: metadata\.labels: Invalid value/,
  );
  const base = ({ kind, apiVersion, request }: any, response: object) => ({
    ...{ kind, apiVersion, response: { uid: request.uid, result: { status: 'Success' }, ...response } },
  });
  respond = (review) => base(review, { result: { status: 'Failed', message: 'cannot' } });
  assert.equal(await failed(), `${who} failed: cannot`);
  respond = (review) => base(review, { convertedObjects: [] });
  assert.equal(await failed(), `${who} returned 0 objects, expected 1`);
  respond = (review) => base(review, { uid: 'x' });
  assert.match(await failed(), /failed: expected response.uid=".+", got "x"$/);
  respond = () => 503;
  assert.match(await failed(), /failed: the server is currently unable to handle the request$/);
  assert.equal((await https.ask(at('v2'))).code, 500, 'a list needs them all');
  const { text } = await https.ask(`${at('v2')}?watch=1&timeoutSeconds=5`);
  assert.equal(JSON.parse(text.trim().split('\n').at(-1)!).type, 'ERROR');
  respond = undefined;
  spoil = () => {};
  assert.equal((await https.ask(at('v2', 'bad'))).json.host, 'x', 'a failure is not kept');
});

test('another version becomes the stored one; what is stored stays until it is written', async () => {
  const crds = plane.client(customResourceDefinitions);
  let began!: () => void;
  const begun = new Promise<void>((resolve) => (began = resolve));
  const onData = () => void began();
  const watching = https.ask(`${at('v1')}?watch=1&timeoutSeconds=60`, { onData: onData as () => undefined });
  await begun;
  await crds.patch(
    'hosts.example.com',
    [
      { op: 'replace', path: '/spec/versions/0/storage', value: false },
      { op: 'replace', path: '/spec/versions/1/storage', value: true },
    ],
    { type: 'json' },
  );
  assert.equal((await watching).code, 200, 'watches end: those who watch shall see what is defined now');
  const { status } = await crds.get('hosts.example.com');
  assert.deepEqual(status!.storedVersions, ['v1', 'v2']);
  const stored = async (name: string) => {
    const key = `/registry/example.com/hosts/default/${name}`;
    const { kvs } = await plane.server.registry.store.range({ key, end: `${key}\0` });
    return JSON.parse(new TextDecoder().decode(kvs[0]!.value)).apiVersion;
  };
  for (
    let i = 0;
    (await send('POST', at('v2'), host('v2', `n${i}`, { host: 'n', port: '1' }))).code === 201;
    i++
  )
    if ((await stored(`n${i}`)) === 'example.com/v2') break;
  assert.equal(await stored('a'), 'example.com/v1');
  const { json: list } = await https.ask(at('v1'));
  assert.deepEqual(new Set(list.items.map((o: any) => o.apiVersion)), new Set(['example.com/v1']));
  assert.equal(list.items.find((o: any) => o.metadata.name === 'a').hostPort, 'one:1');
  const { json: one } = await https.ask(at('v2', 'a'));
  await send('PUT', at('v2', 'a'), one);
  assert.equal(await stored('a'), 'example.com/v2', 'a write that changes nothing else moves it');
  assert.equal((await send('DELETE', at('v1', 'b'))).code, 200);
});
