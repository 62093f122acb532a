import { kind } from '../define.ts';
import type { ResourceClaimTemplate } from './v1.gen.ts';

export const resourceClaimTemplates = kind<ResourceClaimTemplate>({
  facts: 'resource.k8s.io/v1 ResourceClaimTemplate',
});
