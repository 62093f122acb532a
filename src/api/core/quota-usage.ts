// What objects use up of a ResourceQuota. https://kubernetes.io/docs/concepts/policy/resource-quotas/
import type { AnyObject, KubeObject } from '../../machinery/meta.ts';
import { addQuantities, compareQuantity } from '../../machinery/quantity.ts';
import type { Container, PersistentVolumeClaim, Pod, ResourceQuota, Service } from './v1.gen.ts';

/** Amounts by resource name, as quantities. */
export type Usage = Record<string, string>;

export const addUsage = (a: Usage, b: Usage): Usage => {
  const sum = { ...a };
  for (const name in b) sum[name] = addQuantities(sum[name], b[name]);
  return sum;
};

function atLeast(a: Usage, b: Usage): Usage {
  const max = { ...a };
  for (const name in b) if (compareQuantity(max[name], b[name]) < 0) max[name] = b[name]!;
  return max;
}

function amounts({ spec }: Pod, sort: 'requests' | 'limits'): Usage {
  const of = (c: Container): Usage => c.resources?.[sort] ?? {};
  let total = spec.containers.map(of).reduce(addUsage, {});
  let sidecars: Usage = {};
  let peak: Usage = {};
  for (const container of spec.initContainers ?? []) {
    if (container.restartPolicy === 'Always') {
      sidecars = addUsage(sidecars, of(container));
      peak = atLeast(peak, sidecars);
    } else peak = atLeast(peak, addUsage(of(container), sidecars));
  }
  total = atLeast(addUsage(total, sidecars), peak);
  const whole = spec.resources?.[sort];
  if (whole) total = { ...total, ...whole };
  const known = sort === 'requests' ? spec.overhead : undefined;
  return known ? addUsage(total, known) : total;
}

const plainToo = new Set(['cpu', 'memory', 'ephemeral-storage']);

/** A pod that ended uses nothing any more, nor does one that should have gone by now. */
function isUsing({ metadata, status }: Pod, nowMs: number): boolean {
  if (status?.phase === 'Succeeded' || status?.phase === 'Failed') return false;
  const { deletionTimestamp, deletionGracePeriodSeconds } = metadata;
  if (!deletionTimestamp || deletionGracePeriodSeconds === undefined) return true;
  return Date.parse(deletionTimestamp) > nowMs;
}

function podUsage(pod: Pod, nowMs: number): Usage {
  if (!isUsing(pod, nowMs)) return {};
  const usage: Usage = { pods: '1' };
  for (const [name, n] of Object.entries(amounts(pod, 'requests'))) {
    if (plainToo.has(name) || name.startsWith('hugepages-')) usage[name] = n;
    usage[`requests.${name}`] = n;
  }
  for (const [name, n] of Object.entries(amounts(pod, 'limits')))
    if (plainToo.has(name)) usage[`limits.${name}`] = n;
  return usage;
}

function claimUsage({ spec, metadata }: PersistentVolumeClaim): Usage {
  const usage: Usage = { persistentvolumeclaims: '1' };
  const storage = spec.resources?.requests?.storage;
  if (storage) usage['requests.storage'] = storage;
  const name = spec.storageClassName ?? metadata.annotations?.['volume.beta.kubernetes.io/storage-class'];
  if (!name) return usage;
  const prefix = `${name}.storageclass.storage.k8s.io`;
  usage[`${prefix}/persistentvolumeclaims`] = '1';
  if (storage) usage[`${prefix}/requests.storage`] = storage;
  return usage;
}

function serviceUsage({ spec }: Service): Usage {
  const balanced = spec.type === 'LoadBalancer';
  const ports = (spec.ports ?? []).length;
  const allocated = balanced && spec.allocateLoadBalancerNodePorts === false;
  const nodePorts = allocated
    ? (spec.ports ?? []).filter((p) => p.nodePort).length
    : balanced || spec.type === 'NodePort'
      ? ports
      : 0;
  return {
    services: '1',
    ...(nodePorts > 0 ? { 'services.nodeports': String(nodePorts) } : {}),
    ...(balanced ? { 'services.loadbalancers': '1' } : {}),
  };
}

