import { field } from '../../machinery/status.ts';
import { isExtendedResource } from '../core/resource-validation.ts';
import { kind } from '../define.ts';
import { configurationErrors, listErrors, selectorsErrors } from './device-validation.ts';
import type { DeviceClass } from './v1.gen.ts';

const SPEC = field('spec');
const MAX_CONFIGS = 32;

export const deviceClasses = kind<DeviceClass>({
  facts: 'resource.k8s.io/v1 DeviceClass',
  defaults(deviceClass) {
    deviceClass.spec ??= {};
  },
  validate: ({ spec }) => [
    ...selectorsErrors(spec.selectors, SPEC.child('selectors')),
    ...listErrors(spec.config, MAX_CONFIGS, SPEC.child('config'), configurationErrors),
    ...(spec.extendedResourceName !== undefined && !isExtendedResource(spec.extendedResourceName)
      ? [
          SPEC.child('extendedResourceName').invalid(
            spec.extendedResourceName,
            'must be a valid extended resource name',
          ),
        ]
      : []),
  ],
  generation: 'spec',
});
