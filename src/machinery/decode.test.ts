import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkFields } from './decode.ts';
import { duplicateKeys, parseJson } from './json.ts';
import type { SchemaTable } from './schema.ts';
import { parseYaml, parseYamlDocuments, toYaml } from './yaml.ts';

const schemas: SchemaTable = {
  Root: {
    fields: {
      s: { t: 'string' },
      n: { t: 'integer:int32' },
      big: { t: 'integer:int64' },
      b: { t: 'boolean' },
      q: { t: ['map', 'resource.Quantity'] },
      at: { t: 'meta.v1.Time' },
      micro: { t: 'meta.v1.MicroTime' },
      port: { t: 'intstr.IntOrString' },
      data: { t: ['map', 'string:byte'] },
      items: { t: ['array', 'core.v1.Item'] },
      raw: { t: 'Raw' },
    },
  },
  'core.v1.Item': {
    fields: { name: { t: 'string' }, args: { t: ['array', 'string'] }, count: { t: 'integer:int32' } },
  },
  Raw: { is: 'object' },
};

test('unknown fields are reported with their path, and go', () => {
  const object: any = {
    s: 'x',
    typo: 1,
    items: [{ name: 'a' }, { nam: 'b' }],
    raw: { any: { thing: null } },
  };
  assert.deepEqual(checkFields(object, 'Root', schemas), { unknown: ['typo', 'items[1].nam'], errors: [] });
  assert.deepEqual(object, { s: 'x', items: [{ name: 'a' }, {}], raw: { any: { thing: null } } });
  const kept = { typo: 1 };
  checkFields(kept, 'Root', schemas, { prune: false });
  assert.deepEqual(kept, { typo: 1 });
});

test('values are brought into stored form', () => {
  const object: any = {
    s: null,
    q: { cpu: '0.5', memory: 1024, x: null },
    at: '2026-01-02T03:04:05.678+01:00',
    micro: '2026-01-02T03:04:05.1234567Z',
    items: [null, { args: ['a', null] }],
    data: { x: 'YWJj\nZGVm' },
  };
  assert.deepEqual(checkFields(object, 'Root', schemas).errors, []);
  assert.deepEqual(object, {
    q: { cpu: '500m', memory: '1024', x: '0' },
    at: '2026-01-02T02:04:05Z',
    micro: '2026-01-02T03:04:05.123456Z',
    items: [{}, { args: ['a', ''] }],
    data: { x: 'YWJjZGVm' },
  });
});

test('a value of the wrong type is named as upstream names it', () => {
  const errorOf = (object: any) => checkFields(object, 'Root', schemas).errors[0];
  assert.equal(
    errorOf({ n: '3' }),
    'json: cannot unmarshal string into Go struct field Root.n of type int32',
  );
  assert.equal(
    errorOf({ n: 1.5 }),
    'json: cannot unmarshal number 1.5 into Go struct field Root.n of type int32',
  );
  assert.equal(errorOf({ s: 1 }), 'json: cannot unmarshal number into Go struct field Root.s of type string');
  assert.equal(
    errorOf({ b: 'true' }),
    'json: cannot unmarshal string into Go struct field Root.b of type bool',
  );
  assert.equal(
    errorOf({ items: [{ args: 'x' }] }),
    'json: cannot unmarshal string into Go struct field Item.items.args of type []string',
  );
  assert.equal(
    errorOf({ items: {} }),
    'json: cannot unmarshal object into Go struct field Root.items of type []v1.Item',
  );
  assert.match(errorOf({ q: { cpu: 'lots' } })!, /^quantities must match/);
  assert.match(errorOf({ at: 'noon' })!, /^parsing time "noon"/);
  assert.equal(errorOf({ data: { x: '!' } }), 'illegal base64 data at input byte 0');
  assert.match(errorOf({ port: 1.5 })!, /cannot unmarshal number/);
});

test('keys that stand twice are found', () => {
  const find = (text: string) => duplicateKeys(text, parseJson(text));
  assert.deepEqual(find('{"a": 1, "b": {"c": ":\\"", "d": [1, {"e": 2}]}}'), []);
  assert.deepEqual(find('{"a": 1, "b": {"c": 1, "c": "x"}, "l": [{}, {"e": 1, "e": [], "e": {}}]}'), [
    'b.c',
    'l[1].e',
  ]);
  assert.throws(() => parseJson('{'), { code: 400 });
});

test('YAML: 1.1 booleans, no dates, many documents, duplicates', () => {
  const text = 'a: yes\nb: 2026-01-02\nc: 0o7\nd: "on"\n---\n---\nx: 1\nx: 2\n';
  const [first, second] = parseYamlDocuments(text);
  assert.deepEqual(first!.value, { a: true, b: '2026-01-02', c: 7, d: 'on' });
  assert.deepEqual(second!.duplicates, ['yaml: unmarshal errors:\n  line 8: key "x" already set in map']);
  assert.throws(() => parseYaml('a: [1'), { code: 400 });
  assert.deepEqual(parseYaml('base: &b {p: 1}\nuse:\n  <<: *b\n  q: 2').use, { p: 1, q: 2 });
  assert.equal(({} as any).polluted, undefined);
});

test('YAML is written as kubectl writes it', () => {
  assert.equal(
    toYaml({
      b: ['x', { y: 1 }],
      a: 'true',
      t: '2026-01-02T00:00:00Z',
      n: '12',
      e: '',
      m: 'l1\nl2\n',
      o: {},
      l: [],
    }),
    'a: "true"\nb:\n- x\n- "y": 1\ne: ""\nl: []\nm: |\n  l1\n  l2\n"n": "12"\no: {}\nt: "2026-01-02T00:00:00Z"\n',
  );
});
