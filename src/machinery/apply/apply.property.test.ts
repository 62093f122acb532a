// The laws of server-side apply, over random configurations of every type and random histories of several managers.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type Draw,
  drawFrom,
  once,
  pick,
  randomObject,
  rootTypes,
  schemas,
} from '../../testing/random-objects.ts';
import { type AnyObject, clone, deepFreeze } from '../meta.ts';
import { own } from '../own.ts';
import { childNode, type SchemaNode, schemaNode } from '../schema-node.ts';
import { isStatusError } from '../status.ts';
import { applyObject, ownedFields } from './apply.ts';
import { difference, type Fields, isEmpty, LEAF, paths, union } from './fields.ts';
import { updateManagedFields } from './managed.ts';
import { elementOf } from './typed.ts';

const seed = Number(process.env.SEED ?? 20260102);
const runs = Number(process.env.RUNS ?? 1);
const law = (numRuns: number, check: (from: number) => void): void =>
  fc.assert(fc.property(fc.integer(), check), { seed, numRuns: numRuns * runs });

// Objects that the server keeps: with a metadata of their own.
const types = rootTypes.filter(
  (id) => schemaNode(schemas, id)!.struct!.fields.get('metadata')?.type === 'meta.v1.ObjectMeta',
);
const apiVersionOf = (id: string): string => randomObject(drawFrom(0), id).apiVersion;
const wishes = { distinct: true, full: true, depth: 6, fields: 5 };

function configuration(draw: Draw, id: string): AnyObject {
  const { metadata = {}, ...object } = randomObject(draw, id, wishes);
  const { labels, annotations, finalizers, ownerReferences } = metadata;
  const meta = { name: 'x', labels, annotations, finalizers, ownerReferences };
  return withoutEmpty({ ...object, metadata: meta });
}

/** Empty maps, lists and messages have owners of their own kind: whoever has one has all that comes into it. */
function withoutEmpty(value: any): any {
  if (Array.isArray(value)) return value.map(withoutEmpty);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, item]): [string, any] => [key, withoutEmpty(item)]);
  return Object.fromEntries(
    entries.filter(
      ([, item]) => item !== undefined && (typeof item !== 'object' || Object.keys(item).length > 0),
    ),
  );
}

/** What of `fields` the value does not have. */
function missing(node: SchemaNode | undefined, value: any, fields: Fields, path = ''): string[] {
  return Object.keys(fields).flatMap((element) => {
    if (element === '.') return [];
    const list = !element.startsWith('f:');
    const found = list
      ? Array.isArray(value) && value.find((item) => elementOf(node!, item) === element)
      : typeof value === 'object' && value !== null && own(value, element.slice(2));
    const here = `${path}/${element}`;
    if (found === undefined || found === false || found === null)
      // False and null are values, too; what is a value has nothing below it.
      return isEmpty(fields[element]!) && found !== undefined && typeof value === 'object' ? [] : [here];
    return missing(list ? node!.element : childNode(node, element.slice(2)), found, fields[element]!, here);
  });
}

const allOwned = (object: AnyObject): Fields =>
  (object.metadata.managedFields ?? []).reduce((set, entry) => union(set, entry.fieldsV1 as Fields), LEAF);
const setOf = (object: AnyObject, manager: string, operation = 'Apply'): Fields =>
  (object.metadata.managedFields?.find((entry) => entry.manager === manager && entry.operation === operation)
    ?.fieldsV1 as Fields) ?? LEAF;

/** Holds after every write. */
function checkOwners(id: string, object: AnyObject): void {
  const owned = allOwned(object);
  const unowned = difference(ownedFields(object, id, schemas), owned);
  assert.deepEqual([...paths(unowned)], [], `${id}: fields without an owner`);
  assert.deepEqual(
    missing(schemaNode(schemas, id), object, owned),
    [],
    `${id}: owned fields that are not there`,
  );
}

const apply = (
  id: string,
  live: AnyObject | undefined,
  applied: AnyObject,
  manager: string,
  force = false,
) => {
  const { object, managedFields, changed } = applyObject({
    live,
    applied,
    manager,
    force,
    apiVersion: apiVersionOf(id),
    typeId: id,
    schemas,
    now: 0,
  });
  return {
    object: deepFreeze({ ...object, metadata: { ...object.metadata, managedFields } }) as AnyObject,
    changed,
  };
};

