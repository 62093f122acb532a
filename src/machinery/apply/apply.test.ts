import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type AnyObject, clone, deepFreeze } from '../meta.ts';
import type { SchemaTable } from '../schema.ts';
import type { StatusError } from '../status.ts';
import { applyObject, ownedFields } from './apply.ts';
import { difference, intersection, isEmpty, LEAF, paths, sameFields, union, unionOf } from './fields.ts';
import { updateManagedFields } from './managed.ts';
import { schemaFromOpenAPI } from './openapi-schema.ts';

const schemas: SchemaTable = {
  Thing: {
    fields: {
      apiVersion: { t: 'string' },
      kind: { t: 'string' },
      metadata: { t: 'Meta' },
      spec: { t: 'Spec' },
      status: { t: 'Spec' },
    },
  },
  Meta: {
    fields: {
      name: { t: 'string' },
      uid: { t: 'string' },
      labels: { t: ['map', 'string'] },
      annotations: { t: ['map', 'string'] },
      finalizers: { t: ['array', 'string'], list: 'set' },
      managedFields: { t: ['array', 'Meta'] },
    },
  },
  Spec: {
    fields: {
      replicas: { t: 'integer:int32' },
      ports: { t: ['array', 'Port'], list: 'map', keys: ['port', 'protocol'] },
      selector: { t: ['map', 'string'], mapType: 'atomic' },
      args: { t: ['array', 'string'] },
      containers: { t: ['array', 'Container'], list: 'map', keys: ['name'] },
    },
  },
  Port: {
    fields: {
      port: { t: 'integer:int32' },
      protocol: { t: 'string', default: 'TCP' },
      name: { t: 'string' },
    },
  },
  Container: { fields: { name: { t: 'string' }, image: { t: 'string' }, env: { t: ['map', 'string'] } } },
};
const ctx = { typeId: 'Thing', schemas, apiVersion: 'x/v1', now: 0 };
const thing = (spec: any, metadata: any = {}): AnyObject => ({
  apiVersion: 'x/v1',
  kind: 'Thing',
  metadata: { name: 'a', ...metadata },
  ...(spec ? { spec } : {}),
});

/** Applies and stores: what the server would hold then. */
function apply(live: AnyObject | undefined, applied: AnyObject, manager: string, force = false): AnyObject {
  const { object, managedFields } = applyObject({ ...ctx, live, applied, manager, force });
  return deepFreeze({ ...object, metadata: { ...object.metadata, uid: '1', managedFields } });
}
function update(live: AnyObject | undefined, next: AnyObject, manager: string, extra = {}): AnyObject {
  const managedFields = updateManagedFields({ ...ctx, old: live, new: next, manager, ...extra });
  return deepFreeze({ ...next, metadata: { ...next.metadata, uid: '1', managedFields } });
}
const owners = (object: AnyObject): Record<string, string[]> =>
  Object.fromEntries(
    (object.metadata.managedFields ?? []).map((m) => [
      `${m.manager}/${m.operation}`,
      [...paths(m.fieldsV1 as any)].sort(),
    ]),
  );

test('the fields of an object: leaves, map keys, list elements', () => {
  const object = thing(
    { replicas: 1, ports: [{ port: 80, name: 'web' }], selector: { a: 'b' }, args: ['x'], containers: [] },
    { labels: { app: 'x' }, finalizers: ['f'] },
  );
  assert.deepEqual(ownedFields(object, 'Thing', schemas), {
    'f:metadata': { 'f:labels': { 'f:app': {} }, 'f:finalizers': { 'v:"f"': {} } },
    'f:spec': {
      'f:replicas': {},
      'f:ports': { 'k:{"port":80,"protocol":"TCP"}': { '.': {}, 'f:port': {}, 'f:name': {} } },
      'f:selector': {},
      'f:args': {},
    },
  });
});

