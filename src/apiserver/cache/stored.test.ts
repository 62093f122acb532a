import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deployments } from '../../api/apps/deployment.ts';
import { horizontalPodAutoscalers } from '../../api/autoscaling/horizontal-pod-autoscaler.ts';
import { events } from '../../api/core/event.ts';
import { protobuf } from '../../api/protobuf.ts';
import { decodeStored } from './stored.ts';

const meta = { name: 'web', namespace: 'default', uid: 'u', creationTimestamp: '2026-01-02T03:04:05Z' };

test('what upstream stores as protobuf is read; so is JSON', () => {
  const deployment = {
    ...{ kind: 'Deployment', apiVersion: 'apps/v1', metadata: meta },
    spec: {
      replicas: 3,
      selector: { matchLabels: { app: 'web' } },
      template: { metadata: {}, spec: { containers: [] } },
    },
  };
  const stored = protobuf.encode(deployment, deployments.type)!;
  assert.deepEqual([...stored.subarray(0, 4)], [0x6b, 0x38, 0x73, 0]);
  const found = decodeStored(deployments, '/k', stored);
  assert.deepEqual(
    [found.kind, found.apiVersion, found.metadata.creationTimestamp],
    ['Deployment', 'apps/v1', meta.creationTimestamp],
  );
  assert.deepEqual([found.spec.replicas, found.spec.selector], [3, deployment.spec.selector]);
  const json = new TextEncoder().encode(JSON.stringify(deployment));
  assert.deepEqual(decodeStored(deployments, '/k', json), deployment);
});

test('older and newer forms of a kind are converted to the one that we store', () => {
  const v1 = {
    ...{ kind: 'HorizontalPodAutoscaler', apiVersion: 'autoscaling/v1', metadata: meta },
    spec: {
      scaleTargetRef: { kind: 'Deployment', name: 'web' },
      maxReplicas: 4,
      targetCPUUtilizationPercentage: 70,
    },
  };
  const hpa = decodeStored(
    horizontalPodAutoscalers,
    '/k',
    protobuf.encode(v1, 'autoscaling.v1.HorizontalPodAutoscaler')!,
  );
  assert.equal(hpa.apiVersion, 'autoscaling/v2');
  assert.equal(hpa.spec.metrics[0].resource.target.averageUtilization, 70);
  const event = {
    kind: 'Event',
    apiVersion: 'events.k8s.io/v1',
    metadata: meta,
    note: 'hello',
    eventTime: null,
  };
  const found = decodeStored(events, '/k', protobuf.encode(event, 'events.v1.Event')!);
  assert.deepEqual([found.apiVersion, found.message], ['v1', 'hello']);
});

test('what cannot be read is refused with its key', () => {
  const read = (bytes: Uint8Array) => () => decodeStored(deployments, '/registry/deployments/a/b', bytes);
  assert.throws(read(new TextEncoder().encode('{')), /value of \/registry\/deployments\/a\/b cannot be read/);
  const other = protobuf.encode({ kind: 'Pod', apiVersion: 'v1', metadata: meta }, 'core.v1.Pod')!;
  assert.throws(read(other), /it is stored as Pod of v1, and not of apps\/v1/);
});
