// The laws of patches, over random objects of every type.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  drawFrom,
  once,
  pick,
  randomJson,
  randomObject,
  rootTypes,
  schemas,
} from '../../testing/random-objects.ts';
import { clone, deepFreeze, equal } from '../meta.ts';
import { childNode, type SchemaNode, schemaNode } from '../schema-node.ts';
import { jsonPatch } from './json.ts';
import { createMergePatch, createThreeWayMergePatch, mergePatch } from './merge.ts';
import { strategicMergePatch } from './strategic.ts';
import { createStrategicPatch } from './strategic-diff.ts';

const seed = Number(process.env.SEED ?? 20260102);
const runs = Number(process.env.RUNS ?? 1);
const law = (numRuns: number, check: (from: number) => void): void =>
  fc.assert(fc.property(fc.integer(), check), { seed, numRuns: numRuns * runs });

const text = (value: unknown): string => JSON.stringify(sorted(value));
function sorted(value: any): any {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(sorted);
  return Object.keys(value)
    .sort()
    .map((key) => [key, sorted(value[key])]);
}
const wishes = { distinct: true, full: true, depth: 6, fields: 5 };
const isObject = (value: any): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Two objects of one type that have much in common: the second is the first with some parts from elsewhere. */
function two(from: number): { id: string; a: any; b: any } {
  const draw = drawFrom(from);
  const id = pick(draw, rootTypes);
  const a = randomObject(draw, id, wishes);
  const other = randomObject(draw, id, wishes);
  const mix = (mine: any, theirs: any): any => {
    if (!isObject(mine) || !isObject(theirs)) return once(draw, 2) ? mine : theirs;
    const result: any = {};
    const own = (object: any, key: string) => (Object.hasOwn(object, key) ? object[key] : undefined);
    for (const key of new Set([...Object.keys(mine), ...Object.keys(theirs)])) {
      const [left, right] = [own(mine, key), own(theirs, key)];
      const value =
        left === undefined || (once(draw, 2) && right !== undefined) ? right : mix(left, right ?? left);
      if (!once(draw, 6))
        Object.defineProperty(result, key, { value, enumerable: true, writable: true, configurable: true });
    }
    return result;
  };
  return { id, a: deepFreeze(a), b: deepFreeze(clone(mix(a, other))) };
}

/** Empty lists and maps may come or go: a patch that takes the last element away leaves an empty list. */
function withoutEmpty(value: any): any {
  if (Array.isArray(value)) return value.map(withoutEmpty);
  if (!isObject(value)) return value;
  const entries = Object.entries(value).map(([key, item]): [string, any] => [key, withoutEmpty(item)]);
  return Object.fromEntries(
    entries.filter(([, item]) => typeof item !== 'object' || Object.keys(item).length > 0),
  );
}
const same = (left: any, right: any, message?: string): void =>
  assert.equal(text(withoutEmpty(left)), text(withoutEmpty(right)), message);

test(`strategic merge: the difference of two objects makes the one of the other (SEED=${seed})`, () => {
  law(3000, (from) => {
    const { id, a, b } = two(from);
    const patch = deepFreeze(createStrategicPatch(a, b, id, schemas));
    const patched = strategicMergePatch(a, patch, id, schemas);
    same(patched, b, id);
    // Once more changes nothing more.
    assert.equal(text(strategicMergePatch(patched, patch, id, schemas)), text(patched), id);
    assert.equal(text(createStrategicPatch(b, b, id, schemas)), '[]', id);
    assert.equal(
      strategicMergePatch(a, {}, id, schemas) && text(strategicMergePatch(a, {}, id, schemas)),
      text(a),
    );
  });
});

test('strategic merge: a three-way patch gives what is wanted and keeps what others have', () => {
  law(1500, (from) => {
    const { id, a, b } = two(from);
    const { b: theirs } = two(from ^ 0x5bd1e995);
    // What somebody else added where neither has anything.
    const current: any = { ...a };
    for (const [key, value] of Object.entries(theirs))
      if (schemaNode(schemas, id)!.struct!.fields.get(key) && !(key in a) && !(key in b))
        current[key] = value;
    const patch = createStrategicPatch(a, b, id, schemas, current);
    const patched: any = strategicMergePatch(deepFreeze(current), patch, id, schemas);
    const wanted: any = { ...b };
    for (const key of Object.keys(current)) if (!(key in a)) wanted[key] = current[key];
    same(patched, wanted, id);
    const full = withoutEmpty(b);
    assert.equal(text(createStrategicPatch(full, full, id, schemas, withoutEmpty(patched))), '[]', id);
  });
});

