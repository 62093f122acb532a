import { kind } from '../define.ts';
import type { StatefulSet } from './v1.gen.ts';

export const statefulSets = kind<StatefulSet>({
  facts: 'apps/v1 StatefulSet',
});
