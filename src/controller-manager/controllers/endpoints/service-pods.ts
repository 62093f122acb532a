import { pods } from '../../../api/core/pod.ts';
import { services } from '../../../api/core/service.ts';
import type { Pod, Service, ServicePort } from '../../../api/core/v1.gen.ts';
import { equal, keyOf } from '../../../machinery/meta.ts';
import { mapSelectorMatches } from '../../../machinery/selectors.ts';
import { watch } from '../../runtime/controller.ts';
import type { Cache } from '../../runtime/environment.ts';
import { isReady, isTerminal } from '../pod-state.ts';

export type AddressType = 'IPv4' | 'IPv6';

export const familyOf = (ip: string): AddressType => (ip.includes(':') ? 'IPv6' : 'IPv4');

export const addressOf = (pod: Pod, family: AddressType): string | undefined =>
  [...(pod.status?.podIPs ?? []), ...(pod.status?.podIP ? [{ ip: pod.status.podIP }] : [])].find(
    ({ ip }) => ip && familyOf(ip) === family,
  )?.ip;

/** Services whose endpoints we make: a selector says which pods, and they are addresses at all. */
export const isSelecting = (service: Service): boolean =>
  service.spec.type !== 'ExternalName' && Object.keys(service.spec.selector ?? {}).length > 0;

export const isHeadless = (service: Service): boolean => service.spec.clusterIP === 'None';

export const podsOf = (service: Service, cache: Cache): Pod[] =>
  isSelecting(service)
    ? cache
        .of(pods)
        .list(service.metadata.namespace)
        .filter((pod) => mapSelectorMatches(service.spec.selector, pod.metadata.labels))
    : [];

/** What endpoints depend on of a pod; most updates change none of it. */
const relevant = (pod: Pod) => [
  pod.metadata.labels,
  !!pod.metadata.deletionTimestamp,
  isReady(pod),
  isTerminal(pod),
  pod.status?.podIPs,
  pod.status?.podIP,
  pod.spec.nodeName,
];

/** Wakes the services that select a pod, or did before it changed. */
export const watchServicePods = watch(pods, (pod, cache, { old }) => {
  if (old && equal(relevant(old), relevant(pod))) return [];
  return cache
    .of(services)
    .list(pod.metadata.namespace)
    .filter(
      ({ spec }) =>
        mapSelectorMatches(spec.selector, pod.metadata.labels) ||
        (!!old && mapSelectorMatches(spec.selector, old.metadata.labels)),
    )
    .map(keyOf);
});

/** The number that a service's port has on this pod: a name may mean different numbers on different pods. */
export function targetPort(pod: Pod, port: ServicePort): number | undefined {
  const target = port.targetPort || port.port;
  if (typeof target === 'number') return target;
  if (/^\d+$/.test(target)) return Number(target);
  const sidecars = (pod.spec.initContainers ?? []).filter((c) => c.restartPolicy === 'Always');
  for (const container of [...pod.spec.containers, ...sidecars])
    for (const p of container.ports ?? [])
      if (p.name === target && (p.protocol ?? 'TCP') === (port.protocol ?? 'TCP')) return p.containerPort;
  return undefined;
}

/** A pod that has a host name within a headless service's domain is found by that name. */
export const hostnameOf = (pod: Pod, service: Service): string | undefined =>
  pod.spec.hostname && pod.spec.subdomain === service.metadata.name ? pod.spec.hostname : undefined;

export const podReference = (pod: Pod) => ({
  kind: 'Pod',
  namespace: pod.metadata.namespace,
  name: pod.metadata.name,
  uid: pod.metadata.uid,
});

/** When what we publish came to be: the newest change of readiness among the pods, or the service itself. */
export function triggerTime(service: Service, among: Pod[]): string | undefined {
  const times = among.flatMap(
    (pod) => pod.status?.conditions?.find((c) => c.type === 'Ready')?.lastTransitionTime ?? [],
  );
  return [service.metadata.creationTimestamp ?? '', ...times].sort().at(-1) || undefined;
}

export const triggerAnnotation = 'endpoints.kubernetes.io/last-change-trigger-time';
export const headlessLabel = 'service.kubernetes.io/headless';
