import { labelsErrors } from '../../machinery/selectors.ts';
import { field } from '../../machinery/status.ts';
import { kind } from '../define.ts';
import { immutable } from '../meta.ts';
import { defaultDevices, devicesErrors } from './device-requests.ts';
import type { ResourceClaimTemplate } from './v1.gen.ts';

const SPEC = field('spec');

export const resourceClaimTemplates = kind<ResourceClaimTemplate>({
  facts: 'resource.k8s.io/v1 ResourceClaimTemplate',
  defaults: ({ spec }) => defaultDevices(spec?.spec?.devices),
  validate: ({ spec }) => [
    ...labelsErrors(spec?.metadata?.labels, SPEC.child('metadata', 'labels')),
    ...devicesErrors(spec?.spec?.devices, SPEC.child('spec', 'devices')),
  ],
  validateUpdate: (now, old) => immutable(now.spec, old.spec, SPEC),
});
