import { kind } from '../define.ts';
import type { IPAddress } from './v1.gen.ts';

export const ipAddresses = kind<IPAddress>({
  facts: 'networking.k8s.io/v1 IPAddress',
});
