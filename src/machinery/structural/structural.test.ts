import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JSONSchema } from '../apply/openapi-schema.ts';
import { field } from '../status.ts';
import { customSchema } from './custom-schema.ts';
import { applyDefaults, hasDefaults } from './defaults.ts';
import { ruleErrors } from './rule-checks.ts';
import { validateLists, validateSchema } from './validate.ts';

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
const errors = (spec: any) => {
  const object = { metadata: { name: 'a' }, spec };
  const found = [...validateSchema(object, schema), ...validateLists(object, schema)];
  return found.map((e) => `${e.field}: ${e.message}`);
};

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

const ruled: JSONSchema = {
  type: 'object',
  properties: {
    spec: {
      type: 'object',
      'x-kubernetes-validations': [
        { rule: 'self.minReplicas <= self.replicas', message: 'replicas should be at least minReplicas' },
        {
          rule: 'self.replicas <= self.maxReplicas',
          messageExpression: "'at most ' + string(self.maxReplicas)",
          fieldPath: '.replicas',
        },
      ],
      properties: {
        minReplicas: { type: 'integer', default: 0 },
        replicas: { type: 'integer', default: 1 },
        maxReplicas: { type: 'integer', default: 5 },
        fixed: { type: 'string', 'x-kubernetes-validations': [{ rule: 'self == oldSelf' }] },
        until: {
          type: 'string',
          format: 'date-time',
          'x-kubernetes-validations': [{ rule: "self > timestamp('2026-01-01T00:00:00Z')" }],
        },
        list: {
          type: 'array',
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['name'],
          items: {
            type: 'object',
            properties: {
              name: { type: 'string' },
              size: { type: 'integer', 'x-kubernetes-validations': [{ rule: 'self >= oldSelf' }] },
            },
          },
        },
      },
    },
  },
};
const base = {
  'meta.v1.ObjectMeta': {
    fields: { name: { t: 'string' }, labels: { t: ['map', 'string'] as ['map', string] } },
  },
};

test('a custom resource is pruned, defaulted, and held against its rules', () => {
  const custom = customSchema(ruled, 'x', base);
  const make = (spec: any) => {
    const object: any = { apiVersion: 'a/v1', kind: 'K', metadata: { name: 'a', labels: { l: '1' } }, spec };
    custom.applyDefaults(object);
    return object;
  };
  const why = (spec: any, old?: any) =>
    custom.validate(make(spec), old && make(old)).map((e) => `${e.field}: ${e.message}`);
  const object = make({ typo: 1 });
  assert.deepEqual(custom.prune(object), ['spec.typo']);
  assert.deepEqual(object.spec, { minReplicas: 0, replicas: 1, maxReplicas: 5 });
  assert.deepEqual(why({ replicas: 3 }), []);
  assert.deepEqual(why({ minReplicas: 2 }), ['spec: Invalid value: replicas should be at least minReplicas']);
  assert.deepEqual(why({ replicas: 9 }), ['spec.replicas: Invalid value: at most 5']);
  assert.deepEqual(why({ fixed: 'a' }), []);
  assert.deepEqual(why({ fixed: 'b' }, { fixed: 'a' }), [
    'spec.fixed: Invalid value: "b": failed rule: self == oldSelf',
  ]);
  assert.deepEqual(why({ until: '2025-01-01T00:00:00Z' }).length, 1);
  const list = (size: number) => ({ list: [{ name: 'other' }, { name: 'a', size }] });
  assert.deepEqual(why(list(1), { list: [{ name: 'a', size: 2 }] }), [
    'spec.list[1].size: Invalid value: 1: failed rule: self >= oldSelf',
  ]);
  assert.deepEqual(why(list(3), list(2)), []);
});

test('rules that cannot be compiled are found in the schema', () => {
  const broken: JSONSchema = {
    type: 'object',
    properties: { a: { type: 'string', 'x-kubernetes-validations': [{ rule: 'self ==' }] } },
  };
  const [error] = ruleErrors(broken, field('schema'));
  assert.equal(error!.field, 'schema.properties[a].x-kubernetes-validations[0].rule');
  assert.match(error!.message, /compilation failed: ERROR: <input>:1:8/);
});
