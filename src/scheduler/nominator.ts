import type { PodInfo } from './pod-info.ts';

/** Pods for which a node has been cleared (by preemption) but which are not bound yet: they count there already. */
export class Nominator {
  readonly #byNode = new Map<string, Map<string, PodInfo>>();
  readonly #nodeOf = new Map<string, string>();

  set(pod: PodInfo, node: string): void {
    this.delete(pod.uid);
    this.#nodeOf.set(pod.uid, node);
    const pods = this.#byNode.get(node) ?? new Map();
    this.#byNode.set(node, pods.set(pod.uid, pod));
  }

  delete(uid: string): void {
    const node = this.#nodeOf.get(uid);
    if (node === undefined) return;
    this.#nodeOf.delete(uid);
    const pods = this.#byNode.get(node)!;
    pods.delete(uid);
    if (pods.size === 0) this.#byNode.delete(node);
  }

  nodeOf(uid: string): string | undefined {
    return this.#nodeOf.get(uid);
  }

  /** Others nominated to the node. */
  on(node: string, except: string): PodInfo[] {
    const pods = this.#byNode.get(node);
    return pods ? [...pods.values()].filter((p) => p.uid !== except) : [];
  }
}
