// What the parts of one kubelet share.
import type { Node, Pod, Service } from '../api/core/v1.gen.ts';
import type { RuntimeClass } from '../api/node/v1.gen.ts';
import type { Client, Informer, Informers } from '../client/client.ts';
import type { EventRecorder } from '../client/events.ts';
import type { ContainerRuntime } from '../cri/cri.ts';
import type { Clock, Random } from '../machinery/clock.ts';
import type { Fields, Log } from '../machinery/log.ts';
import type { Step, Tracer } from '../machinery/trace.ts';
import type { ImageVolumeCounts } from './api.ts';
import type { Backoff } from './backoff.ts';
import type { Resolver } from './dns-config.ts';
import type { Host, Machine } from './host.ts';
import type { ObjectCache } from './object-cache.ts';
import { containerFieldPath } from './pod-spec.ts';

export interface PodName {
  namespace: string;
  name: string;
  uid: string;
}

export interface KubeletConfig {
  nodeName: string;
  /** The node's addresses: one, or one of each family, the main one first. */
  nodeIPs: string[];
  clusterDNS: string[];
  clusterDomain: string;
  /** Prefix of the pods' cgroups: '' for /kubepods. */
  cgroupRoot: string;
  maxPods: number;
}

export interface Parts {
  client: Client;
  informers: Informers;
  clock: Clock;
  random: Random;
  log: Log;
  trace: Tracer;
  runtime: ContainerRuntime;
  host: Host;
  machine: Machine;
  /** The node's own resolver, read at start. */
  resolver: Resolver;
  config: KubeletConfig;
  events: EventRecorder;
  objects: ObjectCache;
  pods: Informer<Pod>;
  services: Informer<Service>;
  runtimeClasses: Informer<RuntimeClass>;
  /** Our own node, as the cache has it. */
  node(): Node | undefined;
  crashBackoff: Backoff;
  /** What became of image volumes. */
  imageVolumes?: ImageVolumeCounts;
}

export const podNameOf = (pod: Pod): PodName => ({
  namespace: pod.metadata.namespace!,
  name: pod.metadata.name!,
  uid: pod.metadata.uid!,
});

/** Notes a step in the pod's way. */
export function traced(
  { trace, clock }: Pick<Parts, 'trace' | 'clock'>,
  { namespace, name, uid }: PodName,
  step: Step,
  event: string,
  detail?: Fields,
): void {
  const at = clock.now();
  trace.record({ at, step, component: 'kubelet', event, resource: 'pods', namespace, name, uid, detail });
}

/** Tells an event about a pod, or about one of its containers. */
export function tell(
  { events }: Pick<Parts, 'events'>,
  pod: Pod,
  type: 'Normal' | 'Warning',
  reason: string,
  message: string,
  container?: string,
): void {
  const about = { ...pod, kind: 'Pod', apiVersion: 'v1' };
  events.event(about, type, reason, message, container ? containerFieldPath(pod, container) : undefined);
}
