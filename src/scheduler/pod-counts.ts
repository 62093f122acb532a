import type { NodeInfo } from './node-info.ts';
import type { PodInfo } from './pod-info.ts';
import { type AffinityTerm, type NamespaceLabels, type PodTerm, termMatches } from './terms.ts';

type Counts = Map<string, number>;

function bump(counts: Counts, key: string, by: number): void {
  const n = (counts.get(key) ?? 0) + by;
  if (n === 0) counts.delete(key);
  else counts.set(key, n);
}

/** How many pods that a question means are on each node, and in each domain of a topology; kept up to date. */
export class Counter {
  readonly byNode: Counts = new Map();
  /** Pods counted, wherever they are. */
  total = 0;
  readonly matches: (pod: PodInfo) => boolean;
  /** Undefined: pods of any namespace may be meant. */
  readonly namespace: string | undefined;
  readonly #domains = new Map<string, Counts>();
  readonly #nodes: Map<string, NodeInfo>;

  constructor(
    matches: (pod: PodInfo) => boolean,
    namespace: string | undefined,
    nodes: Map<string, NodeInfo>,
  ) {
    this.matches = matches;
    this.namespace = namespace;
    this.#nodes = nodes;
    for (const node of nodes.values()) for (const pod of node.pods.values()) this.changed(pod, node, 1);
  }

  /** Pods by the value of a node label; nodes without the label count nowhere. */
  byDomain(topologyKey: string): Counts {
    let counts = this.#domains.get(topologyKey);
    if (counts) return counts;
    this.#domains.set(topologyKey, (counts = new Map()));
    for (const [name, n] of this.byNode) {
      const value = this.#nodes.get(name)?.labels[topologyKey];
      if (value !== undefined) bump(counts, value, n);
    }
    return counts;
  }

  changed(pod: PodInfo, node: NodeInfo, by: 1 | -1): void {
    if (!this.matches(pod)) return;
    bump(this.byNode, node.name, by);
    this.total += by;
    for (const [key, counts] of this.#domains) {
      const value = node.labels[key];
      if (value !== undefined) bump(counts, value, by);
    }
  }

  /** A node's labels are changing: what is on it moves to other domains. Called before and after. */
  nodeMoves(node: NodeInfo, by: 1 | -1): void {
    const n = this.byNode.get(node.name);
    if (!n) return;
    for (const [key, counts] of this.#domains) {
      const value = node.labels[key];
      if (value !== undefined) bump(counts, value, by * n);
    }
  }
}

export type TermSort =
  | 'requiredAffinity'
  | 'requiredAntiAffinity'
  | 'preferredAffinity'
  | 'preferredAntiAffinity';
export const termSorts: TermSort[] = [
  'requiredAffinity',
  'requiredAntiAffinity',
  'preferredAffinity',
  'preferredAntiAffinity',
];

const most = 2_000;

/**
 * Answers "how many such pods are where" without looking at the pods. A question is counted out once, when it is first
 * asked; from then on each pod that comes or goes adjusts the counts of the questions that it bears on. So a cycle costs
 * the same with ten pods and with ten thousand. The least recently asked questions are forgotten beyond a limit.
 */
export class PodCounts {
  readonly #nodes: Map<string, NodeInfo>;
  readonly #namespaceLabels: NamespaceLabels;
  readonly #counters = new Map<string, Counter>();
  readonly #ofNamespace = new Map<string | undefined, Set<Counter>>();
  /** Terms that pods on nodes have, by sort and meaning. */
  readonly groups: Record<TermSort, Map<string, { term: AffinityTerm; domains: Counts; byNode: Counts }>> = {
    requiredAffinity: new Map(),
    requiredAntiAffinity: new Map(),
    preferredAffinity: new Map(),
    preferredAntiAffinity: new Map(),
  };

  constructor(nodes: Map<string, NodeInfo>, namespaceLabels: NamespaceLabels) {
    this.#nodes = nodes;
    this.#namespaceLabels = namespaceLabels;
  }

  /** Pods that match all these terms. `living` leaves those out that are being deleted. */
  of(terms: PodTerm[], options: { living?: boolean } = {}): Counter {
    const key = (options.living ? 'living|' : '') + terms.map((t) => t.key).join('&');
    let counter = this.#counters.get(key);
    if (counter) {
      this.#counters.delete(key);
      this.#counters.set(key, counter);
      return counter;
    }
    const matches = (pod: PodInfo) =>
      !(options.living && pod.terminating) && terms.every((t) => termMatches(t, pod, this.#namespaceLabels));
    const only = terms.find((t) => t.namespaces.size === 1 && !t.namespaceSelector);
    const namespace = only ? [...only.namespaces][0] : undefined;
    counter = new Counter(matches, namespace, this.#nodes);
    this.#counters.set(key, counter);
    const peers = this.#ofNamespace.get(namespace) ?? new Set();
    this.#ofNamespace.set(namespace, peers.add(counter));
    if (this.#counters.size > most) this.#forget(this.#counters.keys().next().value!);
    return counter;
  }

  #forget(key: string): void {
    const counter = this.#counters.get(key)!;
    this.#counters.delete(key);
    const peers = this.#ofNamespace.get(counter.namespace)!;
    peers.delete(counter);
    if (peers.size === 0) this.#ofNamespace.delete(counter.namespace);
  }

  changed(pod: PodInfo, node: NodeInfo, by: 1 | -1): void {
    for (const counter of this.#ofNamespace.get(pod.namespace) ?? []) counter.changed(pod, node, by);
    for (const counter of this.#ofNamespace.get(undefined) ?? []) counter.changed(pod, node, by);
    for (const sort of termSorts) {
      if (pod[sort].length === 0) continue;
      const groups = this.groups[sort];
      for (const term of pod[sort]) {
        const key = `${term.key}|${term.topologyKey}|${term.weight}`;
        let group = groups.get(key);
        if (!group) groups.set(key, (group = { term, domains: new Map(), byNode: new Map() }));
        bump(group.byNode, node.name, by);
        const value = node.labels[term.topologyKey];
        if (value !== undefined) bump(group.domains, value, by);
        if (group.byNode.size === 0) groups.delete(key);
      }
    }
  }

  nodeMoves(node: NodeInfo, by: 1 | -1): void {
    for (const counter of this.#counters.values()) counter.nodeMoves(node, by);
    for (const sort of termSorts)
      for (const { term, domains, byNode } of this.groups[sort].values()) {
        const n = byNode.get(node.name);
        const value = node.labels[term.topologyKey];
        if (n && value !== undefined) bump(domains, value, by * n);
      }
  }

  /** Labels of a namespace changed: what depends on them is counted anew when asked for. */
  namespaceChanged(): void {
    for (const [key, counter] of [...this.#counters]) if (counter.namespace === undefined) this.#forget(key);
  }
}