function update(id: string, live: AnyObject | undefined, wanted: AnyObject, manager: string): AnyObject {
  const object = clone(wanted);
  if (live) object.metadata.managedFields = live.metadata.managedFields;
  const managedFields = updateManagedFields({
    old: live,
    new: object,
    manager,
    apiVersion: apiVersionOf(id),
    now: 0,
    typeId: id,
    schemas,
  });
  return deepFreeze({ ...object, metadata: { ...object.metadata, managedFields } });
}

/** A part of a configuration: what one manager may want of it. */
function part(draw: Draw, node: SchemaNode | undefined, value: any, depth = 0): any {
  if (Array.isArray(value) && node?.shape === 'list' && !node.atomic)
    return value.filter(() => !once(draw, 3)).map((item) => part(draw, node.element, item, depth + 1));
  if (typeof value !== 'object' || value === null || Array.isArray(value) || node?.atomic) return value;
  const result: any = {};
  for (const key of Object.keys(value)) {
    const needed = (depth === 0 && key !== 'spec') || key === 'name' || value[key] === undefined;
    const isKey =
      /^(kind|apiVersion|name|key|uid|ip|port|containerPort|protocol|mountPath|devicePath|type|topologyKey|whenUnsatisfiable|request|pool|device|driver|shareID|claimName|podIP|resourceName|containerName|requestName|resourceClaimName|group|resource)$/.test(
        key,
      );
    if (!needed && !isKey && once(draw, 4)) continue;
    const item = part(draw, childNode(node, key), value[key], depth + 1);
    Object.defineProperty(result, key, { value: item, enumerable: true, writable: true, configurable: true });
  }
  return result;
}

const text = (value: unknown): string => JSON.stringify(sorted(value));
function sorted(value: any): any {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(sorted);
  return Object.keys(value)
    .sort()
    .map((key) => [key, sorted(value[key])]);
}
/** Lists with keys in the order of their elements: who applied first decides on the order, and on nothing else. */
function ordered(node: SchemaNode | undefined, value: any): any {
  if (Array.isArray(value)) {
    const items = value.map((item) => ordered(node?.element, item));
    if (node?.shape !== 'list' || node.atomic) return items;
    return items.sort((a, b) => (String(elementOf(node, a)) < String(elementOf(node, b)) ? -1 : 1));
  }
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.keys(value).map((key) => [key, ordered(childNode(node, key), value[key])]),
  );
}
const owners = (object: AnyObject): string =>
  text(
    object.metadata.managedFields
      ?.map(({ manager, operation, fieldsV1 }) => [manager, operation, fieldsV1])
      .sort(),
  );

test(`apply: a history of several managers keeps the laws of ownership (SEED=${seed})`, () => {
  let applied = 0;
  let conflicts = 0;
  law(400, (from) => {
    const draw = drawFrom(from);
    const id = pick(draw, types);
    const node = schemaNode(schemas, id);
    // All configurations come from two objects, so that managers meet.
    const sources = [configuration(draw, id), configuration(draw, id)];
    const history: string[] = [];
    const steps = () => {
      let live: AnyObject | undefined;
      for (let step = 0; step < 8; step++) {
        const manager = pick(draw, ['a', 'b', 'c']);
        const wanted = withoutEmpty(part(draw, node, pick(draw, sources)));
        // An object without owners is not tracked until someone applies to it.
        if (!live?.metadata.managedFields) live = undefined;
        const kind = draw.upTo(3);
        history.push(
          `${kind ? (kind === 1 ? 'force' : 'apply') : 'update'} ${manager} ${JSON.stringify(wanted)}`,
        );
        if (kind === 0) {
          // Whoever updates has read first, and leaves out or changes something.
          live = update(
            id,
            live,
            live && once(draw, 2) ? { ...wanted, metadata: live.metadata } : wanted,
            manager,
          );
          checkOwners(id, live);
          continue;
        }
        const force = kind === 1;
        const before = live;
        try {
          live = apply(id, before, wanted, manager, force).object;
        } catch (error) {
          assert.ok(
            isStatusError(error) && error.code === 409 && !force && before,
            String((error as Error).stack),
          );
          conflicts++;
          // Nobody is forced: with force it goes through, and takes what was in conflict.
          const forced = apply(id, before, wanted, manager, true).object;
          for (const { field } of error.status.details!.causes!)
            assert.ok([...paths(setOf(forced, manager))].includes(field!), `${id}: ${field} was taken`);
          continue;
        }
        applied++;
        checkOwners(id, live);
        const set = ownedFields(wanted, id, schemas);
        assert.equal(text(setOf(live, manager)), text(set), `${id}: a manager owns what it applied`);
        assert.deepEqual(missing(node, live, set), [], id);
        // Where nobody owns anything, what is there belongs to nobody from before.
        if (!live.metadata.managedFields) continue;
        const again = apply(id, live, wanted, manager, force);
        assert.equal(text(again.object), text(live), `${id}: applying again`);
        assert.equal(again.changed, false, `${id}: applying again changes nothing`);
      }
    };
    try {
      steps();
    } catch (error) {
      throw new Error(`after\n${history.join('\n')}`, { cause: error });
    }
  });
  assert.ok(applied > 500 * runs && conflicts > 50 * runs, `${applied} applied, ${conflicts} conflicts`);
});

