// Nodes and pods for this folder's tests and benchmark.
import type { Node, Pod, PodSpec } from '../api/core/v1.gen.ts';
import type { LabelSelector } from '../machinery/meta.gen.ts';
import { SchedulerCache } from './cache.ts';
import { Cycle } from './cycle.ts';
import type { View } from './framework.ts';
import { Nominator } from './nominator.ts';
import { plugins } from './plugins/index.ts';
import { podInfo } from './pod-info.ts';

export function makeNode(
  name: string,
  more: {
    labels?: Record<string, string>;
    spec?: Node['spec'];
    allocatable?: Record<string, string>;
    images?: any;
  } = {},
): Node {
  return {
    metadata: { name, uid: name, labels: { 'kubernetes.io/hostname': name, ...more.labels } },
    spec: more.spec ?? {},
    status: {
      allocatable: { cpu: '4', memory: '8Gi', pods: '110', ...more.allocatable },
      images: more.images,
    },
  };
}

let serial = 0;

export function makePod(
  name: string,
  spec: Partial<PodSpec> & { requests?: Record<string, string>; on?: string } = {},
  metadata: Pod['metadata'] = {},
): Pod {
  const { requests, on, ...rest } = spec;
  return {
    metadata: { name, namespace: 'default', uid: `${name}-${serial++}`, ...metadata },
    spec: {
      containers: [{ name: 'c', image: 'app', ...(requests ? { resources: { requests } } : {}) }],
      ...(on ? { nodeName: on } : {}),
      ...rest,
    },
    status: { phase: on ? 'Running' : 'Pending' },
  };
}

export interface World {
  cache: SchedulerCache;
  view: View;
  cycle: Cycle;
  nominator: Nominator;
  /** The node chosen for the pod, or the diagnosis. */
  schedule: (pod: Pod) => ReturnType<Cycle['schedule']>;
}

export function makeWorld(
  nodes: Node[],
  pods: Pod[] = [],
  options: {
    siblings?: LabelSelector;
    namespaces?: Record<string, Record<string, string>>;
    volumes?: Partial<View['volumes']>;
  } = {},
): World {
  const namespaceLabels = (name: string) => options.namespaces?.[name];
  const cache = new SchedulerCache(namespaceLabels);
  for (const node of nodes) cache.setNode(node);
  for (const pod of pods) cache.setPod(pod);
  const nothing = () => undefined;
  const volumes = {
    claim: nothing,
    volume: nothing,
    storageClass: nothing,
    candidates: () => [],
    ...options.volumes,
  };
  const view: View = { cache, namespaceLabels, siblings: () => options.siblings, volumes };
  const nominator = new Nominator();
  const cycle = new Cycle(view, plugins, nominator, () => 0.5);
  return { cache, view, cycle, nominator, schedule: (pod) => cycle.schedule(podInfo(pod)) };
}
