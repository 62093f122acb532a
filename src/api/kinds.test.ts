import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Kind } from '../machinery/kind.ts';
import { type AnyObject, clone } from '../machinery/meta.ts';
import { isStatusError } from '../machinery/status.ts';
import { allKinds } from './all.ts';
import { typeFacts } from './facts.gen.ts';
import { validateMeta, validateMetaUpdate } from './meta.ts';

const context = { nowMs: 1_000_000, user: 'u', random: () => 0 };

/** Runs a new object through every hook, as the server does; a refusal is as good as a pass. */
function runThrough(kind: Kind<any>, object: AnyObject): void {
  const { rules } = kind;
  try {
    rules.defaults?.(object);
    rules.prepareCreate?.(object, context);
    rules.validate?.(object, context);
    const old = clone(object);
    rules.prepareUpdate?.(object, old, context);
    rules.prepareStatus?.(object, old, context);
    rules.validateUpdate?.(object, old, context);
    rules.validateStatus?.(object, old, context);
    rules.gracePeriod?.(object, undefined);
  } catch (error) {
    if (!isStatusError(error)) throw new Error(`${kind.group}/${kind.kind}: ${(error as Error).stack}`);
  }
}

const meta = (kind: Kind<any>): any => ({
  name: 'a.b',
  uid: 'u',
  creationTimestamp: '1970-01-01T00:00:00Z',
  ...(kind.namespaced ? { namespace: 'd' } : {}),
});

test('a kind that gets next to nothing refuses it, and does not break', () => {
  for (const kind of allKinds) {
    runThrough(kind, { metadata: meta(kind) });
    runThrough(kind, { metadata: meta(kind), spec: {} });
    runThrough(kind, { metadata: meta(kind), spec: { template: {}, selector: {} }, status: {} });
  }
});

/** A value of a type with every field filled in, one level of each list and map. */
function sample(type: any, depth = 0): any {
  if (Array.isArray(type)) {
    const inner = sample(type[1], depth + 1);
    if (type[0] === 'array') return inner === undefined ? [] : [inner];
    return inner === undefined ? {} : { k: inner };
  }
  if (type.startsWith('integer') || type.startsWith('number')) return 1;
  if (type === 'boolean') return true;
  if (type === 'string:byte') return 'YWJj';
  if (type === 'resource.Quantity') return '1';
  if (type.endsWith('Time')) return '1970-01-01T00:00:00Z';
  const fields = typeFacts[type]?.fields;
  if (!fields) return type.includes('.') && typeFacts[type]?.is === 'object' ? {} : 'x';
  if (depth > 9) return undefined;
  return Object.fromEntries(
    Object.entries(fields)
      .map(([name, field]) => [name, sample(field.t, depth + 1)])
      .filter(([, value]) => value !== undefined),
  );
}

test('an object with every field filled in goes through every hook and column', () => {
  for (const kind of allKinds) {
    const object = { ...sample(kind.type), metadata: meta(kind) };
    runThrough(kind, clone(object));
    for (const column of kind.columns) {
      const value = column.value(object, context.nowMs);
      assert.ok(value !== undefined && value !== '[object Object]', `${kind.kind} ${column.name}: ${value}`);
    }
    for (const select of Object.values(kind.rules.fieldSelectors ?? {}))
      assert.equal(typeof select(object), 'string');
    kind.rules.scale?.selector(object);
  }
});

test('defaults change nothing the second time', () => {
  for (const kind of allKinds) {
    if (!kind.rules.defaults) continue;
    const object = { ...sample(kind.type), metadata: meta(kind) };
    kind.rules.defaults(object);
    const once = clone(object);
    kind.rules.defaults(object);
    assert.deepEqual(object, once, kind.kind);
  }
});

test('every column that the facts name has a value, and each kind has a name and an age', () => {
  const without = allKinds.filter((kind) => kind.verbs.includes('list') && kind.columns.length < 2);
  assert.deepEqual(
    without.map((kind) => kind.kind),
    [],
  );
});

test('metadata: names, labels, annotations, owners, finalizers', () => {
  const kind = { namespaced: true, rules: {} };
  const errors = (metadata: any) =>
    validateMeta(kind, { metadata: { name: 'a', namespace: 'd', ...metadata } }).map(
      (e) => `${e.field}: ${e.message}`,
    );
  assert.deepEqual(errors({}), []);
  assert.match(
    errors({ name: 'A_b' })[0]!,
    /^metadata.name: Invalid value: "A_b": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '\.', and must start and end with an alphanumeric character \(e\.g\. 'example\.com', regex used for validation is '/,
  );
  assert.deepEqual(errors({ name: '' }), ['metadata.name: Required value: name or generateName is required']);
  assert.match(
    errors({ labels: { 'a/b/c': 'x' } })[0]!,
    /^metadata.labels: Invalid value: "a\/b\/c": a qualified name must consist of/,
  );
  assert.match(errors({ labels: { a: '-' } })[0]!, /a valid label must be an empty string or consist of/);
  assert.deepEqual(errors({ annotations: { a: 'x'.repeat(300_000) } }), [
    'metadata.annotations: Too long: may not be more than 262144 bytes',
  ]);
  const owner = { apiVersion: 'v1', kind: 'Pod', name: 'p', uid: 'u', controller: true };
  assert.match(
    errors({ ownerReferences: [owner, owner] })[0]!,
    /Only one reference can have Controller set to true/,
  );
  assert.match(
    errors({ finalizers: ['x'] })[0]!,
    /neither a standard finalizer name nor is it fully qualified/,
  );
  const old = { metadata: { name: 'a', uid: '1', deletionTimestamp: 'x' } };
  const update = (metadata: any) =>
    validateMetaUpdate(kind, { metadata: { ...old.metadata, resourceVersion: '1', ...metadata } }, old).map(
      (e) => e.message,
    );
  assert.deepEqual(update({}), []);
  assert.deepEqual(update({ uid: '2' }), ['Invalid value: "2": field is immutable']);
  assert.match(
    update({ finalizers: ['a/b'] })[0]!,
    /no new finalizers can be added if the object is being deleted, found new finalizers \[\]string\{"a\/b"\}/,
  );
});
