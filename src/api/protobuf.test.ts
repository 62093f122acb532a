import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { openEnvelope } from '../machinery/protobuf/kubernetes.ts';
import { protobuf } from './protobuf.ts';

const dir = new URL('../machinery/protobuf/testdata/', import.meta.url);
const vectors = readdirSync(dir).filter((file) => file.endsWith('.pb'));

test('the encoded examples are read, and written byte for byte', () => {
  assert.equal(vectors.length, 11);
  for (const file of vectors) {
    const bytes = readFileSync(new URL(file, dir));
    const wanted = JSON.parse(readFileSync(new URL(file.replace('.pb', '.json'), dir), 'utf8'));
    const id = file.replace('.pb', '').replace('coordination.k8s.io', 'coordination');
    const { raw, apiVersion, kind } = openEnvelope(bytes)!;
    assert.deepEqual({ apiVersion, kind, ...protobuf.decode(raw, id) }, wanted, file);
    assert.deepEqual(Buffer.from(protobuf.encode(wanted, id)!), bytes, file);
  }
});

test('zeros that mean something stay, those that Go writes for nothing go', () => {
  const deployment = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'a' },
    spec: { replicas: 0, paused: false, minReadySeconds: 0 },
  };
  const { raw } = openEnvelope(protobuf.encode(deployment as never, 'apps.v1.Deployment')!)!;
  assert.deepEqual(protobuf.decode(raw, 'apps.v1.Deployment').spec, { replicas: 0 });
  const schema = { type: 'object', 'x-kubernetes-int-or-string': false, nullable: false };
  const bytes = openEnvelope(protobuf.encode(schema as never, 'apiextensions.v1.JSONSchemaProps')!)!;
  assert.deepEqual(protobuf.decode(bytes.raw, 'apiextensions.v1.JSONSchemaProps'), { type: 'object' });
});

test('what is cut short or no protobuf at all is refused', () => {
  const bytes = readFileSync(new URL('core.v1.Pod.pb', dir));
  const { raw } = openEnvelope(bytes)!;
  assert.throws(() => protobuf.decode(raw.subarray(0, raw.length - 3), 'core.v1.Pod'), RangeError);
  assert.equal(openEnvelope(new TextEncoder().encode('{"kind":"Pod"}')), undefined);
});