test('create, then an update: the updater owns what it changed, and shares of others go', () => {
  let live = update(undefined, thing({ replicas: 1, args: ['x'] }, { labels: { a: '1' } }), 'creator');
  assert.deepEqual(owners(live), {
    'creator/Update': ['.metadata.labels', '.metadata.labels.a', '.spec.args', '.spec.replicas'],
  });
  const same = update(live, { ...live }, 'other');
  assert.equal(same.metadata.managedFields, live.metadata.managedFields);
  live = update(live, { ...live, spec: { replicas: 2 } }, 'other');
  assert.deepEqual(owners(live), {
    'creator/Update': ['.metadata.labels', '.metadata.labels.a'],
    'other/Update': ['.spec.replicas'],
  });
  const reset = update(live, { ...live, metadata: { ...live.metadata, managedFields: [{}] } }, 'other');
  assert.equal(reset.metadata.managedFields, undefined);
  const ignorant = { ...live, metadata: { name: 'a', uid: '1', labels: { a: '2' } } };
  assert.equal(owners(update(live, ignorant, 'creator'))['creator/Update']?.length, 2);
});

test('apply creates, changes, and removes what it no longer names', () => {
  let live = apply(
    undefined,
    thing({ replicas: 1, containers: [{ name: 'a', image: 'i' }] }, { labels: { x: '1', y: '1' } }),
    'me',
  );
  live = update(live, { ...live, status: { replicas: 1 } }, 'controller');
  live = apply(live, thing({ containers: [{ name: 'a', image: 'j' }] }, { labels: { x: '1' } }), 'me');
  assert.deepEqual(live.spec, { containers: [{ name: 'a', image: 'j' }] });
  assert.deepEqual(live.metadata.labels, { x: '1' });
  assert.deepEqual(live.status, { replicas: 1 });
  live = apply(live, thing(undefined), 'me');
  assert.equal(live.spec, undefined);
  assert.equal(live.metadata.labels, undefined);
});

test('a value of another manager is a conflict, which force wins', () => {
  const live = apply(undefined, thing({ replicas: 1, args: ['x'] }), 'one');
  const changed = update(live, { ...live, spec: { ...live.spec, replicas: 3 } }, 'scaler');
  assert.throws(
    () => apply(changed, thing({ replicas: 1, args: ['x'] }), 'one'),
    (error: StatusError) => {
      assert.equal(error.code, 409);
      assert.equal(
        error.message,
        'Apply failed with 1 conflict: conflict with "scaler" using x/v1: .spec.replicas',
      );
      assert.deepEqual(error.status.details?.causes, [
        {
          reason: 'FieldManagerConflict',
          message: 'conflict with "scaler" using x/v1',
          field: '.spec.replicas',
        },
      ]);
      return true;
    },
  );
  const won = apply(changed, thing({ replicas: 1, args: ['x'] }), 'one', true);
  assert.equal(won.spec.replicas, 1);
  assert.deepEqual(owners(won), { 'one/Apply': ['.spec.args', '.spec.replicas'] });
  assert.throws(
    () => apply(changed, thing({ replicas: 1, args: ['y'] }), 'two'),
    /Apply failed with 2 conflicts: conflicts with "one":\n- .spec.args\nconflicts with "scaler" using x\/v1:\n- .spec.replicas/,
  );
});

test('fields are shared when applied with the same value, and stay while one applies them', () => {
  let live = apply(undefined, thing({ replicas: 1, args: ['x'] }), 'one');
  live = apply(live, thing({ replicas: 1 }), 'two');
  assert.deepEqual(owners(live), {
    'one/Apply': ['.spec.args', '.spec.replicas'],
    'two/Apply': ['.spec.replicas'],
  });
  live = apply(live, thing(undefined), 'one');
  assert.deepEqual(live.spec, { replicas: 1 });
  live = apply(live, thing(undefined), 'two');
  assert.equal(live.spec, undefined);
});

