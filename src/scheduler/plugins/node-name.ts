import { fits, never, plugin, skip } from '../framework.ts';

/** A pod that names its node goes there or nowhere. */
export const nodeName = plugin({
  name: 'NodeName',
  wakeOn: ['node/add'],
  preFilter: (pod) => (pod.pod.spec.nodeName ? undefined : skip),
  filter: (pod, node) =>
    pod.pod.spec.nodeName === node.name ? fits : never("node(s) didn't match the requested node name"),
});