/** Every map of an object, with the way there; but not those that are only ever replaced. */
function* maps(
  node: SchemaNode | undefined,
  value: any,
  way: string[] = [],
): Generator<{ way: string[]; value: any; node: SchemaNode | undefined }> {
  if (!isObject(value)) return;
  if (node?.patchReplace) return;
  if (way.length) yield { way, value, node };
  for (const key of Object.keys(value))
    if (key !== '__proto__') yield* maps(childNode(node, key), value[key], [...way, key]);
}
const wrap = (way: string[], patch: any): any => way.reduceRight((inner, key) => ({ [key]: inner }), patch);
const at = (value: any, way: string[]): any => way.reduce((inner, key) => inner?.[key], value);
const plainKeys = (value: any): boolean => Object.keys(value).every((key) => !key.startsWith('$'));

test('strategic merge: directives at any place', () => {
  law(1500, (from) => {
    const { id, a } = two(from);
    const draw = drawFrom(from);
    const places = [...maps(schemaNode(schemas, id), a)].filter((one) => plainKeys(one.value));
    if (!places.length) return;
    const { way, value } = pick(draw, places);
    const apply = (patch: any) => strategicMergePatch<any>(a, wrap(way, patch), id, schemas);
    const part = randomObject(draw, 'core.v1.ObjectReference', { full: true });
    assert.equal(text(at(apply({ ...part, $patch: 'replace' }), way)), text(part), 'replace');
    assert.deepEqual(at(apply({ $patch: 'delete' }), way), {}, 'delete');
    const keep = Object.keys(value).filter(() => once(draw, 2));
    const kept = Object.fromEntries(Object.entries(value).filter(([key]) => keep.includes(key)));
    assert.equal(text(at(apply({ $retainKeys: keep }), way)), text(kept), 'retainKeys');
    const gone = at(apply(Object.fromEntries(keep.map((key) => [key, null]))), way);
    for (const key of keep) assert.ok(!Object.hasOwn(gone, key), 'null removes');
    assert.throws(() => apply({ $patch: 'other' }), { code: 422 });
    assert.throws(() => apply({ $retainKeys: 'x' }), { code: 400 });
  });
});

/** Every list of an object that merges. */
function* lists(
  node: SchemaNode | undefined,
  value: any,
  way: string[] = [],
): Generator<{ way: string[]; list: any[]; node: SchemaNode }> {
  if (Array.isArray(value) && node?.patchMerge) yield { way, list: value, node };
  if (isObject(value))
    for (const key of Object.keys(value))
      if (key !== '__proto__') yield* lists(childNode(node, key), value[key], [...way, key]);
}

test('strategic merge: directives of lists', () => {
  let met = 0;
  law(4000, (from) => {
    const { id, a } = two(from);
    const draw = drawFrom(from);
    const places = [...lists(schemaNode(schemas, id), a)];
    if (!places.length) return;
    met++;
    const { way, list, node } = pick(draw, places);
    const name = way.at(-1)!;
    const apply = (patch: any) =>
      at(strategicMergePatch<any>(a, wrap(way.slice(0, -1), patch), id, schemas), way);
    const byKey = node.element?.shape !== 'scalar' ? node.mergeKey : undefined;
    const keyOf = (item: any) => (byKey ? { [byKey]: item[byKey] } : item);
    const order = list.map(keyOf).sort(() => (once(draw, 2) ? 1 : -1));
    assert.equal(text(apply({ [`$setElementOrder/${name}`]: order }).map(keyOf)), text(order), 'order');
    const gone = list.filter(() => once(draw, 2));
    const left = list.filter((item) => !gone.some((one) => equal(keyOf(one), keyOf(item))));
    if (byKey) {
      const patch = { [name]: gone.map((item) => ({ ...keyOf(item), $patch: 'delete' })) };
      assert.equal(text(apply(patch) ?? []), text(left), 'delete');
      const [first] = list;
      assert.equal(text(apply({ [name]: [{ $patch: 'replace' }, first] })), text([first]), 'replace');
      assert.throws(() => apply({ [name]: [{ $patch: 'delete' }] }), { code: 422 });
    } else assert.equal(text(apply({ [`$deleteFromPrimitiveList/${name}`]: gone })), text(left), 'primitive');
    assert.equal(text(apply({ [name]: list })), text(list), 'the same again');
  });
  assert.ok(met > 100, `${met} lists`);
});

