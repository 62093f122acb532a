import { kind } from '../define.ts';
import type { ResourceClaim } from './v1.gen.ts';

export const resourceClaims = kind<ResourceClaim>({
  facts: 'resource.k8s.io/v1 ResourceClaim',
});
