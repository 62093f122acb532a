import { kind } from '../define.ts';
import type { ServiceCIDR } from './v1.gen.ts';

export const serviceCIDRs = kind<ServiceCIDR>({
  facts: 'networking.k8s.io/v1 ServiceCIDR',
});
