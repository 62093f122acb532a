import { kind } from '../define.ts';
import type { EndpointSlice } from './v1.gen.ts';

export const endpointSlices = kind<EndpointSlice>({
  facts: 'discovery.k8s.io/v1 EndpointSlice',
});
