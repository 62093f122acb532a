import { kind } from '../define.ts';
import type { DeviceClass } from './v1.gen.ts';

export const deviceClasses = kind<DeviceClass>({
  facts: 'resource.k8s.io/v1 DeviceClass',
});
