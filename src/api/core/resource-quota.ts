import { kind } from '../define.ts';
import type { ResourceQuota } from './v1.gen.ts';

export const resourceQuotas = kind<ResourceQuota>({
  facts: 'v1 ResourceQuota',
});
