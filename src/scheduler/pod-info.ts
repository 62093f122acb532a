import type { NodeSelectorTerm, Pod } from '../api/core/v1.gen.ts';
import { keyOf } from '../machinery/meta.ts';
import { podRequests, type Resources } from './resources.ts';
import { type AffinityTerm, affinityTerm } from './terms.ts';

export interface HostPort {
  /** `TCP/8080` */
  port: string;
  ip: string;
}

export interface PodInfo {
  pod: Pod;
  key: string;
  uid: string;
  namespace: string;
  name: string;
  labels: Record<string, string>;
  priority: number;
  terminating: boolean;
  requests: Resources;
  scored: Resources;
  hostPorts: HostPort[];
  nodeSelector: Record<string, string> | undefined;
  /** Alternatives; undefined where any node will do. */
  nodeTerms: NodeSelectorTerm[] | undefined;
  requiredAffinity: AffinityTerm[];
  requiredAntiAffinity: AffinityTerm[];
  preferredAffinity: AffinityTerm[];
  preferredAntiAffinity: AffinityTerm[];
}

const none: never[] = [];
const parsed = new WeakMap<Pod, PodInfo>();

/** Parses a pod once: objects in caches are frozen, so what was parsed of one stays true. */
export function podInfo(pod: Pod): PodInfo {
  let info = parsed.get(pod);
  if (!info) parsed.set(pod, (info = parse(pod)));
  return info;
}

function parse(pod: Pod): PodInfo {
  const { metadata, spec } = pod;
  const { nodeAffinity, podAffinity, podAntiAffinity } = spec.affinity ?? {};
  return {
    pod,
    key: keyOf(pod),
    uid: metadata.uid!,
    namespace: metadata.namespace ?? '',
    name: metadata.name!,
    labels: metadata.labels ?? {},
    priority: spec.priority ?? 0,
    terminating: !!metadata.deletionTimestamp,
    ...podRequests(pod),
    hostPorts: hostPorts(pod),
    nodeSelector: spec.nodeSelector,
    nodeTerms: nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms,
    requiredAffinity:
      podAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.map((t) => affinityTerm(pod, t)) ?? none,
    requiredAntiAffinity:
      podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.map((t) => affinityTerm(pod, t)) ??
      none,
    preferredAffinity:
      podAffinity?.preferredDuringSchedulingIgnoredDuringExecution?.map((t) =>
        affinityTerm(pod, t.podAffinityTerm, t.weight),
      ) ?? none,
    preferredAntiAffinity:
      podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution?.map((t) =>
        affinityTerm(pod, t.podAffinityTerm, -t.weight),
      ) ?? none,
  };
}

function hostPorts(pod: Pod): HostPort[] {
  let ports: HostPort[] = none;
  const sidecars = pod.spec.initContainers?.filter((c) => c.restartPolicy === 'Always') ?? none;
  for (const container of [...pod.spec.containers, ...sidecars])
    for (const { hostPort, hostIP, protocol } of container.ports ?? none) {
      if (!hostPort) continue;
      if (ports === none) ports = [];
      ports.push({ port: `${protocol ?? 'TCP'}/${hostPort}`, ip: hostIP || '0.0.0.0' });
    }
  return ports;
}
