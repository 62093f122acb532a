import { kind } from '../define.ts';
import type { CSIDriver } from './v1.gen.ts';

export const csiDrivers = kind<CSIDriver>({
  facts: 'storage.k8s.io/v1 CSIDriver',
});
