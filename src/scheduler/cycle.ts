import type { Random } from '../machinery/clock.ts';
import type { Diagnosis, NodeRejection } from './diagnosis.ts';
import { normalize, OnlyNodes, type Plugin, Rejected, skip, type Verdict, type View } from './framework.ts';
import type { NodeInfo } from './node-info.ts';
import type { Nominator } from './nominator.ts';
import type { PodInfo } from './pod-info.ts';

export interface Decision {
  node: NodeInfo;
  /** Nodes that could take the pod, of those looked at. */
  feasible: number;
  evaluated: number;
  score: number;
  rejections: NodeRejection[];
}

interface Filter {
  plugin: Plugin;
  state: unknown;
  /** How many nodes it was asked about. */
  calls: number;
}

/** Who counts what a search takes. */
export interface CycleObserver {
  now(): number;
  /** All plugins of an extension point are done with a pod. */
  point(name: ExtensionPoint, status: PointStatus, tookMs: number): void;
  /** A plugin was asked so often. */
  evaluated(plugin: string, point: ExtensionPoint, times: number): void;
}
export type ExtensionPoint =
  | 'PreFilter'
  | 'Filter'
  | 'PostFilter'
  | 'PreScore'
  | 'Score'
  | 'PreBind'
  | 'Bind';
export type PointStatus = 'Success' | 'Unschedulable' | 'Error';

/** The filters that have something to say about a pod, with what they prepared. */
export interface Filters {
  active: Filter[];
  only?: Set<string>;
  leftOutBy: string[];
}

const minFeasible = 100;

/**
 * How many feasible nodes are enough. Beyond a hundred nodes, half of them minus a hundredth for each 125, but never under
 * 5 %, nor under a hundred nodes. https://kubernetes.io/docs/concepts/scheduling-eviction/scheduler-perf-tuning/
 */
export function feasibleWanted(nodes: number, percentage?: number): number {
  if (nodes < minFeasible) return nodes;
  const percent = percentage ?? Math.max(5, Math.floor(50 - nodes / 125));
  return Math.max(minFeasible, Math.floor((nodes * percent) / 100));
}

/** Finds the node for one pod. Never waits: between the first filter and the choice nothing can change. */
export class Cycle {
  readonly view: View;
  readonly plugins: Plugin[];
  readonly #nominator: Nominator;
  readonly #random: Random;
  readonly #percentage: number | undefined;
  readonly #filters: Plugin[];
  readonly #scorers: Plugin[];
  readonly #observer: CycleObserver | undefined;
  /** Where the next search starts: each node gets its turn to be among the first. */
  #start = 0;

  constructor(
    view: View,
    plugins: Plugin[],
    nominator: Nominator,
    random: Random,
    percentage?: number,
    observer?: CycleObserver,
  ) {
    this.#observer = observer;
    this.view = view;
    this.plugins = plugins;
    this.#nominator = nominator;
    this.#random = random;
    this.#percentage = percentage;
    this.#filters = plugins.filter((p) => p.filter || p.preFilter);
    this.#scorers = plugins.filter((p) => p.score);
  }

