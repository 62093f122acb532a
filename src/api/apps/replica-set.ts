import { kind } from '../define.ts';
import type { ReplicaSet } from './v1.gen.ts';

export const replicaSets = kind<ReplicaSet>({
  facts: 'apps/v1 ReplicaSet',
});
