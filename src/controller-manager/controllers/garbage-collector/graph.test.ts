import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configMaps } from '../../../api/core/config-map.ts';
import { secrets } from '../../../api/core/secret.ts';
import type { KubeObject } from '../../../machinery/meta.ts';
import { type Chores, OwnerGraph } from './graph.ts';

const object = (uid: string, owners: string[] = [], more: KubeObject['metadata'] = {}): KubeObject => ({
  metadata: {
    ...{ uid, name: uid, namespace: 'ns' },
    ownerReferences: owners.map((owner) => ({
      ...{ apiVersion: 'v1', kind: 'ConfigMap', name: owner, uid: owner, blockOwnerDeletion: true },
    })),
    ...more,
  },
});
const checked = ({ check }: Chores): string[] => check.map(({ uid }) => uid).sort();
const dependents = (graph: OwnerGraph, uid: string) => [...graph.dependentsOf(uid)].map((node) => node.uid);

test('dependents are known by the uid of an owner, whether it was seen before, later or never', () => {
  const graph = new OwnerGraph();
  assert.deepEqual(checked(graph.set(secrets, object('child', ['owner']))), ['child']);
  assert.deepEqual(dependents(graph, 'owner'), ['child']);
  assert.equal(graph.get('owner'), undefined);
  assert.deepEqual(
    checked(graph.set(configMaps, object('owner'))),
    ['child'],
    'it may have been named wrongly',
  );
  assert.deepEqual(checked(graph.remove('owner')), ['child']);
  assert.deepEqual(dependents(graph, 'owner'), ['child'], 'it still names it');
  graph.remove('child');
  assert.deepEqual(dependents(graph, 'owner'), []);
});

test('changes of owners', () => {
  const graph = new OwnerGraph();
  graph.set(configMaps, object('a'));
  graph.set(secrets, object('child', ['a']));
  assert.deepEqual(checked(graph.set(secrets, object('child', ['a']))), [], 'the same as before');
  assert.deepEqual(checked(graph.set(secrets, object('child', ['b']))), ['child']);
  assert.deepEqual([dependents(graph, 'a'), dependents(graph, 'b')], [[], ['child']]);
});

test('an owner that waits for its dependents is looked at when one goes', () => {
  const graph = new OwnerGraph();
  graph.set(configMaps, object('a'));
  graph.set(secrets, object('child', ['a']));
  const leaving = { deletionTimestamp: '2026-01-01T00:00:00Z' };
  const waits = object('a', [], { ...leaving, finalizers: ['foregroundDeletion'] });
  assert.deepEqual(checked(graph.set(configMaps, waits)), ['a', 'child']);
  assert.deepEqual(checked(graph.remove('child')), ['a']);
});

test('objects of a kind', () => {
  const graph = new OwnerGraph();
  graph.set(configMaps, object('a'));
  graph.set(secrets, object('b'));
  assert.deepEqual(
    graph.of(secrets).map(({ uid }) => uid),
    ['b'],
  );
});