  schedule(pod: PodInfo): Decision | Diagnosis {
    const { nodes } = this.view.cache;
    const diagnosis: Diagnosis = { totalNodes: nodes.length, nodes: [], leftOutBy: [], plugins: new Set() };
    const began = this.#observer?.now() ?? 0;
    const filters = this.prepare(pod, diagnosis);
    const prepared = this.#told('PreFilter', filters ? 'Success' : 'Unschedulable', began);
    if (!filters) return diagnosis;
    diagnosis.leftOutBy = filters.leftOutBy;
    for (const name of filters.leftOutBy) diagnosis.plugins.add(name);

    const nominated = this.#nominated(pod, filters);
    if (nominated) return { node: nominated, feasible: 1, evaluated: 1, score: 0, rejections: [] };

    const candidates = filters.only ? nodes.filter((node) => filters.only!.has(node.name)) : nodes;
    const feasible = this.#feasible(pod, candidates, filters, diagnosis);
    this.#filtered(filters, feasible.length > 0, prepared);
    if (feasible.length === 0) return diagnosis;
    const evaluated = feasible.length + diagnosis.nodes.length;
    const rest = { feasible: feasible.length, evaluated, rejections: diagnosis.nodes };
    if (feasible.length === 1) return { node: feasible[0]!, score: 0, ...rest };
    return { ...this.#best(pod, feasible), ...rest };
  }

  /** How long an extension point took that began then; gives the time now. */
  #told(point: ExtensionPoint, status: PointStatus, beganMs: number): number {
    const observer = this.#observer;
    if (!observer) return 0;
    const now = observer.now();
    observer.point(point, status, now - beganMs);
    return now;
  }
  #filtered(filters: Filters, found: boolean, beganMs: number): void {
    const observer = this.#observer;
    if (!observer) return;
    this.#told('Filter', found ? 'Success' : 'Unschedulable', beganMs);
    for (const { plugin, calls } of filters.active) observer.evaluated(plugin.name, 'Filter', calls);
  }

  /** What the filters prepare; undefined, with the reason noted, when one rejects the whole pod. */
  prepare(pod: PodInfo, diagnosis?: Diagnosis): Filters | undefined {
    const filters: Filters = { active: [], leftOutBy: [] };
    for (const plugin of this.#filters) {
      let state: unknown;
      if (plugin.preFilter) {
        if (diagnosis) this.#observer?.evaluated(plugin.name, 'PreFilter', 1);
        const prepared = plugin.preFilter(pod, this.view);
        if (prepared === skip) continue;
        if (prepared instanceof Rejected) {
          if (diagnosis) {
            diagnosis.whole = prepared.rejection;
            diagnosis.plugins.add(plugin.name);
          }
          return undefined;
        }
        state = prepared;
        if (prepared instanceof OnlyNodes) {
          filters.only = filters.only ? filters.only.intersection(prepared.names) : prepared.names;
          filters.leftOutBy.push(plugin.name);
          state = prepared.state;
        }
      }
      if (plugin.filter) filters.active.push({ plugin, state, calls: 0 });
    }
    return filters;
  }

  /** A node that was cleared for this pod is taken if it still does. */
  #nominated(pod: PodInfo, filters: Filters): NodeInfo | undefined {
    const name = this.#nominator.nodeOf(pod.uid) ?? pod.pod.status?.nominatedNodeName;
    const node = name ? this.view.cache.node(name) : undefined;
    if (!node || (filters.only && !filters.only.has(node.name))) return undefined;
    return this.check(pod, node, filters) ? undefined : node;
  }

  #feasible(pod: PodInfo, nodes: NodeInfo[], filters: Filters, diagnosis: Diagnosis): NodeInfo[] {
    const wanted = filters.only ? nodes.length : feasibleWanted(nodes.length, this.#percentage);
    const feasible: NodeInfo[] = [];
    const start = nodes.length > 0 ? this.#start % nodes.length : 0;
    let looked = 0;
    for (; looked < nodes.length && feasible.length < wanted; looked++) {
      const node = nodes[(start + looked) % nodes.length]!;
      const rejection = this.check(pod, node, filters);
      if (!rejection) feasible.push(node);
      else {
        diagnosis.nodes.push(rejection);
        diagnosis.plugins.add(rejection.plugin);
      }
    }
    if (!filters.only) this.#start = start + looked;
    return feasible;
  }

  /**
   * Whether the node takes the pod, counting pods nominated to it that matter at least as much. It must do both with them
   * (they take resources) and without (they may never come, and then nobody is there to be close to).
   */
  check(pod: PodInfo, node: NodeInfo, filters: Filters): NodeRejection | undefined {
    const expected = this.#nominator.on(node.name, pod.uid).filter((p) => p.priority >= pod.priority);
    if (expected.length > 0) {
      const { cache } = this.view;
      for (const other of expected) cache.put(other, node);
      const withThem = this.prepare(pod);
      const rejection = withThem && this.#filter(pod, node, withThem);
      for (const other of expected) cache.take(other, node);
      if (rejection) return rejection;
    }
    return this.#filter(pod, node, filters);
  }

  #filter(pod: PodInfo, node: NodeInfo, filters: Filters): NodeRejection | undefined {
    const { active } = filters;
    for (let i = 0; i < active.length; i++) {
      const filter = active[i]!;
      const { plugin, state } = filter;
      filter.calls++;
      const verdict: Verdict = plugin.filter!(pod, node, state);
      if (verdict)
        return { node, plugin: plugin.name, reasons: verdict.reasons, resolvable: verdict.resolvable };
    }
    return undefined;
  }

  #best(pod: PodInfo, nodes: NodeInfo[]): { node: NodeInfo; score: number } {
    const began = this.#observer?.now() ?? 0;
    const totals = new Float64Array(nodes.length);
    for (const { scores, weight } of this.scores(pod, nodes))
      for (let i = 0; i < totals.length; i++) totals[i]! += scores[i]! * weight;
    this.#told('Score', 'Success', began);
    let best = 0;
    let equals = 1;
    for (let i = 1; i < totals.length; i++) {
      if (totals[i]! > totals[best]!) {
        best = i;
        equals = 1;
      } else if (totals[i] === totals[best] && this.#random() * ++equals < 1) best = i;
    }
    return { node: nodes[best]!, score: totals[best]! };
  }

  /** Scores of 0..100 by plugin, in the order of the nodes; plugins with nothing to say are left out. */
  scores(pod: PodInfo, nodes: NodeInfo[]): { plugin: string; weight: number; scores: Float64Array }[] {
    const all: { plugin: string; weight: number; scores: Float64Array }[] = [];
    for (const plugin of this.#scorers) {
      if (plugin.preScore) this.#observer?.evaluated(plugin.name, 'PreScore', 1);
      const state = plugin.preScore?.(pod, nodes, this.view);
      if (state === skip) continue;
      this.#observer?.evaluated(plugin.name, 'Score', nodes.length);
      const scores = new Float64Array(nodes.length);
      for (let i = 0; i < nodes.length; i++) scores[i] = plugin.score!(pod, nodes[i]!, state);
      normalize(plugin, scores, nodes, state);
      all.push({ plugin: plugin.name, weight: plugin.weight ?? 1, scores });
    }
    return all;
  }
}
