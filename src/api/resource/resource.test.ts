import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Kind } from '../../machinery/kind.ts';
import { deviceClasses } from './device-class.ts';
import { resourceClaims } from './resource-claim.ts';
import { resourceClaimTemplates } from './resource-claim-template.ts';
import { resourceSlices } from './resource-slice.ts';

const context = { nowMs: 60_000, user: 'u', random: () => 0 };
const text = (errors: { field: string; message: string }[]) => errors.map((e) => `${e.field}: ${e.message}`);
function made(kind: Kind<any>, spec: any, status?: any): any {
  const object: any = { metadata: { name: 'a', namespace: 'd' }, spec };
  kind.rules.defaults!(object);
  kind.rules.prepareCreate?.(object, context);
  return { ...object, ...(status ? { status } : {}) };
}
const errors = (kind: Kind<any>, object: any) => text(kind.rules.validate!(object, context));
const claim = (request: any, status?: any) =>
  made(resourceClaims, { devices: { requests: [{ name: 'r', ...request }] } }, status);
const slice = (spec: any) =>
  made(resourceSlices, {
    driver: 'd.io',
    pool: { name: 'p', resourceSliceCount: 1, generation: 0 },
    ...spec,
  });

test('requests get a count; taints a time', () => {
  assert.deepEqual(claim({ exactly: { deviceClassName: 'c' } }).spec.devices.requests[0].exactly, {
    deviceClassName: 'c',
    allocationMode: 'ExactCount',
    count: 1,
  });
  const tainted = slice({
    allNodes: true,
    devices: [{ name: 'x', taints: [{ key: 'k', effect: 'NoSchedule' }] }],
  });
  assert.equal(tainted.spec.devices[0].taints[0].timeAdded, '1970-01-01T00:01:00Z');
  assert.deepEqual(errors(resourceSlices, tainted), []);
});

test('what is wrong is named by its field', () => {
  const cases: [Kind<any>, any, string][] = [
    [
      resourceClaims,
      claim({}),
      'spec.devices.requests[0]: Required value: exactly one of `exactly` or `firstAvailable` is required',
    ],
    [
      resourceClaims,
      claim({ exactly: { deviceClassName: 'c', allocationMode: 'All', count: 2 } }),
      "spec.devices.requests[0].exactly.count: Invalid value: 2: must not be specified when allocationMode is 'All'",
    ],
    [
      resourceClaims,
      made(resourceClaims, { devices: { constraints: [{ requests: ['x'], matchAttribute: 'a' }] } }),
      'spec.devices.constraints[0].matchAttribute: Invalid value: "a": a fully qualified name must be a domain and a name separated by a slash',
    ],
    [
      resourceClaimTemplates,
      made(resourceClaimTemplates, { spec: { devices: { config: [{ requests: ['q'] }] } } }),
      'spec.spec.devices.config[0].opaque: Required value',
    ],
    [deviceClasses, made(deviceClasses, { selectors: [{}] }), 'spec.selectors[0].cel: Required value'],
    [
      resourceSlices,
      slice({}),
      'spec: Required value: exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required',
    ],
    [
      resourceSlices,
      slice({ nodeName: 'n', devices: [{ name: 'x', attributes: { v: { version: '1' } } }] }),
      'spec.devices[0].attributes[v].version: Invalid value: "1": must be a string compatible with semver.org spec 2.0.0',
    ],
  ];
  for (const [kind, object, expected] of cases) {
    const found = errors(kind, object);
    assert.ok(
      found.some((e) => e.startsWith(expected)),
      `${expected}\n${found.join('\n')}`,
    );
  }
});

test('the state of a claim', () => {
  const allocation = { devices: { results: [{ request: 'r', driver: 'd.io', pool: 'p', device: 'x' }] } };
  const reservedFor = [{ resource: 'pods', name: 'a', uid: 'u' }];
  const exactly = { deviceClassName: 'c' };
  const state = (object: any) => resourceClaims.columns.find((c) => c.name === 'State')!.value(object, 0);
  const check = (status: any) =>
    text(resourceClaims.rules.validateStatus!(claim({ exactly }, status), claim({ exactly }), context));
  assert.equal(state(claim({ exactly })), 'pending');
  assert.equal(state(claim({ exactly }, { allocation, reservedFor })), 'allocated,reserved');
  assert.deepEqual(check({ allocation, reservedFor }), []);
  assert.deepEqual(check({ reservedFor }), [
    'status.reservedFor: Forbidden: may not be specified when `allocated` is not set',
  ]);
  const device = { driver: 'd.io', pool: 'p', device: 'x' };
  const next = claim({ exactly }, { devices: [device] });
  resourceClaims.rules.prepareStatus!(next, claim({ exactly }, { allocation, devices: [device] }), context);
  assert.equal(next.status.devices, undefined);
});
