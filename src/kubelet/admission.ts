// Whether this node takes a pod that was bound to it. The scheduler has asked the same, but others may bind, and time passes.
import type { Node, Pod } from '../api/core/v1.gen.ts';
import { integerValue, milliValue } from '../machinery/quantity.ts';
import { podRequests } from './pod-resources.ts';
import { isTerminalPhase } from './pod-spec.ts';

export interface Rejection {
  reason: string;
  message: string;
}

const reject = (reason: string, why: string): Rejection => ({ reason, message: `Pod was rejected: ${why}` });

/** Sysctls of namespaces of their own, which cannot disturb other pods. */
const safeSysctls = [
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.ping_group_range',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_wmem',
];

function resourcesFit(pod: Pod, others: Pod[], node: Node): Rejection | undefined {
  const allocatable = node.status?.allocatable ?? {};
  const most = integerValue(allocatable.pods);
  const lacks = (resource: string, requested: number, used: number, capacity: number) =>
    reject(
      `OutOf${resource}`,
      `Node didn't have enough resource: ${resource}, requested: ${requested}, used: ${used}, capacity: ${capacity}`,
    );
  if (others.length + 1 > most) return lacks('pods', 1, others.length, most);
  const used = others.map(podRequests);
  for (const [resource, quantity] of Object.entries(podRequests(pod))) {
    const amount = resource === 'cpu' ? milliValue : integerValue;
    const requested = amount(quantity);
    const sum = used.reduce((total, requests) => total + amount(requests[resource]), 0);
    const capacity = amount(allocatable[resource]);
    if (requested > 0 && sum + requested > capacity) return lacks(resource, requested, sum, capacity);
  }
  return undefined;
}

function portsFit(pod: Pod, others: Pod[]): Rejection | undefined {
  const portsOf = ({ spec }: Pod) =>
    spec!.containers.flatMap(({ ports = [] }) =>
      ports
        .filter(({ hostPort }) => hostPort)
        .map((p) => ({ ip: p.hostIP || '0.0.0.0', port: p.hostPort!, protocol: p.protocol ?? 'TCP' })),
    );
  const taken = others.flatMap(portsOf);
  const clash = portsOf(pod).some((wanted) =>
    taken.some(
      ({ ip, port, protocol }) =>
        port === wanted.port &&
        protocol === wanted.protocol &&
        (ip === wanted.ip || [ip, wanted.ip].includes('0.0.0.0')),
    ),
  );
  return clash
    ? reject(
        'NodePorts',
        "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports",
      )
    : undefined;
}

/** undefined when the node takes it. `others`: pods that the node has taken and that are not done. */
export function admit(pod: Pod, others: Pod[], node: Node): Rejection | undefined {
  for (const { name } of pod.spec!.securityContext?.sysctls ?? [])
    if (!safeSysctls.includes(name.replaceAll('/', '.')))
      return { reason: 'SysctlForbidden', message: `forbidden sysctl: "${name}" not allowlisted` };
  const labels = node.metadata.labels ?? {};
  for (const [key, value] of Object.entries(pod.spec!.nodeSelector ?? {}))
    if (labels[key] !== value)
      return reject(
        'NodeAffinity',
        "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
      );
  return portsFit(pod, others) ?? resourcesFit(pod, others, node);
}

/** Pods that hold resources of the node. */
export const isActive = (pod: Pod): boolean => !isTerminalPhase(pod.status?.phase);
