import { kind } from '../define.ts';
import type { CSIStorageCapacity } from './v1.gen.ts';

export const csiStorageCapacities = kind<CSIStorageCapacity>({
  facts: 'storage.k8s.io/v1 CSIStorageCapacity',
});
