import { addQuantities, canonicalQuantity, integerValue, milliValue } from '../../machinery/quantity.ts';
import { isForbidden, isStatusError } from '../../machinery/status.ts';
import { age } from '../printers/duration.ts';
import { leases, pods } from '../resources.ts';
import { type Describer, describeEvents, listAll, subjectOf } from './describer.ts';
import { type Description, dateText, sortedPairs } from './description.ts';
import { podAmounts } from './pod-amounts.ts';

const roleLabel = 'node-role.kubernetes.io/';

/** `control-plane,worker`, or `<none>`. */
export function rolesText(labels: Record<string, string> = {}): string {
  const roles = new Set<string>();
  for (const [key, value] of Object.entries(labels)) {
    if (key.startsWith(roleLabel) && key.length > roleLabel.length) roles.add(key.slice(roleLabel.length));
    else if (key === 'kubernetes.io/role' && value) roles.add(value);
  }
  return [...roles].sort().join(',') || '<none>';
}

export const taintText = ({ key, value, effect }: any): string =>
  `${key}${value ? `=${value}` : ''}${effect ? `:${effect}` : ''}`;

export const describeNode: Describer = async (d, node, tools) => {
  const { metadata, spec = {}, status = {} } = node;
  d.field('Name', metadata.name);
  d.field('Roles', rolesText(metadata.labels));
  d.labels('Labels', metadata.labels);
  d.annotations('Annotations', metadata.annotations);
  d.field('CreationTimestamp', dateText(metadata.creationTimestamp));
  const order = (taint: any): string => `${taint.effect},${taint.key}`;
  d.list(
    'Taints',
    (spec.taints ?? []).toSorted((a: any, b: any) => (order(a) < order(b) ? -1 : 1)).map(taintText),
  );
  d.field('Unschedulable', spec.unschedulable === true);
  try {
    const { spec: lease = {} } = await tools.kube.get({
      resource: leases,
      namespace: 'kube-node-lease',
      name: metadata.name,
    });
    d.line(0, 'Lease:');
    d.field('HolderIdentity', lease.holderIdentity ?? '<unset>', 1);
    d.field('AcquireTime', lease.acquireTime ? dateText(lease.acquireTime) : '<unset>', 1);
    d.field('RenewTime', lease.renewTime ? dateText(lease.renewTime) : '<unset>', 1);
  } catch (error) {
    if (!isStatusError(error)) throw error;
    d.field('Lease', `Failed to get lease: ${error.message}`);
  }
  if (status.conditions?.length) {
    d.raw('Conditions:\n  Type\tStatus\tLastHeartbeatTime\tLastTransitionTime\tReason\tMessage\n');
    d.line(1, '----\t------\t-----------------\t------------------\t------\t-------');
    for (const c of status.conditions)
      d.line(
        1,
        `${c.type} \t${c.status} \t${dateText(c.lastHeartbeatTime)} \t${dateText(c.lastTransitionTime)} \t${c.reason ?? ''} \t${c.message ?? ''}`,
      );
  }
  d.line(0, 'Addresses:');
  for (const { type, address } of status.addresses ?? []) d.field(type, address, 1);
  amounts(d, 'Capacity', status.capacity);
  amounts(d, 'Allocatable', status.allocatable);
  systemInfo(d, status.nodeInfo ?? {});
  if (spec.podCIDR) d.field('PodCIDR', spec.podCIDR);
  if (spec.podCIDRs?.length) d.field('PodCIDRs', spec.podCIDRs.join(','));
  if (spec.providerID) d.field('ProviderID', spec.providerID);
  try {
    const fieldSelector = `spec.nodeName=${metadata.name},status.phase!=Failed,status.phase!=Succeeded`;
    nodePods(d, await listAll(tools, pods, undefined, { fieldSelector }), node, tools.nowMs);
  } catch (error) {
    if (!isForbidden(error)) throw error;
    d.field('Pods', 'not authorized');
  }
  // The kubelet's events carry the node's name for its uid.
  await describeEvents(d, node, tools, [subjectOf(node), { ...subjectOf(node), uid: metadata.name }]);
};

