import { kind } from '../define.ts';
import type { ServiceAccount } from './v1.gen.ts';

export const serviceAccounts = kind<ServiceAccount>({
  facts: 'v1 ServiceAccount',
});
