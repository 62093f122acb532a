import { kind } from '../define.ts';
import type { PodTemplate } from './v1.gen.ts';

export const podTemplates = kind<PodTemplate>({
  facts: 'v1 PodTemplate',
});
