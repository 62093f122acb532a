import { namespaces } from '../api/core/namespace.ts';
import { nodes } from '../api/core/node.ts';
import { persistentVolumes } from '../api/core/persistent-volume.ts';
import { persistentVolumeClaims } from '../api/core/persistent-volume-claim.ts';
import { pods } from '../api/core/pod.ts';
import type { Node, Pod } from '../api/core/v1.gen.ts';
import { podDisruptionBudgets } from '../api/policy/pod-disruption-budget.ts';
import type { PodDisruptionBudget } from '../api/policy/v1.gen.ts';
import { storageClasses } from '../api/storage/storage-class.ts';
import type { Informers } from '../client/client.ts';
import type { Clock } from '../machinery/clock.ts';
import type { Kind } from '../machinery/kind.ts';
import { equal } from '../machinery/meta.ts';
import { SchedulerCache } from './cache.ts';
import type { Plugin, View } from './framework.ts';
import { Nominator } from './nominator.ts';
import { type PodInfo, podInfo } from './pod-info.ts';
import { SchedulingQueue } from './queue.ts';
import { siblingsFrom } from './siblings.ts';
import { volumesOf } from './volumes.ts';

interface Options {
  informers: Informers;
  clock: Clock;
  schedulerName: string;
  plugins: Plugin[];
  onQueued: (pod: PodInfo) => void;
  onGated: (pod: PodInfo) => void;
  /** The pod is not ours to schedule any more. */
  onGone: (uid: string) => void;
}

export interface Cluster {
  view: View;
  queue: SchedulingQueue;
  nominator: Nominator;
  budgets: (namespace: string) => PodDisruptionBudget[];
  whenSynced(signal: AbortSignal): Promise<void>;
  stop(): void;
}

const hasEnded = (pod: Pod): boolean => pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';

/** Feeds cache and queue from the informers, and says what happened to pods that wait for it. */
export function watchCluster(options: Options): Cluster {
  const { informers, clock, schedulerName, plugins, onQueued, onGated, onGone } = options;
  const namespaceLabels = (name: string) => informers(namespaces).get(name)?.metadata.labels;
  const cache = new SchedulerCache(namespaceLabels);
  const queue = new SchedulingQueue(clock, plugins);
  const nominator = new Nominator();
  const volumes = volumesOf(informers);
  const view: View = { cache, volumes, namespaceLabels, siblings: siblingsFrom(informers) };
  const stops: (() => void)[] = [];

  const leaveQueue = (uid: string) => {
    queue.remove(uid);
    nominator.delete(uid);
    onGone(uid);
  };

  const enqueue = (pod: Pod) => {
    const info = podInfo(pod);
    if (pod.spec.schedulerName && pod.spec.schedulerName !== schedulerName) return;
    if (hasEnded(pod) || info.terminating) return leaveQueue(info.uid);
    // Bound by us a moment ago: the cache knows better than this version of the pod.
    if (cache.has(info.uid)) {
      if (queue.get(info.uid)) queue.set(pod);
      return;
    }
    const isNew = !queue.get(info.uid);
    const entry = queue.set(pod);
    if (pod.status?.nominatedNodeName && isNew) nominator.set(info, pod.status.nominatedNodeName);
    if (isNew) onQueued(info);
    if (entry.place === 'gated') onGated(info);
  };

  const free = (uid: string) => {
    if (cache.removePod(uid)) queue.wake('pod/delete');
  };

  const assigned = (pod: Pod, old?: Pod) => {
    const uid = pod.metadata.uid!;
    if (!old?.spec.nodeName) leaveQueue(uid);
    if (hasEnded(pod)) return free(uid);
    const isNew = !cache.has(uid) || cache.isAssumed(uid);
    cache.setPod(pod);
    if (isNew) queue.wake('pod/add');
    if (!old) return;
    const leaves = !old.metadata.deletionTimestamp && pod.metadata.deletionTimestamp;
    if (leaves || !equal(old.metadata.labels, pod.metadata.labels)) queue.wake('pod/labels');
    const [before, now] = [podInfo(old).requests, podInfo(pod).requests];
    if (now.milliCpu < before.milliCpu || now.memoryBytes < before.memoryBytes) queue.wake('pod/resize');
  };

  stops.push(
    informers(pods).on({
      add: (pod) => (pod.spec.nodeName ? assigned(pod) : enqueue(pod)),
      update: (pod, old) => (pod.spec.nodeName ? assigned(pod, old) : enqueue(pod)),
      delete(pod) {
        leaveQueue(pod.metadata.uid!);
        free(pod.metadata.uid!);
      },
    }),
    informers(nodes).on({
      add(node) {
        cache.setNode(node);
        queue.wake('node/add');
      },
      update(node: Node, old: Node) {
        cache.setNode(node);
        if (!equal(old.metadata.labels, node.metadata.labels)) queue.wake('node/labels');
        const taintsChanged =
          !!old.spec.unschedulable !== !!node.spec.unschedulable || !equal(old.spec.taints, node.spec.taints);
        if (taintsChanged) queue.wake('node/taints');
        if (!equal(old.status?.allocatable, node.status?.allocatable)) queue.wake('node/allocatable');
      },
      delete: (node) => cache.removeNode(node.metadata.name!),
    }),
    informers(namespaces).on({
      update(namespace, old) {
        if (equal(old.metadata.labels, namespace.metadata.labels)) return;
        cache.counts.namespaceChanged();
        queue.wake('namespace');
      },
    }),
  );
  const volumeChanged = () => queue.wake('volume');
  for (const kind of [persistentVolumeClaims, persistentVolumes, storageClasses] as Kind<any>[])
    stops.push(informers(kind).on({ add: volumeChanged, update: volumeChanged, delete: volumeChanged }));
  const budgets = informers(podDisruptionBudgets);

  return {
    view,
    queue,
    nominator,
    budgets: (namespace) => budgets.list(namespace),
    async whenSynced(signal) {
      const kinds = [pods, nodes, namespaces, persistentVolumeClaims, persistentVolumes, storageClasses];
      await Promise.all(
        [...kinds, podDisruptionBudgets].map((kind) => informers(kind as typeof pods).whenSynced(signal)),
      );
    },
    stop() {
      for (const stop of stops) stop();
      queue.close();
    },
  };
}
