import { replicationControllers } from '../../api/core/replication-controller.ts';
import type { ReplicationController } from '../../api/core/v1.gen.ts';
import { mapSelectorMatches } from '../../machinery/selectors.ts';
import { controller } from '../runtime/controller.ts';
import { replicas } from './replicas.ts';

/** A ReplicaSet with an older kind of selector. */
export const replicationControllerController = controller(
  replicas<ReplicationController>({
    name: 'replicationcontroller',
    component: 'replication-controller',
    kind: replicationControllers,
    selects: (rc, labels) => mapSelectorMatches(rc.spec.selector, labels),
  }),
);
