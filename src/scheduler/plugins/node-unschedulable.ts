import { isTolerated } from '../../api/core/node-selection.ts';
import { fits, never, plugin } from '../framework.ts';

const rejection = never('node(s) were unschedulable');
const taint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };

/** A cordoned node takes only pods that tolerate it. */
export const nodeUnschedulable = plugin({
  name: 'NodeUnschedulable',
  wakeOn: ['node/add', 'node/taints', 'pod/self'],
  filter: (pod, node) =>
    !node.unschedulable || isTolerated(pod.pod.spec.tolerations, taint) ? fits : rejection,
});
