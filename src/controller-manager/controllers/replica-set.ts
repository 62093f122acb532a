import { replicaSets } from '../../api/apps/replica-set.ts';
import type { ReplicaSet } from '../../api/apps/v1.gen.ts';
import { labelSelectorMatches } from '../../machinery/selectors.ts';
import { controller } from '../runtime/controller.ts';
import { replicas } from './replicas.ts';

/** Keeps as many pods of its template as asked for. https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/ */
export const replicaSetController = controller(
  replicas<ReplicaSet>({
    name: 'replicaset',
    kind: replicaSets,
    selects: (rs, labels) => labelSelectorMatches(rs.spec.selector, labels),
    hasTerminatingCount: true,
  }),
);
