import { kind } from '../define.ts';
import type { ResourceSlice } from './v1.gen.ts';

export const resourceSlices = kind<ResourceSlice>({
  facts: 'resource.k8s.io/v1 ResourceSlice',
});
