import { kind } from '../define.ts';
import type { ReplicationController } from './v1.gen.ts';

export const replicationControllers = kind<ReplicationController>({
  facts: 'v1 ReplicationController',
});
