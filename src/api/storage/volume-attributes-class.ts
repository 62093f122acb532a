import { field } from '../../machinery/status.ts';
import { present } from '../checks.ts';
import { kind } from '../define.ts';
import { immutable } from '../meta.ts';
import { parametersErrors } from './storage-class.ts';
import type { VolumeAttributesClass } from './v1.gen.ts';

export const volumeAttributesClasses = kind<VolumeAttributesClass>({
  facts: 'storage.k8s.io/v1 VolumeAttributesClass',
  validate: ({ driverName, parameters }) => [
    ...present(driverName, field('driverName')),
    ...parametersErrors(parameters, false),
  ],
  validateUpdate: (now, old) => [
    ...immutable(now.driverName, old.driverName, field('driverName')),
    ...immutable(now.parameters, old.parameters, field('parameters')),
  ],
  columns: { DriverName: ({ driverName }) => driverName },
});