test('apply: two managers that do not contradict each other may come in any order', () => {
  law(600, (from) => {
    const draw = drawFrom(from);
    const id = pick(draw, types);
    const node = schemaNode(schemas, id);
    const source = configuration(draw, id);
    const [first, second] = [part(draw, node, source), part(draw, node, source)].map(withoutEmpty);
    // Without anyone's fields, what is there is nobody's from before.
    if ([first, second].some((one) => isEmpty(ownedFields(one, id, schemas)))) return;
    const ab = apply(id, apply(id, undefined, first, 'a').object, second, 'b').object;
    const ba = apply(id, apply(id, undefined, second, 'b').object, first, 'a').object;
    const bare = ({ metadata: { managedFields: _, ...metadata }, ...rest }: AnyObject) => ({
      ...rest,
      metadata,
    });
    assert.equal(text(ordered(node, bare(ab))), text(ordered(node, bare(ba))), id);
    assert.equal(owners(ab), owners(ba), id);
    // One lets go of all: what is left is the other's.
    const empty = { apiVersion: first.apiVersion, kind: first.kind, metadata: { name: 'x' } } as AnyObject;
    const left = apply(id, ab, empty, 'a').object;
    assert.equal(owners(left), owners(apply(id, undefined, second, 'b').object), id);
    checkOwners(id, left);
    const none = apply(id, left, empty, 'b').object;
    assert.deepEqual(
      [...paths(ownedFields(none, id, schemas))],
      [],
      `${id}: nothing is left when nobody wants it`,
    );
  });
});

test('apply: elements are told apart with the defaults of their keys', () => {
  const service = (...ports: object[]): AnyObject => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'x' },
    spec: { ports },
  });
  const id = 'core.v1.Service';
  const one = apply(id, undefined, service({ port: 80, name: 'a' }), 'a').object;
  const two = apply(
    id,
    one,
    service({ port: 80, protocol: 'TCP', name: 'a' }, { port: 80, protocol: 'UDP' }),
    'b',
  ).object;
  assert.equal(two.spec.ports.length, 2);
  const three = apply(id, two, service(), 'b').object;
  assert.deepEqual(
    three.spec.ports.map((port: any) => port.port),
    [80],
  );
});

test('apply: fields that are called as what every object has are fields like others', () => {
  const map = (data: string): AnyObject =>
    JSON.parse(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"},"data":${data}}`);
  const id = 'core.v1.ConfigMap';
  const data = '{"__proto__":"1","toString":"2","constructor":"3"}';
  const first = apply(id, undefined, map('{"a":"1"}'), 'a').object;
  const both = apply(id, first, map(data), 'b').object;
  assert.deepEqual(Object.keys(both.data).sort(), ['__proto__', 'a', 'constructor', 'toString']);
  checkOwners(id, both);
  const without = apply(id, both, map('{}'), 'b').object;
  assert.equal(text(without.data), text({ a: '1' }));
  const updated = update(id, first, map(data), 'c');
  checkOwners(id, updated);
  assert.deepEqual([...paths(setOf(updated, 'c', 'Update'))].sort(), [
    '.data.__proto__',
    '.data.constructor',
    '.data.toString',
  ]);
});