const countedByName = new Set(['configmaps', 'secrets', 'replicationcontrollers', 'resourcequotas']);

/** What one object uses; `resource` is its plural name with its group: `pods`, `deployments.apps`. */
export function usageOf(resource: string, object: KubeObject, nowMs: number): Usage {
  const count: Usage = { [`count/${resource}`]: '1' };
  if (resource === 'pods') return { ...count, ...podUsage(object as Pod, nowMs) };
  if (resource === 'persistentvolumeclaims')
    return { ...count, ...claimUsage(object as PersistentVolumeClaim) };
  if (resource === 'services') return { ...count, ...serviceUsage(object as Service) };
  return countedByName.has(resource) ? { ...count, [resource]: '1' } : count;
}

/** The resource whose objects a name in `spec.hard` counts. */
export function countedResource(name: string): string {
  if (name.startsWith('count/')) return name.slice('count/'.length);
  if (name.includes('storageclass.storage.k8s.io/') || name === 'requests.storage')
    return 'persistentvolumeclaims';
  if (name.startsWith('services.')) return 'services';
  const own = ['persistentvolumeclaims', 'services', ...countedByName];
  return own.includes(name) ? name : 'pods';
}

function isBestEffort({ spec }: Pod): boolean {
  return [...spec.containers, ...(spec.initContainers ?? [])].every(
    ({ resources }) =>
      Object.keys(resources?.requests ?? {}).length === 0 &&
      Object.keys(resources?.limits ?? {}).length === 0,
  );
}

function crossesNamespaces({ spec }: Pod): boolean {
  const { podAffinity, podAntiAffinity } = spec.affinity ?? {};
  const terms = [podAffinity, podAntiAffinity].flatMap((a) => [
    ...(a?.requiredDuringSchedulingIgnoredDuringExecution ?? []),
    ...(a?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map((t) => t.podAffinityTerm),
  ]);
  return terms.some((t) => (t.namespaces?.length ?? 0) > 0 || t.namespaceSelector !== undefined);
}

/** The value of a scope for an object: a boolean, or a text that the scope's values are compared with. */
function scopeValue(scope: string, resource: string, object: AnyObject): boolean | string | undefined {
  if (scope === 'VolumeAttributesClass') {
    return resource === 'persistentvolumeclaims' ? (object.spec?.volumeAttributesClassName ?? '') : undefined;
  }
  if (resource !== 'pods') return undefined;
  const pod = object as Pod;
  const terminating = pod.spec.activeDeadlineSeconds !== undefined;
  switch (scope) {
    case 'Terminating':
      return terminating;
    case 'NotTerminating':
      return !terminating;
    case 'BestEffort':
      return isBestEffort(pod);
    case 'NotBestEffort':
      return !isBestEffort(pod);
    case 'CrossNamespacePodAffinity':
      return crossesNamespaces(pod);
    case 'PriorityClass':
      return pod.spec.priorityClassName ?? '';
    default:
      return undefined;
  }
}

/** Whether a quota is about this object at all. */
export function quotaApplies({ spec }: ResourceQuota, resource: string, object: KubeObject): boolean {
  const selectors = [
    ...(spec.scopes ?? []).map((scopeName) => ({ scopeName, operator: 'Exists', values: [] as string[] })),
    ...(spec.scopeSelector?.matchExpressions ?? []),
  ];
  return selectors.every(({ scopeName, operator, values = [] }) => {
    const value = scopeValue(scopeName, resource, object);
    if (value === undefined) return false;
    if (typeof value === 'boolean') return operator === 'DoesNotExist' ? !value : value;
    if (operator === 'In') return values.includes(value);
    if (operator === 'NotIn') return !values.includes(value);
    return (value !== '') === (operator === 'Exists');
  });
}