test('list elements merge by key, with defaults of keys, and keep their order', () => {
  let live = apply(
    undefined,
    thing({
      ports: [
        { port: 80, name: 'web' },
        { port: 53, protocol: 'UDP' },
      ],
    }),
    'one',
  );
  live = apply(live, thing({ ports: [{ port: 80, protocol: 'TCP', name: 'web' }, { port: 90 }] }), 'two');
  assert.deepEqual(live.spec.ports, [
    { port: 80, name: 'web', protocol: 'TCP' },
    { port: 53, protocol: 'UDP' },
    { port: 90 },
  ]);
  live = apply(live, thing({ ports: [{ port: 53, protocol: 'UDP' }] }), 'one');
  assert.deepEqual(
    live.spec.ports.map((p: any) => p.port),
    [80, 53, 90],
  );
  assert.throws(
    () => apply(undefined, thing({ ports: [{ port: 80 }, { port: 80, protocol: 'TCP' }] }), 'one'),
    /duplicate entries for key \[port=80,protocol="TCP"\]/,
  );
  assert.throws(
    () => apply(undefined, thing({ nonsense: 1 }), 'one'),
    /\.spec\.nonsense: field not declared in schema/,
  );
});

test('an element that a manager drops goes with its defaults, unless another owns it', () => {
  let live = apply(
    undefined,
    thing({
      containers: [
        { name: 'a', image: 'i' },
        { name: 'b', image: 'i' },
      ],
    }),
    'one',
  );
  // The server defaulted something that nobody owns.
  live = deepFreeze({
    ...live,
    spec: { containers: live.spec.containers.map((c: any) => ({ ...c, env: { D: '1' } })) },
  });
  live = apply(live, thing({ containers: [{ name: 'a', image: 'i' }] }), 'one');
  assert.deepEqual(live.spec.containers, [{ name: 'a', image: 'i', env: { D: '1' } }]);
});

test('apply to an object without owners: what is there belongs to before-first-apply', () => {
  const live = thing({ replicas: 1 }, { uid: '1' });
  assert.throws(
    () => apply(live, thing({ replicas: 2 }), 'me'),
    /conflict with "before-first-apply" using x\/v1: .spec.replicas/,
  );
  const same = apply(live, thing({ replicas: 1 }), 'me');
  assert.deepEqual(owners(same), {
    'me/Apply': ['.spec.replicas'],
    'before-first-apply/Update': ['.spec.replicas'],
  });
});

test('reset fields are not owned, and applying the same twice changes nothing', () => {
  const applied = { ...thing({ replicas: 1 }), status: { replicas: 3 } };
  const { managedFields, object } = applyObject({
    ...ctx,
    live: undefined,
    applied,
    manager: 'me',
    force: false,
    reset: ['status'],
  });
  assert.deepEqual([...paths(managedFields![0]!.fieldsV1 as any)], ['.spec.replicas']);
  const live = { ...object, metadata: { ...object.metadata, managedFields } };
  const again = applyObject({
    ...ctx,
    live,
    applied,
    manager: 'me',
    force: false,
    reset: ['status'],
    now: 99_000,
  });
  assert.equal(again.changed, false);
});

test('more than ten updaters: the oldest become ancient-changes', () => {
  let live = update(undefined, thing({ replicas: 0 }), 'm0');
  for (let i = 1; i <= 12; i++)
    live = update(
      live,
      { ...live, metadata: { ...live.metadata, labels: { ...live.metadata.labels, [`l${i}`]: 'x' } } },
      `m${i}`,
      { now: i * 1000 },
    );
  assert.equal(live.metadata.managedFields?.length, 10);
  assert.equal(live.metadata.managedFields?.[0]?.manager, 'ancient-changes');
});

