import { field } from '../../machinery/status.ts';
import { present } from '../checks.ts';
import { kind } from '../define.ts';
import { selectorsErrors } from './device-requests.ts';
import type { DeviceClass } from './v1.gen.ts';

const SPEC = field('spec');

export const deviceClasses = kind<DeviceClass>({
  facts: 'resource.k8s.io/v1 DeviceClass',
  generation: 'spec',
  validate: ({ spec }) => [
    ...selectorsErrors(spec?.selectors, SPEC),
    ...(spec?.config ?? []).flatMap(({ opaque }, i) =>
      opaque
        ? present(opaque.driver, SPEC.child('config', i, 'opaque', 'driver'))
        : [SPEC.child('config', i, 'opaque').required()],
    ),
  ],
});
