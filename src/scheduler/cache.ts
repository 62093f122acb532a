import type { Node, Pod } from '../api/core/v1.gen.ts';
import { equal } from '../machinery/meta.ts';
import { NodeInfo } from './node-info.ts';
import { PodCounts } from './pod-counts.ts';
import { type PodInfo, podInfo } from './pod-info.ts';
import type { NamespaceLabels } from './terms.ts';

const zoneOf = (node: NodeInfo): string =>
  `${node.labels['topology.kubernetes.io/region'] ?? ''}/${node.labels['topology.kubernetes.io/zone'] ?? ''}`;

/**
 * Nodes, and the pods that are on them or soon will be. Every change costs only what changed.
 *
 * A scheduling cycle never waits for anything, so nothing changes while it runs: the cache itself is its snapshot. That is
 * also why a cycle may take pods out and put them back (`take`, `put`) to ask "what if".
 */
export class SchedulerCache {
  /** Also nodes that are known only from their pods. */
  readonly #nodes = new Map<string, NodeInfo>();
  readonly counts: PodCounts;
  /** uid -> where the pod counts. Assumed pods are here before the API server has bound them. */
  readonly #where = new Map<string, { info: PodInfo; node: NodeInfo; assumed: boolean }>();
  #list: NodeInfo[] | undefined;
  /** How many nodes have each image; by name as the runtime writes it. */
  readonly #images = new Map<string, { sizeBytes: number; nodes: Set<string> }>();
  #softTainted = 0;