test('merge patch: RFC 7386 by its own definition, and the difference of two objects', () => {
  // Section 2 of the RFC, word for word.
  const reference = (target: any, patch: any): any => {
    if (!isObject(patch)) return patch;
    const result: any = isObject(target) ? { ...target } : {};
    for (const [name, value] of Object.entries(patch)) {
      if (value === null) delete result[name];
      else if (name === '__proto__')
        Object.defineProperty(result, name, {
          value: reference(Object.getOwnPropertyDescriptor(result, name)?.value, value),
          enumerable: true,
          writable: true,
          configurable: true,
        });
      else result[name] = reference(Object.hasOwn(result, name) ? result[name] : undefined, value);
    }
    return result;
  };
  law(3000, (from) => {
    const draw = drawFrom(from);
    const target = deepFreeze({ a: randomJson(draw, 4), b: randomJson(draw, 2) });
    const patch = deepFreeze({ a: randomJson(draw, 4), c: randomJson(draw, 2) });
    const once = mergePatch<any>(target, patch);
    assert.equal(text(once), text(reference(target, patch)));
    assert.equal(text(mergePatch(once, patch)), text(once), 'idempotent');
    const { a, b } = two(from);
    assert.equal(text(mergePatch(a, createMergePatch(a, b))), text(b));
    assert.equal(text(createMergePatch(b, b)), '[]');
    assert.equal(text(mergePatch(a, createThreeWayMergePatch(a, b, a))), text(b));
  });
});

test('fields that are called as what every object has are fields like others', () => {
  const names = ['toString', 'constructor', '__proto__', 'hasOwnProperty', 'valueOf'];
  for (const name of names) {
    const having = JSON.parse(`{"${name}": {}}`);
    assert.ok(!equal({}, having) && !equal(having, {}) && equal(having, clone(having)), name);
    assert.equal(text(createMergePatch({}, having)), text(having));
    assert.equal(text(createMergePatch(having, {})), `[["${name}",null]]`);
    assert.equal(text(mergePatch({}, having)), text(having));
  }
});

/** Every place of a document as a pointer. */
function* pointers(value: any, path = ''): Generator<{ path: string; value: any; list: boolean }> {
  if (typeof value !== 'object' || value === null) return;
  for (const key of Object.keys(value)) {
    const here = `${path}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    yield { path: here, value: value[key], list: Array.isArray(value) };
    yield* pointers(value[key], here);
  }
}

test('JSON patch: what each operation says is so afterwards, and its opposite takes it back', () => {
  law(3000, (from) => {
    const draw = drawFrom(from);
    const document: any = deepFreeze({ a: randomJson(draw, 4), 'x/y~z': [1, { '': 2 }], list: [1, 2, 3] });
    const before = text(document);
    const places = [...pointers(document)];
    const { path, value, list } = pick(draw, places);
    const fresh = randomJson(draw, 2);
    const run = (...ops: object[]) => jsonPatch<any>(document, ops);
    const find = (result: any) => [...pointers(result)].find((one) => one.path === path)?.value;
    const unchanged = (...ops: object[]) => assert.equal(text(run(...ops)), before, JSON.stringify(ops));
    unchanged({ op: 'test', path, value });
    unchanged({ op: 'replace', path, value });
    unchanged({ op: 'replace', path, value: fresh }, { op: 'replace', path, value });
    unchanged({ op: 'move', from: path, path });
    unchanged({ op: 'copy', from: path, path: '/copied' }, { op: 'remove', path: '/copied' });
    unchanged(
      { op: 'add', path: '/moved', value: 1 },
      { op: 'move', from: '/moved', path: '/q' },
      { op: 'remove', path: '/q' },
    );
    assert.equal(text(find(run({ op: 'replace', path, value: fresh }))), text(fresh));
    assert.equal(text(find(run({ op: 'add', path, value: fresh }))), text(fresh));
    if (list) {
      unchanged({ op: 'add', path, value: fresh }, { op: 'remove', path });
      unchanged({ op: 'remove', path }, { op: 'add', path, value });
    } else {
      assert.equal(find(run({ op: 'remove', path })), undefined);
      unchanged({ op: 'remove', path }, { op: 'add', path, value });
      assert.throws(() => run({ op: 'remove', path }, { op: 'test', path, value: 'not there' }), {
        code: 422,
      });
    }
    assert.throws(() => run({ op: 'move', from: path, path: `${path}/deeper` }), { code: 422 });
    assert.equal(text(document), before, 'the document itself stays');
  });
});