function amounts(d: Description, title: string, list: Record<string, string> | undefined): void {
  const pairs = sortedPairs(list);
  if (!pairs.length) return;
  d.line(0, `${title}:`);
  for (const [name, value] of pairs) d.field(name, canonicalQuantity(value), 1);
}

function systemInfo(d: Description, info: any): void {
  d.line(0, 'System Info:');
  for (const [label, key] of [
    ['Machine ID', 'machineID'],
    ['System UUID', 'systemUUID'],
    ['Boot ID', 'bootID'],
    ['Kernel Version', 'kernelVersion'],
    ['OS Image', 'osImage'],
    ['Operating System', 'operatingSystem'],
    ['Architecture', 'architecture'],
    ['Container Runtime Version', 'containerRuntimeVersion'],
    ['Kubelet Version', 'kubeletVersion'],
    ['Kube-Proxy Version', 'kubeProxyVersion'],
  ] as const)
    d.field(label, info[key] ?? '', 1);
}

type Amounts = Record<string, string>;

/** `250m (12%)`. */
function share(
  amount: string | undefined,
  of: string | undefined,
  measure: (q: string | undefined) => number,
): string {
  const whole = measure(of);
  const percent = whole === 0 ? 0 : Math.trunc((measure(amount) / whole) * 100);
  return `${canonicalQuantity(amount ?? '0')} (${percent}%)`;
}

const standard = new Set(['cpu', 'memory', 'ephemeral-storage', 'pods']);

function nodePods(d: Description, list: any[], { status = {} }: any, nowMs: number): void {
  const available: Amounts =
    status.allocatable && Object.keys(status.allocatable).length
      ? status.allocatable
      : (status.capacity ?? {});
  d.line(0, `Non-terminated Pods:\t(${list.length} in total)`);
  d.line(1, 'Namespace\tName\t\tCPU Requests\tCPU Limits\tMemory Requests\tMemory Limits\tAge');
  d.line(1, '---------\t----\t\t------------\t----------\t---------------\t-------------\t---');
  const total: { requests: Amounts; limits: Amounts } = { requests: {}, limits: {} };
  for (const pod of list) {
    const requests = podAmounts(pod, 'requests');
    const limits = podAmounts(pod, 'limits');
    const cells = [
      share(requests.cpu, available.cpu, milliValue),
      share(limits.cpu, available.cpu, milliValue),
      share(requests.memory, available.memory, integerValue),
      share(limits.memory, available.memory, integerValue),
      age(pod.metadata.creationTimestamp, nowMs),
    ];
    d.line(1, `${pod.metadata.namespace}\t${pod.metadata.name}\t\t${cells.join('\t')}`);
    for (const [sum, more] of [
      [total.requests, requests],
      [total.limits, limits],
    ] as const)
      for (const [name, value] of Object.entries(more)) sum[name] = addQuantities(sum[name], value);
  }
  d.raw('Allocated resources:\n  (Total limits may be over 100 percent, i.e., overcommitted.)\n');
  d.line(1, 'Resource\tRequests\tLimits');
  d.line(1, '--------\t--------\t------');
  const row = (name: string, measure: typeof milliValue) =>
    d.line(
      1,
      `${name}\t${share(total.requests[name], available[name], measure)}\t${share(total.limits[name], available[name], measure)}`,
    );
  row('cpu', milliValue);
  row('memory', integerValue);
  row('ephemeral-storage', integerValue);
  const names = Object.keys(available).sort();
  for (const name of names.filter((n) => n.startsWith('hugepages-'))) row(name, integerValue);
  for (const name of names.filter((n) => !standard.has(n) && !n.startsWith('hugepages-')))
    d.line(
      1,
      `${name}\t${canonicalQuantity(total.requests[name] ?? '0')}\t${canonicalQuantity(total.limits[name] ?? '0')}`,
    );
}
