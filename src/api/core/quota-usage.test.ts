import assert from 'node:assert/strict';
import { test } from 'node:test';
import { quotaApplies, usageOf } from './quota-usage.ts';
import type { Pod } from './v1.gen.ts';

const now = Date.parse('2026-01-01T00:00:00Z');
const pod = (requests?: Record<string, string>, spec = {}): Pod => ({
  metadata: { name: 'p' },
  spec: { containers: [{ name: 'c', ...(requests ? { resources: { requests } } : {}) }], ...spec },
});

test('a pod', () => {
  assert.deepEqual(
    usageOf('pods', pod({ cpu: '100m', 'x.io/gpu': '2' }, { overhead: { cpu: '50m' } }), now),
    {
      'count/pods': '1',
      pods: '1',
      cpu: '150m',
      'requests.cpu': '150m',
      'requests.x.io/gpu': '2',
    },
  );
  assert.deepEqual(usageOf('pods', { ...pod({ cpu: '1' }), status: { phase: 'Failed' } } as Pod, now), {
    'count/pods': '1',
  });
});

test('services and claims', () => {
  const service = { metadata: {}, spec: { type: 'LoadBalancer', ports: [{ port: 80 }, { port: 81 }] } };
  const counted = {
    'count/services': '1',
    services: '1',
    'services.loadbalancers': '1',
    'services.nodeports': '2',
  };
  assert.deepEqual(usageOf('services', service, now), counted);
  const claim = {
    metadata: {},
    spec: { storageClassName: 'fast', resources: { requests: { storage: '2Gi' } } },
  };
  assert.equal(
    usageOf('persistentvolumeclaims', claim, now)['fast.storageclass.storage.k8s.io/requests.storage'],
    '2Gi',
  );
});

test('scopes', () => {
  const quota = (scopes: string[]) => ({ metadata: {}, spec: { scopes } });
  assert.equal(quotaApplies(quota(['BestEffort']), 'pods', pod()), true);
  assert.equal(quotaApplies(quota(['BestEffort']), 'pods', pod({ cpu: '1' })), false);
  assert.equal(quotaApplies(quota(['Terminating']), 'pods', pod({}, { activeDeadlineSeconds: 5 })), true);
  assert.equal(quotaApplies(quota(['Terminating']), 'secrets', { metadata: {} }), false);
  const scopeSelector = {
    matchExpressions: [{ scopeName: 'PriorityClass', operator: 'In', values: ['high'] }],
  };
  assert.equal(
    quotaApplies({ metadata: {}, spec: { scopeSelector } }, 'pods', pod({}, { priorityClassName: 'high' })),
    true,
  );
});
