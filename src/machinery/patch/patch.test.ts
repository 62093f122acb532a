import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { deepFreeze } from '../meta.ts';
import type { SchemaTable } from '../schema.ts';
import { jsonPatch } from './json.ts';
import { createMergePatch, createThreeWayMergePatch, mergePatch } from './merge.ts';
import { strategicMergePatch } from './strategic.ts';
import { createStrategicPatch } from './strategic-diff.ts';

test('JSON patch: each operation, and the document stays as it was', () => {
  const document = deepFreeze({ a: { b: [1, 2, 3] }, 'x/y': 1 });
  const result = jsonPatch<any>(document, [
    { op: 'test', path: '/a/b/1', value: 2 },
    { op: 'add', path: '/a/b/-', value: 4 },
    { op: 'add', path: '/a/b/0', value: 0 },
    { op: 'remove', path: '/a/b/1' },
    { op: 'replace', path: '/x~1y', value: 2 },
    { op: 'copy', from: '/a/b', path: '/c' },
    { op: 'move', from: '/x~1y', path: '/z' },
  ]);
  assert.deepEqual(result, { a: { b: [0, 2, 3, 4] }, c: [0, 2, 3, 4], z: 2 });
});

test('JSON patch: what cannot be applied is a 422, what cannot be read a 400', () => {
  const fails = (op: object, code: number) => assert.throws(() => jsonPatch({ a: [1] }, [op]), { code });
  fails({ op: 'remove', path: '/b' }, 422);
  fails({ op: 'replace', path: '/b', value: 1 }, 422);
  fails({ op: 'add', path: '/b/c', value: 1 }, 422);
  fails({ op: 'add', path: '/a/5', value: 1 }, 422);
  fails({ op: 'test', path: '/a/0', value: 2 }, 422);
  fails({ op: 'test', path: '/__proto__/x', value: 2 }, 422);
  fails({ op: 'add', value: 1 }, 400);
  assert.throws(() => jsonPatch({}, {}), { code: 400 });
});

test('JSON patch: copies of copies, lists moved about and too many operations are refused early', () => {
  const bomb = [{ op: 'add', path: '/a', value: ['x'.repeat(1000)] }];
  for (let i = 0; i < 40; i++) bomb.push({ op: 'copy', from: '/a', path: '/a/-' } as never);
  assert.throws(() => jsonPatch({}, bomb), { code: 422, message: /our request/ });
  const many = (length: number, op: object) => Array.from({ length }, () => op);
  assert.throws(() => jsonPatch({}, many(10_001, { op: 'add', path: '/a', value: 1 })), { code: 413 });
  const list = Array.from({ length: 300_000 }, () => 1);
  const began = performance.now();
  assert.throws(() => jsonPatch({ list }, many(10_000, { op: 'add', path: '/list/0', value: 1 })), {
    code: 422,
  });
  const { list: longer } = jsonPatch<any>({ list }, many(10_000, { op: 'add', path: '/list/-', value: 1 }));
  assert.equal(longer.length, 310_000);
  assert.ok(performance.now() - began < 3000);
  assert.equal(list.length, 300_000);
});

test('JSON patch: a copy and what it was made of go different ways', () => {
  const patch = [
    { op: 'copy', from: '/a', path: '/b' },
    { op: 'add', path: '/a/x', value: 1 },
    { op: 'add', path: '/b/y', value: 2 },
    { op: 'move', from: '/a', path: '/c' },
    { op: 'add', path: '/c/z', value: 3 },
  ];
  assert.deepEqual(jsonPatch({ a: {} }, patch), { b: { y: 2 }, c: { x: 1, z: 3 } });
});

test('patches cannot reach a prototype', () => {
  const evil = JSON.parse(
    '{"__proto__": {"polluted": true}, "constructor": {"prototype": {"polluted": true}}}',
  );
  mergePatch({}, evil);
  jsonPatch({}, [{ op: 'add', path: '/__proto__', value: { polluted: true } }]);
  assert.throws(() => jsonPatch({}, [{ op: 'add', path: '/constructor/prototype/polluted', value: true }]), {
    code: 422,
  });
  assert.equal(({} as any).polluted, undefined);
  assert.equal((mergePatch({ a: 1 }, evil) as any).polluted, undefined);
});

// fast-check makes objects without a prototype.
const plain = (value: unknown): any => JSON.parse(JSON.stringify(value));

const json = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.integer({ min: 0, max: 3 }),
    fc.constantFrom('a', 'b'),
    tie('list'),
    tie('map'),
  ),
  list: fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 3 }),
  map: fc.dictionary(fc.constantFrom('a', 'b', 'c', '$'), tie('value'), { maxKeys: 3 }),
}));

test('merge patch: what createMergePatch makes does what it says', () => {
  fc.assert(
    fc.property(json.map, json.map, (first, second) => {
      const [a, b] = [plain(first), plain(second)];
      assert.deepEqual(mergePatch(a, createMergePatch(a, b)), b);
    }),
  );
  assert.deepEqual(createThreeWayMergePatch({ a: 1, b: 1 }, { a: 2 }, { a: 1, b: 1, c: 1 }), {
    a: 2,
    b: null,
  });
});

