// Groups of one or two kinds: budgets, priorities, leases, slices of endpoints, runtime classes, flow control, API services.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { apiServices } from './apiregistration/api-service.ts';
import { leases } from './coordination/lease.ts';
import { endpointSlices } from './discovery/endpoint-slice.ts';
import { flowSchemas } from './flowcontrol/flow-schema.ts';
import { priorityLevelConfigurations } from './flowcontrol/priority-level-configuration.ts';
import { cellsOf, context, errorsOf, made, refuses, texts } from './kind-fixtures.ts';
import { runtimeClasses } from './node/runtime-class.ts';
import { podDisruptionBudgets } from './policy/pod-disruption-budget.ts';
import { priorityClasses } from './scheduling/priority-class.ts';

test('what is wrong is named by its field', () => {
  const slice = (more: any) => ({ addressType: 'IPv4', endpoints: [], ...more });
  refuses([
    [
      podDisruptionBudgets,
      { spec: { minAvailable: 1, maxUnavailable: 1 } },
      'spec: Invalid value: {"minAvailable":1,"maxUnavailable":1}: minAvailable and maxUnavailable cannot be both set',
    ],
    [
      podDisruptionBudgets,
      { spec: { minAvailable: '110%' } },
      'spec.minAvailable: Invalid value: "110%": must not be greater than 100%',
    ],
    [
      priorityClasses,
      { value: 2_000_000_000 },
      'value: Forbidden: maximum allowed value of a user defined priority is 1000000000',
    ],
    [
      priorityClasses,
      { metadata: { name: 'system-x' } },
      "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. error: system-x is not a known system priority class",
    ],
    [
      leases,
      { spec: { leaseDurationSeconds: 0 } },
      'spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0',
    ],
    [endpointSlices, { endpoints: [] }, 'addressType: Required value'],
    [
      endpointSlices,
      slice({ endpoints: [{ addresses: [] }] }),
      'endpoints[0].addresses: Required value: must contain at least 1 address',
    ],
    [
      endpointSlices,
      slice({ endpoints: [{ addresses: ['127.0.0.1'] }] }),
      'endpoints[0].addresses[0]: Invalid value: "127.0.0.1": may not be in the loopback range',
    ],
    [
      endpointSlices,
      slice({ endpoints: [{ addresses: ['fd00::1'] }] }),
      'endpoints[0].addresses: Invalid value: "fd00::1": must be an IPv4 address',
    ],
    [
      endpointSlices,
      slice({ addressType: 'FQDN', endpoints: [{ addresses: ['host'] }] }),
      'endpoints[0].addresses[0]: Invalid value: "host": should be a domain with at least two segments',
    ],
    [endpointSlices, slice({ ports: [{ port: 1 }, { port: 2 }] }), 'ports[1].name: Duplicate value: ""'],
    [runtimeClasses, { handler: '' }, 'handler: Required value'],
    [
      flowSchemas,
      { spec: { priorityLevelConfiguration: {} } },
      'spec.priorityLevelConfiguration.name: Required value: must reference a priority level',
    ],
    [
      priorityLevelConfigurations,
      { spec: { type: 'Limited' } },
      'spec.limited: Required value: must not be empty when type is Limited',
    ],
    [apiServices, { spec: { version: 'v1', group: 'x.io' } }, 'metadata.name: Invalid value: "a"'],
  ]);
});

test('defaults and what the server sets', () => {
  const lease = made(leases, {
    spec: { holderIdentity: 'h', strategy: 'OldestEmulationVersion', preferredHolder: 'g' },
  });
  assert.deepEqual(lease.spec, { holderIdentity: 'h' });
  assert.deepEqual(errorsOf(leases, lease), []);
  const slice = made(endpointSlices, {
    addressType: 'IPv4',
    endpoints: [{ addresses: ['10.0.0.1'], deprecatedTopology: { a: 'b' } }],
    ports: [{ port: 80 }],
  });
  assert.deepEqual(slice.ports, [{ port: 80, name: '', protocol: 'TCP' }]);
  assert.equal(slice.endpoints[0].deprecatedTopology, undefined);
  assert.deepEqual(errorsOf(endpointSlices, slice), []);
  assert.equal(made(priorityClasses, {}).preemptionPolicy, 'PreemptLowerPriority');
  const budget = made(podDisruptionBudgets, { spec: {} });
  assert.deepEqual(budget.status, {
    currentHealthy: 0,
    desiredHealthy: 0,
    disruptionsAllowed: 0,
    expectedPods: 0,
  });
  const wrong = { ...budget, status: { ...budget.status, expectedPods: -1 } };
  assert.deepEqual(texts(podDisruptionBudgets.rules.validateStatus!(wrong, budget, context)), [
    'status.expectedPods: Invalid value: -1: must be greater than or equal to 0',
  ]);
});

test('columns', () => {
  const cells = (kind: any, more: any) => cellsOf(kind, made(kind, more));
  assert.deepEqual(cells(podDisruptionBudgets, { spec: { minAvailable: '50%' } }), ['50%', 'N/A', 0]);
  assert.deepEqual(cells(priorityClasses, { value: 7 }), [7, false, 'PreemptLowerPriority']);
  assert.deepEqual(cells(leases, { spec: { holderIdentity: 'h' } }), ['h']);
  const addresses = ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4'];
  assert.deepEqual(
    cells(endpointSlices, {
      addressType: 'IPv4',
      endpoints: [{ addresses }],
      ports: [{ port: 80 }, { name: 'x' }],
    }),
    ['IPv4', '80,x', '10.0.0.1,10.0.0.2,10.0.0.3 + 1 more...'],
  );
  assert.deepEqual(cells(endpointSlices, { addressType: 'IPv4', endpoints: [] }), [
    'IPv4',
    '<unset>',
    '<unset>',
  ]);
  const limited = { nominalConcurrencyShares: 5, limitResponse: { type: 'Queue', queuing: {} } };
  assert.deepEqual(cells(priorityLevelConfigurations, { spec: { type: 'Limited', limited } }), [
    'Limited',
    5,
    64,
    8,
    50,
  ]);
  assert.deepEqual(cells(apiServices, { spec: { version: 'v1', group: 'x.io' } }), ['Local', 'True']);
});
