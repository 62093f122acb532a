import type { Controller } from '../runtime/environment.ts';
import { deploymentController } from './deployment/deployment.ts';
import { replicaSetController } from './replica-set.ts';
import { replicationControllerController } from './replication-controller.ts';

/** All controllers, in the order in which they start. */
export const controllers: Controller[] = [
  deploymentController,
  replicaSetController,
  replicationControllerController,
];
