import { kind } from '../define.ts';
import type { NetworkPolicy } from './v1.gen.ts';

export const networkPolicies = kind<NetworkPolicy>({
  facts: 'networking.k8s.io/v1 NetworkPolicy',
});
