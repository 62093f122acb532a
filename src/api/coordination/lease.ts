import { kind } from '../define.ts';
import type { Lease } from './v1.gen.ts';

export const leases = kind<Lease>({
  facts: 'coordination.k8s.io/v1 Lease',
});