const schemas: SchemaTable = {
  Root: {
    fields: {
      items: { t: ['array', 'Item'], patch: 'merge', mergeKey: 'name' },
      volumes: { t: ['array', 'Item'], patch: 'merge,retainKeys', mergeKey: 'name' },
      words: { t: ['array', 'string'], patch: 'merge' },
      plain: { t: ['array', 'Item'] },
      strategy: { t: 'Item', patch: 'retainKeys' },
      whole: { t: 'Item', patch: 'replace' },
    },
  },
  Item: {
    fields: {
      name: { t: 'string' },
      a: { t: 'string' },
      b: { t: 'string' },
      sub: { t: ['array', 'Item'], patch: 'merge', mergeKey: 'name' },
    },
  },
};
const apply = (original: any, patch: any) =>
  strategicMergePatch<any>(deepFreeze(original), patch, 'Root', schemas);

test('strategic merge: lists merge by key, others are replaced', () => {
  const original = {
    items: [
      { name: 'x', a: '1' },
      { name: 'y', a: '1' },
    ],
    plain: [{ name: 'x' }],
    words: ['p', 'q'],
  };
  assert.deepEqual(
    apply(original, {
      items: [{ name: 'y', b: '2' }, { name: 'z' }],
      plain: [{ name: 'q' }],
      words: ['q', 'r'],
    }),
    {
      items: [{ name: 'x', a: '1' }, { name: 'y', a: '1', b: '2' }, { name: 'z' }],
      plain: [{ name: 'q' }],
      words: ['p', 'q', 'r'],
    },
  );
  assert.deepEqual(apply({ metadata: { a: 1 } }, { metadata: { a: null, b: 2 } }), { metadata: { b: 2 } });
});

test('strategic merge: directives', () => {
  const items = [{ name: 'x', a: '1' }, { name: 'y', a: '1' }, { name: 'z' }];
  assert.deepEqual(
    apply({ items }, { items: [{ $patch: 'delete', name: 'x' }] }).items.map((i: any) => i.name),
    ['y', 'z'],
  );
  assert.deepEqual(apply({ items }, { items: [{ $patch: 'replace' }, { name: 'q' }] }), {
    items: [{ name: 'q' }],
  });
  assert.deepEqual(apply({ strategy: { a: '1', b: '2' } }, { strategy: { $retainKeys: ['a'], a: '3' } }), {
    strategy: { a: '3' },
  });
  assert.deepEqual(apply({ strategy: { a: '1' } }, { strategy: { $patch: 'replace', b: '2' } }), {
    strategy: { b: '2' },
  });
  assert.deepEqual(apply({ words: ['a', 'b'] }, { '$deleteFromPrimitiveList/words': ['a'] }), {
    words: ['b'],
  });
  const order = { '$setElementOrder/items': [{ name: 'z' }, { name: 'x' }] };
  assert.deepEqual(
    apply({ items }, order).items.map((i: any) => i.name),
    ['y', 'z', 'x'],
  );
  assert.throws(() => apply({ items }, { items: [{ a: '1' }] }), { code: 422 });
  assert.throws(() => apply({}, { $retainKeys: ['a'], b: 1 }), { code: 400 });
  assert.throws(() => apply({}, { $patch: 'nonsense' }), { code: 422 });
});

test('strategic merge: long lists cost their length, not its square', () => {
  const items = Array.from({ length: 50_000 }, (_, i) => ({ name: `n${i}`, a: '1' }));
  const words = items.map((item) => item.name);
  const began = performance.now();
  const patch = {
    items: items.map(({ name }, i) => (i % 2 ? { $patch: 'delete', name } : { name, b: '2' })),
    '$deleteFromPrimitiveList/words': words.slice(1),
  };
  const result = apply({ items, words }, patch);
  assert.equal(result.items.length, 25_000);
  assert.deepEqual(result.words, ['n0']);
  assert.ok(performance.now() - began < 2000);
});

const item = fc.record(
  { name: fc.constantFrom('x', 'y', 'z'), a: fc.constantFrom('1', '2'), b: fc.constantFrom('1', '2') },
  { requiredKeys: ['name'] },
);
const itemList = fc.uniqueArray(item, { selector: (i) => i.name });
const root = fc.record(
  {
    items: itemList,
    volumes: itemList,
    words: fc.uniqueArray(fc.constantFrom('p', 'q', 'r')),
    plain: itemList,
    strategy: item,
    whole: item,
  },
  { requiredKeys: [] },
);
const nonEmpty = (o: any): any =>
  Object.fromEntries(Object.entries(o).filter(([, v]) => !Array.isArray(v) || v.length));

test('strategic merge: a two-way patch turns the one into the other', () => {
  fc.assert(
    fc.property(root, root, (first, second) => {
      const [a, b] = [plain(first), plain(second)];
      const patch = createStrategicPatch(a, b, 'Root', schemas);
      assert.deepEqual(nonEmpty(strategicMergePatch(a, patch, 'Root', schemas)), nonEmpty(b));
    }),
    { numRuns: 300 },
  );
});

test('strategic merge: a three-way patch keeps what others added', () => {
  const original = { items: [{ name: 'x', a: '1' }, { name: 'gone' }] };
  const modified = { items: [{ name: 'x', a: '2' }] };
  const current = { items: [{ name: 'x', a: '1', b: 'theirs' }, { name: 'gone' }, { name: 'theirs' }] };
  const patch = createStrategicPatch(original, modified, 'Root', schemas, current);
  assert.deepEqual(patch, {
    '$setElementOrder/items': [{ name: 'x' }],
    items: [
      { a: '2', name: 'x' },
      { $patch: 'delete', name: 'gone' },
    ],
  });
  assert.deepEqual(apply(current, patch), {
    items: [{ name: 'x', a: '2', b: 'theirs' }, { name: 'theirs' }],
  });
  assert.deepEqual(createStrategicPatch(modified, modified, 'Root', schemas, apply(current, patch)), {});
});
