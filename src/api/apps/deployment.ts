import { kind } from '../define.ts';
import type { Deployment } from './v1.gen.ts';

export const deployments = kind<Deployment>({
  facts: 'apps/v1 Deployment',
});