test('a structural schema becomes a table of types', () => {
  const table = schemaFromOpenAPI(
    {
      type: 'object',
      properties: {
        spec: {
          type: 'object',
          properties: {
            list: {
              type: 'array',
              'x-kubernetes-list-type': 'map',
              'x-kubernetes-list-map-keys': ['k'],
              items: { type: 'object', properties: { k: { type: 'string' }, v: { type: 'integer' } } },
            },
            free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
            port: { 'x-kubernetes-int-or-string': true },
          },
        },
      },
    },
    'crd',
    { 'meta.v1.ObjectMeta': schemas.Meta! },
  );
  const object = thing(
    { list: [{ k: 'a', v: 1 }], free: { x: { y: [1] } }, port: 'http' },
    { labels: { a: '1' } },
  );
  assert.deepEqual(
    [...paths(ownedFields(object, 'crd', table))],
    [
      '.metadata.labels.a',
      '.spec.port',
      '.spec.free.x',
      '.spec.free.x.y',
      '.spec.list[k="a"]',
      '.spec.list[k="a"].k',
      '.spec.list[k="a"].v',
    ],
  );
});

const container = fc.record(
  { name: fc.constantFrom('a', 'b', 'c'), image: fc.constantFrom('i', 'j') },
  { requiredKeys: ['name'], noNullPrototype: true },
);
const port = fc.record(
  { port: fc.constantFrom(80, 90), protocol: fc.constantFrom('TCP', 'UDP') },
  { requiredKeys: ['port'], noNullPrototype: true },
);
const spec = fc.record(
  {
    replicas: fc.integer({ min: 0, max: 2 }),
    args: fc.array(fc.constantFrom('x', 'y'), { maxLength: 2 }),
    ports: fc.uniqueArray(port, { selector: (p) => `${p.port}/${p.protocol ?? 'TCP'}` }),
    containers: fc.uniqueArray(container, { selector: (c) => c.name }),
  },
  { requiredKeys: [], noNullPrototype: true },
);

test('apply: the result holds all that was applied, and one applier alone gets exactly its last configuration', () => {
  fc.assert(
    fc.property(fc.array(spec, { minLength: 1, maxLength: 4 }), (specs) => {
      let live: AnyObject | undefined;
      for (const s of specs) live = apply(live, thing(clone(s)), 'me');
      const last = thing(clone(specs.at(-1)!));
      assert.ok(sameFields(ownedFields(live!, 'Thing', schemas), ownedFields(last, 'Thing', schemas)));
    }),
    { numRuns: 200 },
  );
});

test('field sets obey the laws of sets', () => {
  const set = fc
    .tuple(spec, spec)
    .map(([s, t]) =>
      union(
        ownedFields(thing(s), 'Thing', schemas),
        ownedFields({ ...thing(undefined), status: t }, 'Thing', schemas),
      ),
    );
  fc.assert(
    fc.property(set, set, (a, b) => {
      assert.ok(sameFields(union(a, b), union(b, a)));
      assert.ok(isEmpty(intersection(difference(a, b), b)));
      assert.ok(sameFields(union(difference(a, b), intersection(a, b)), a) || isEmpty(a));
      assert.deepEqual([...paths(union(a, b))].sort(), [...new Set([...paths(a), ...paths(b)])].sort());
      assert.equal(difference(a, a), LEAF);
      assert.ok(sameFields(unionOf([a, b, LEAF, a]), union(a, b)));
    }),
  );
});

test('the last label that goes does not take the metadata along', () => {
  const apply = (live: any, applied: any) =>
    applyObject({
      ...{ live, applied, manager: 'm', force: false, apiVersion: 'v1', typeId: 'Thing', now: 0, schemas },
    });
  const map = { apiVersion: 'v1', kind: 'Thing' };
  const first = apply(undefined, { ...map, metadata: { name: 'x', labels: { a: '1' } } });
  const { name, labels } = first.object.metadata;
  const live = { ...map, metadata: { name, labels, uid: 'u', managedFields: first.managedFields } };
  assert.deepEqual(apply(live, { ...map, metadata: { name: 'x' } }).object.metadata, { name: 'x', uid: 'u' });
});
