import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JSONSchema } from '../apply/openapi-schema.ts';
import { applyDefaults, hasDefaults } from './defaults.ts';
import { validateSchema } from './validate.ts';

const schema: JSONSchema = {
  type: 'object',
  required: ['spec'],
  properties: {
    spec: {
      type: 'object',
      required: ['cronSpec'],
      properties: {
        cronSpec: { type: 'string', pattern: '^(\\d+|\\*)(/\\d+)?$', maxLength: 5 },
        replicas: { type: 'integer', minimum: 1, maximum: 10, default: 1 },
        mode: { type: 'string', enum: ['a', 'b'] },
        port: { 'x-kubernetes-int-or-string': true },
        when: { type: 'string', format: 'date-time' },
        list: {
          type: 'array',
          maxItems: 2,
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['name'],
          items: {
            type: 'object',
            properties: { name: { type: 'string' }, size: { type: 'integer', default: 3 } },
          },
        },
        byName: { type: 'object', additionalProperties: { type: 'integer' } },
        maybe: { type: 'string', nullable: true },
        one: { oneOf: [{ required: ['x'] }, { required: ['y'] }], type: 'object' },
      },
    },
  },
};
const errors = (spec: any) =>
  validateSchema({ metadata: { name: 'a' }, spec }, schema).map((e) => `${e.field}: ${e.message}`);

test('values are held against the schema, in the documented words', () => {
  assert.deepEqual(
    errors({ cronSpec: '*/5', replicas: 3, port: 'http', list: [{ name: 'a' }], maybe: null }),
    [],
  );
  assert.deepEqual(errors({}), ['spec.cronSpec: Required value']);
  assert.deepEqual(errors({ cronSpec: '* *' }), [
    `spec.cronSpec: Invalid value: "* *": spec.cronSpec in body should match '^(\\d+|\\*)(/\\d+)?$'`,
  ]);
  assert.deepEqual(errors({ cronSpec: '1', replicas: 11 }), [
    'spec.replicas: Invalid value: 11: spec.replicas in body should be less than or equal to 10',
  ]);
  assert.deepEqual(errors({ cronSpec: '1', replicas: 'x' }), [
    'spec.replicas: Invalid value: "string": spec.replicas in body must be of type integer: "string"',
  ]);
  assert.deepEqual(errors({ cronSpec: '1', mode: 'c' }), [
    'spec.mode: Unsupported value: "c": supported values: "a", "b"',
  ]);
  assert.deepEqual(errors({ cronSpec: '123456' }), ['spec.cronSpec: Too long: may not be more than 5 bytes']);
  assert.deepEqual(errors({ cronSpec: '1', when: 'noon' }), [
    'spec.when: Invalid value: "noon": spec.when in body must be of type date-time: "noon"',
  ]);
  assert.deepEqual(errors({ cronSpec: '1', byName: { a: 'x' } }).length, 1);
  assert.deepEqual(errors({ cronSpec: '1', list: [{ name: 'a' }, { name: 'a' }] }), [
    'spec.list[1]: Duplicate value: {"name":"a"}',
  ]);
  assert.deepEqual(
    errors({ cronSpec: '1', list: [{}, {}, {}] })[0],
    'spec.list: Too many: 3: must have at most 2 items',
  );
  assert.match(
    errors({ cronSpec: '1', one: {} })[0]!,
    /must validate one and only one schema \(oneOf\). Found none valid/,
  );
  assert.deepEqual(errors({ cronSpec: null }), [
    'spec.cronSpec: Invalid value: "null": spec.cronSpec in body must be of type string: "null"',
  ]);
});

test('defaults are filled in at every level', () => {
  const object: any = { spec: { cronSpec: '1', replicas: null, list: [{ name: 'a' }] } };
  applyDefaults(object, schema);
  assert.deepEqual(object.spec, { cronSpec: '1', replicas: 1, list: [{ name: 'a', size: 3 }] });
  assert.ok(hasDefaults(schema));
  const empty = {};
  applyDefaults(empty, schema);
  assert.deepEqual(empty, {});
});
