import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cellsOf, made, refuses } from '../kind-fixtures.ts';
import { csiDrivers } from './csi-driver.ts';
import { csiNodes } from './csi-node.ts';
import { csiStorageCapacities } from './csi-storage-capacity.ts';
import { storageClasses } from './storage-class.ts';
import { volumeAttachments } from './volume-attachment.ts';
import { volumeAttributesClasses } from './volume-attributes-class.ts';

test('classes and drivers get their defaults, and are shown', () => {
  const annotations = { 'storageclass.kubernetes.io/is-default-class': 'true' };
  const storage = made(storageClasses, { provisioner: 'x.io/p', metadata: { annotations } });
  assert.equal(storageClasses.columns[0]!.value(storage, 0), 'a (default)');
  assert.deepEqual(cellsOf(storageClasses, storage), ['x.io/p', 'Delete', 'Immediate', false]);
  const driver = made(csiDrivers, {});
  assert.equal(driver.spec.fsGroupPolicy, 'ReadWriteOnceWithFSType');
  assert.deepEqual(cellsOf(csiDrivers, driver), [true, false, false, '<unset>', false, 'Persistent']);
  assert.deepEqual(
    cellsOf(csiNodes, made(csiNodes, { spec: { drivers: [{ name: 'a', nodeID: 'n' }] } })),
    [1],
  );
  const spec = { attacher: 'x.io', nodeName: 'n', source: { persistentVolumeName: 'pv' } };
  assert.deepEqual(cellsOf(volumeAttachments, made(volumeAttachments, { spec })), ['x.io', 'pv', 'n', false]);
  assert.deepEqual(storageClasses.rules.immutable, [
    'parameters',
    'provisioner',
    'reclaimPolicy',
    'volumeBindingMode',
  ]);
});

test('what is wrong is named by its field', () => {
  refuses([
    [storageClasses, { provisioner: '' }, 'provisioner: Required value'],
    [
      storageClasses,
      { provisioner: 'x', reclaimPolicy: 'Recycle' },
      'reclaimPolicy: Unsupported value: "Recycle": supported values: "Delete", "Retain"',
    ],
    [
      storageClasses,
      { provisioner: 'x', allowedTopologies: [{ matchLabelExpressions: [{ key: 'zone', values: [] }] }] },
      'allowedTopologies[0].matchLabelExpressions[0].values: Required value',
    ],
    [
      volumeAttributesClasses,
      { driverName: 'x', parameters: {} },
      'parameters: Required value: must contain at least one key/value pair',
    ],
    [
      csiDrivers,
      { spec: { serviceAccountTokenInSecrets: true } },
      'spec.serviceAccountTokenInSecrets: Invalid value: true: serviceAccountTokenInSecrets is set but no tokenRequests are specified',
    ],
    [csiNodes, { spec: { drivers: [{ name: 'x', nodeID: '' }] } }, 'spec.drivers[0].nodeID: Required value'],
    [
      csiNodes,
      {
        spec: {
          drivers: [
            { name: 'x', nodeID: 'n' },
            { name: 'x', nodeID: 'n' },
          ],
        },
      },
      'spec.drivers[1].name: Duplicate value: "x"',
    ],
    [csiStorageCapacities, {}, 'storageClassName: Required value'],
    [
      volumeAttachments,
      { spec: { attacher: 'x', nodeName: 'n', source: {} } },
      'spec.source: Required value: must specify exactly one of inlineVolumeSpec and persistentVolumeName',
    ],
  ]);
});
