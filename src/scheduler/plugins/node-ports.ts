import { fits, notNow, plugin, skip } from '../framework.ts';

const rejection = notNow("node(s) didn't have free ports for the requested pod ports");

/** Host ports are free. */
export const nodePorts = plugin({
  name: 'NodePorts',
  wakeOn: ['node/add', 'pod/delete'],
  preFilter: ({ hostPorts }) => (hostPorts.length > 0 ? undefined : skip),
  filter: ({ hostPorts }, node) => (hostPorts.every((port) => node.portIsFree(port)) ? fits : rejection),
});