  constructor(namespaceLabels: NamespaceLabels) {
    this.counts = new PodCounts(this.#nodes, namespaceLabels);
  }

  /** How much there is. Looks at all of it. */
  get sizes(): { nodes: number; pods: number; assumed: number } {
    let assumed = 0;
    for (const place of this.#where.values()) if (place.assumed) assumed++;
    return { nodes: this.nodes.length, pods: this.#where.size, assumed };
  }

  /** Nodes in turn from each zone, so that the first hundred are not all of one. */
  get nodes(): NodeInfo[] {
    if (this.#list) return this.#list;
    const zones = new Map<string, NodeInfo[]>();
    for (const node of this.#nodes.values()) {
      if (!node.known) continue;
      const zone = zones.get(zoneOf(node)) ?? [];
      zones.set(zoneOf(node), zone);
      zone.push(node);
    }
    const list: NodeInfo[] = [];
    const lanes = [...zones.values()];
    for (let i = 0; lanes.some((lane) => i < lane.length); i++)
      for (const lane of lanes) if (i < lane.length) list.push(lane[i]!);
    return (this.#list = list);
  }

  /** Whether any node has a PreferNoSchedule taint. */
  get hasSoftTaints(): boolean {
    return this.#softTainted > 0;
  }

  node(name: string): NodeInfo | undefined {
    const node = this.#nodes.get(name);
    return node?.known ? node : undefined;
  }

  image(name: string): { sizeBytes: number; nodes: Set<string> } | undefined {
    return this.#images.get(name);
  }

  #nodeFor(name: string): NodeInfo {
    let node = this.#nodes.get(name);
    if (!node) this.#nodes.set(name, (node = new NodeInfo(name)));
    return node;
  }

  setNode(object: Node): void {
    const node = this.#nodeFor(object.metadata.name!);
    const before = node.known ? node.node : undefined;
    const moves = !equal(before?.metadata.labels, object.metadata.labels);
    if (moves) {
      this.counts.nodeMoves(node, -1);
      this.#list = undefined;
    }
    if (node.softTaints.length > 0) this.#softTainted--;
    node.setNode(object);
    if (node.softTaints.length > 0) this.#softTainted++;
    if (moves) this.counts.nodeMoves(node, 1);
    if (!before) this.#list = undefined;
    if (before?.status?.images !== object.status?.images) {
      this.#forgetImages(before);
      for (const { names, sizeBytes } of object.status?.images ?? [])
        for (const name of names ?? []) {
          const image = this.#images.get(name) ?? { sizeBytes: 0, nodes: new Set() };
          image.sizeBytes = sizeBytes ?? image.sizeBytes;
          this.#images.set(name, image);
          image.nodes.add(node.name);
        }
    }
  }

  #forgetImages(node: Node | undefined): void {
    for (const { names } of node?.status?.images ?? [])
      for (const name of names ?? []) {
        const image = this.#images.get(name);
        image?.nodes.delete(node!.metadata.name!);
        if (image?.nodes.size === 0) this.#images.delete(name);
      }
  }

  removeNode(name: string): void {
    const node = this.#nodes.get(name);
    if (!node?.known) return;
    this.#forgetImages(node.node);
    if (node.softTaints.length > 0) this.#softTainted--;
    this.#list = undefined;
    this.counts.nodeMoves(node, -1);
    if (node.pods.size === 0) {
      this.#nodes.delete(name);
      return;
    }
    // Its pods are still there for the API; the node comes back with them if it does.
    const shell = new NodeInfo(name);
    this.#nodes.set(name, shell);
    for (const pod of node.pods.values()) {
      shell.addPod(pod);
      this.#where.get(pod.uid)!.node = shell;
    }
  }

  /** A pod of the API that is bound to a node. Takes the place of the assumed one. */
  setPod(pod: Pod): void {
    const info = podInfo(pod);
    const before = this.#where.get(info.uid);
    const name = pod.spec.nodeName!;
    if (before?.node.name === name && sameFootprint(before.info, info)) {
      before.assumed = false;
      before.node.pods.set(info.uid, info);
      before.info = info;
      return;
    }
    if (before) this.#take(before.info, before.node);
    this.#put(info, this.#nodeFor(name), false);
  }

  removePod(uid: string): boolean {
    const there = this.#where.get(uid);
    if (!there) return false;
    this.#take(there.info, there.node);
    this.#where.delete(uid);
    if (!there.node.known && there.node.pods.size === 0) this.#nodes.delete(there.node.name);
    return true;
  }

  /** Counts the pod on the node although the API server does not know it yet. */
  assume(info: PodInfo, node: NodeInfo): void {
    this.#put(info, node, true);
  }

  /** The binding failed. Does nothing once the API has confirmed the pod. */
  forget(uid: string): void {
    if (this.#where.get(uid)?.assumed) this.removePod(uid);
  }

  isAssumed(uid: string): boolean {
    return this.#where.get(uid)?.assumed ?? false;
  }

  has(uid: string): boolean {
    return this.#where.has(uid);
  }

  #put(info: PodInfo, node: NodeInfo, assumed: boolean): void {
    node.addPod(info);
    this.counts.changed(info, node, 1);
    this.#where.set(info.uid, { info, node, assumed });
  }

  #take(info: PodInfo, node: NodeInfo): void {
    node.removePod(info);
    this.counts.changed(info, node, -1);
  }

  /** For "what if": takes a pod off its node; `put` brings it back. Both within one cycle. */
  take(info: PodInfo, node: NodeInfo): void {
    this.#take(info, node);
  }

  put(info: PodInfo, node: NodeInfo): void {
    node.addPod(info);
    this.counts.changed(info, node, 1);
  }
}

/** Whether two versions of a pod weigh the same: most updates are of the status, and change nothing here. */
function sameFootprint(a: PodInfo, b: PodInfo): boolean {
  return (
    a.terminating === b.terminating &&
    a.priority === b.priority &&
    equal(a.labels, b.labels) &&
    equal(a.requests.scalars && [...a.requests.scalars], b.requests.scalars && [...b.requests.scalars]) &&
    a.requests.milliCpu === b.requests.milliCpu &&
    a.requests.memoryBytes === b.requests.memoryBytes &&
    a.requests.ephemeralBytes === b.requests.ephemeralBytes &&
    a.scored.milliCpu === b.scored.milliCpu &&
    a.scored.memoryBytes === b.scored.memoryBytes
  );
}
