import assert from 'node:assert/strict';
import { test } from 'node:test';
import { drawVersions } from './diff.ts';
import { differences, writersOf } from './object-diff.ts';

test('differences: leaves, what came and went, elements of lists by their names', () => {
  const before = {
    metadata: { resourceVersion: '1', managedFields: [1], labels: { a: '1', 'x/y': 'z' } },
    spec: {
      containers: [
        { name: 'a', image: 'x' },
        { name: 'b', image: 'y' },
      ],
      args: ['1', '2'],
      gone: { deep: 1 },
    },
  };
  const after = {
    metadata: { resourceVersion: '2', managedFields: [2], labels: { a: '2' } },
    spec: {
      containers: [
        { name: 'b', image: 'y2' },
        { name: 'c', image: 'z' },
      ],
      args: ['1', '3', '4'],
      more: [],
    },
  };
  assert.deepEqual(differences(before, after), [
    { path: 'metadata.labels.a', before: '1', after: '2' },
    { path: 'metadata.labels["x/y"]', before: 'z' },
    { path: 'spec.containers[a]', before: { name: 'a', image: 'x' } },
    { path: 'spec.containers[b].image', before: 'y', after: 'y2' },
    { path: 'spec.containers[c]', after: { name: 'c', image: 'z' } },
    { path: 'spec.args[1]', before: '2', after: '3' },
    { path: 'spec.args[2]', after: '4' },
    { path: 'spec.gone', before: { deep: 1 } },
    { path: 'spec.more', after: [] },
  ]);
});

const fields = (manager: string, time: string, more = {}) => ({
  manager,
  operation: 'Update',
  time,
  ...more,
});
const object = (managedFields: object[]): any => ({ metadata: { managedFields } });

test('who wrote: not who lost a field to another', () => {
  const before = object([fields('create', '1', { fieldsV1: { a: 1 } })]);
  const after = object([
    fields('create', '1', { fieldsV1: {} }),
    fields('kubelet', '2', { subresource: 'status' }),
  ]);
  assert.deepEqual(writersOf(before, after), ['kubelet (Update, status)']);
  assert.deepEqual(writersOf(undefined, before), ['create (Update)']);
  assert.deepEqual(writersOf(before, before), []);
});

test('versions as text', () => {
  const version = (a: number): any => ({
    metadata: { managedFields: [fields('m', String(a))] },
    data: { a },
  });
  const text = drawVersions({
    ...{ type: 'ConfigMap', namespace: 'ns', name: 'c', since: 3, before: version(1) },
    versions: [
      { revision: 5, time: '2026-01-02T03:04:05.678Z', object: version(2) },
      { revision: 8 },
      { revision: 9, object: version(7) },
    ],
  });
  assert.equal(
    text,
    `configmap ns/c: 3 changes since revision 3

revision 5   2026-01-02 03:04:05Z   m (Update)
  ~ data.a: 1 -> 2

revision 8   deleted

revision 9   created   m (Update)
  + data: {"a":7}
`,
  );
});
