import type { Node, Taint } from '../api/core/v1.gen.ts';
import { integerValue } from '../machinery/quantity.ts';
import type { HostPort, PodInfo } from './pod-info.ts';
import { add, nothing, type Resources, resourcesOf } from './resources.ts';

const none: never[] = [];

/** A node with the sums over its pods, kept up as pods come and go. */
export class NodeInfo {
  readonly name: string;
  /** Undefined while only pods of the node are known. */
  node!: Node;
  labels: Record<string, string> = {};
  allocatable: Resources = nothing();
  allowedPods = 0;
  /** Taints that keep pods away, and those that only make the node less liked. */
  taints: Taint[] = none;
  softTaints: Taint[] = none;
  unschedulable = false;
  readonly requested: Resources = nothing();
  readonly scored: Resources = nothing();
  readonly pods = new Map<string, PodInfo>();
  /** `TCP/80` -> address -> how many. */
  readonly #ports = new Map<string, Map<string, number>>();

  constructor(name: string) {
    this.name = name;
  }

  get known(): boolean {
    return this.node !== undefined;
  }

  setNode(node: Node): void {
    this.node = node;
    this.labels = node.metadata.labels ?? {};
    this.allocatable = resourcesOf(node.status?.allocatable);
    this.allowedPods = integerValue(node.status?.allocatable?.pods);
    const taints = node.spec.taints ?? none;
    const hard = taints.filter((t) => t.effect !== 'PreferNoSchedule');
    this.taints = hard.length > 0 ? hard : none;
    this.softTaints =
      hard.length < taints.length ? taints.filter((t) => t.effect === 'PreferNoSchedule') : none;
    this.unschedulable = !!node.spec.unschedulable;
  }

  addPod(pod: PodInfo): void {
    this.pods.set(pod.uid, pod);
    add(this.requested, pod.requests);
    add(this.scored, pod.scored);
    for (const { port, ip } of pod.hostPorts) {
      const addresses = this.#ports.get(port) ?? new Map<string, number>();
      this.#ports.set(port, addresses);
      addresses.set(ip, (addresses.get(ip) ?? 0) + 1);
    }
  }

  removePod(pod: PodInfo): void {
    if (!this.pods.delete(pod.uid)) return;
    add(this.requested, pod.requests, -1);
    add(this.scored, pod.scored, -1);
    for (const { port, ip } of pod.hostPorts) {
      const addresses = this.#ports.get(port)!;
      const left = addresses.get(ip)! - 1;
      if (left > 0) addresses.set(ip, left);
      else if (addresses.size > 1) addresses.delete(ip);
      else this.#ports.delete(port);
    }
  }

  /** An address of its own conflicts with itself and with 0.0.0.0; 0.0.0.0 conflicts with all. */
  portIsFree({ port, ip }: HostPort): boolean {
    const addresses = this.#ports.get(port);
    if (!addresses) return true;
    return ip !== '0.0.0.0' && !addresses.has('0.0.0.0') && !addresses.has(ip);
  }
}
