import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { customResourceDefinitions } from '../../api/apiextensions/custom-resource-definition.ts';
import type { Client } from '../../client/client.ts';
import { type ControlPlane, startControlPlane } from '../../testing/control-plane.ts';
import { refused } from '../../testing/expect.ts';
import { listen } from '../policies/fixtures.ts';

let plane: ControlPlane;
let client: Client;
before(async () => {
  plane = await startControlPlane();
  client = plane.client;
});
after(() => plane.stop());

const definition = (plural: string, spec: object) => ({
  metadata: { name: `${plural}.example.com` },
  spec: {
    group: 'example.com',
    scope: 'Cluster',
    names: { plural, kind: plural[0]!.toUpperCase() + plural.slice(1) },
    versions: [
      {
        ...{ name: 'v1', served: true, storage: true },
        schema: { openAPIV3Schema: { type: 'object', properties: { spec } } },
      },
    ],
  },
});
const define = (plural: string, spec: object) =>
  client(customResourceDefinitions).create(definition(plural, spec) as never);
const ruled = (rule: string, more: object = {}) => ({ 'x-kubernetes-validations': [{ rule, ...more }] });
const AT = 'spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-validations[0].rule';

test('a definition is refused when its rules do not compile, or could cost too much', async () => {
  const properties = { n: { type: 'integer' } };
  const untyped = await refused(define('bad', { type: 'object', properties, ...ruled('self.n > "1"') }), 422);
  assert.match(untyped.message, /found no matching overload for '_>_' applied to '\(int, string\)'/);
  assert.equal(untyped.status.details?.causes?.[0]?.field, AT);
  const items = { type: 'string' };
  const bomb = { type: 'array', items, ...ruled('self.all(x, self.all(y, x.contains(y)))') };
  const costly = await refused(define('bad', bomb), 422);
  assert.ok(
    costly.message.includes(
      `${AT}: Forbidden: estimated rule cost exceeds budget by factor of more than 100x`,
    ),
  );
});

test('an object that a later rule is against may stay; its writers are warned', async () => {
  await define('things', { type: 'object', properties: { a: { type: 'string' } } });
  const { kind } = plane.server.registry.scheme.kind('example.com/v1', 'Things')!;
  const heard = listen(plane.server.registry.admission);
  await client(kind).create({ metadata: { name: 't' }, spec: { a: 'bad' } });
  const changed = definition('things', {
    type: 'object',
    properties: { a: { type: 'string', ...ruled("self == 'good'", { message: 'be good' }) } },
  });
  await client(customResourceDefinitions).patch('things.example.com', { spec: changed.spec });
  const now = () => plane.server.registry.scheme.kind('example.com/v1', 'Things')!.kind;
  while (now() === kind) await new Promise((resolve) => setTimeout(resolve, 2));
  await client(now()).patch('t', { metadata: { labels: { a: 'b' } } });
  assert.deepEqual(heard.warnings, ['spec.a: Invalid value: "bad": be good']);
  await refused(
    client(now()).patch('t', { spec: { a: 'worse' } }),
    422,
    'spec.a: Invalid value: "worse": be good',
  );
});
