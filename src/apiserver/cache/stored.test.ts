import assert from 'node:assert/strict';
import { test } from 'node:test';
import { customResourceDefinitions } from '../../api/apiextensions/custom-resource-definition.ts';
import { deployments } from '../../api/apps/deployment.ts';
import { statefulSets } from '../../api/apps/stateful-set.ts';
import { horizontalPodAutoscalers } from '../../api/autoscaling/horizontal-pod-autoscaler.ts';
import { events } from '../../api/core/event.ts';
import { persistentVolumeClaims } from '../../api/core/persistent-volume-claim.ts';
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

test('what upstream leaves to defaults when it stores is there', () => {
  const claim = { kind: 'PersistentVolumeClaim', apiVersion: 'v1', metadata: meta, spec: {}, status: {} };
  const found = decodeStored(
    persistentVolumeClaims,
    '/k',
    protobuf.encode(claim, persistentVolumeClaims.type)!,
  );
  assert.equal(found.status.phase, 'Pending');
  const set = {
    ...{ kind: 'StatefulSet', apiVersion: 'apps/v1', metadata: meta },
    spec: {
      ...{ serviceName: 's', selector: {}, template: { metadata: {}, spec: { containers: [] } } },
      volumeClaimTemplates: [{ metadata: { name: 'data' }, spec: {} }],
    },
  };
  const { volumeClaimTemplates } = decodeStored(
    statefulSets,
    '/k',
    protobuf.encode(set, statefulSets.type)!,
  ).spec;
  assert.deepEqual(
    [volumeClaimTemplates[0].kind, volumeClaimTemplates[0].apiVersion],
    ['PersistentVolumeClaim', 'v1'],
  );
});

test('a definition of custom resources is read in the older form in which upstream stores it', () => {
  const schema = { openAPIV3Schema: { type: 'object' } };
  const names = { plural: 'widgets', singular: 'widget', kind: 'Widget', listKind: 'WidgetList' };
  const beta = (spec: object) =>
    decodeStored(
      customResourceDefinitions,
      '/k',
      new TextEncoder().encode(
        JSON.stringify({
          ...{ kind: 'CustomResourceDefinition', apiVersion: 'apiextensions.k8s.io/v1beta1', metadata: meta },
          spec: { group: 'x.dev', version: 'v1', names, scope: 'Namespaced', ...spec },
          status: { storedVersions: ['v1'] },
        }),
      ),
    );
  // One version, or several that have all of it in common.
  const one = beta({
    validation: schema,
    subresources: { status: {} },
    additionalPrinterColumns: [{ name: 'Size', type: 'integer', JSONPath: '.spec.size' }],
    selectableFields: [{ jsonPath: '.spec.color' }],
    versions: [
      { name: 'v1', served: true, storage: true },
      { name: 'v2', served: true, storage: false },
    ],
    conversion: { strategy: 'None' },
    preserveUnknownFields: false,
  });
  const same = {
    ...{
      schema,
      subresources: { status: {} },
      selectableFields: [{ jsonPath: '.spec.color' }],
      served: true,
    },
    additionalPrinterColumns: [{ name: 'Size', type: 'integer', jsonPath: '.spec.size' }],
  };
  assert.deepEqual(one, {
    ...{ kind: 'CustomResourceDefinition', apiVersion: 'apiextensions.k8s.io/v1', metadata: meta },
    spec: {
      ...{ group: 'x.dev', names, scope: 'Namespaced', conversion: { strategy: 'None' } },
      versions: [
        { name: 'v1', storage: true, ...same },
        { name: 'v2', storage: false, ...same },
      ],
    },
    status: { storedVersions: ['v1'] },
  });
  // Each version for itself, and a webhook between them.
  const clientConfig = { url: 'https://hook/' };
  const two = beta({
    versions: [
      { name: 'v1', served: true, storage: true, schema },
      {
        name: 'v2',
        served: true,
        storage: false,
        schema: { openAPIV3Schema: { type: 'object', title: 'b' } },
      },
    ],
    conversion: { strategy: 'Webhook', webhookClientConfig: clientConfig, conversionReviewVersions: ['v1'] },
    preserveUnknownFields: false,
  });
  assert.deepEqual(two.spec.conversion, {
    strategy: 'Webhook',
    webhook: { clientConfig, conversionReviewVersions: ['v1'] },
  });
  assert.equal(two.spec.versions[1].schema.openAPIV3Schema.title, 'b');
  // The oldest form.
  assert.deepEqual(beta({}).spec.versions, [{ name: 'v1', served: true, storage: true }]);
  assert.equal(beta({}).spec.preserveUnknownFields, true);
});

test('what cannot be read is refused with its key', () => {
  const read = (bytes: Uint8Array) => () => decodeStored(deployments, '/registry/deployments/a/b', bytes);
  assert.throws(read(new TextEncoder().encode('{')), /value of \/registry\/deployments\/a\/b cannot be read/);
  const other = protobuf.encode({ kind: 'Pod', apiVersion: 'v1', metadata: meta }, 'core.v1.Pod')!;
  assert.throws(read(other), /it is stored as Pod of v1, and not of apps\/v1/);
});
