import { isTolerated, nodeTermsMatch } from '../../api/core/node-selection.ts';
import type { TopologySpreadConstraint } from '../../api/core/v1.gen.ts';
import type { LabelSelector } from '../../machinery/meta.gen.ts';
import { labelSelectorMatches } from '../../machinery/selectors.ts';
import { fits, never, notNow, plugin, skip, type View } from '../framework.ts';
import type { NodeInfo } from '../node-info.ts';
import type { Counter } from '../pod-counts.ts';
import type { PodInfo } from '../pod-info.ts';
import { podTerm, withLabelKeys } from '../terms.ts';

const skewed = notNow("node(s) didn't match pod topology spread constraints");
const unlabelled = never("node(s) didn't match pod topology spread constraints (missing required label)");
const hostname = 'kubernetes.io/hostname';

/** What holds for pods that say nothing themselves, where something (a Service, a ReplicaSet) says which belong together. */
const defaults: TopologySpreadConstraint[] = [
  { maxSkew: 3, topologyKey: hostname, whenUnsatisfiable: 'ScheduleAnyway' },
  { maxSkew: 5, topologyKey: 'topology.kubernetes.io/zone', whenUnsatisfiable: 'ScheduleAnyway' },
];

interface Hard {
  topologyKey: string;
  maxSkew: number;
  /** Pods in each domain, of nodes that count; a domain without pods is here with 0. */
  counts: Map<string, number>;
  /** The fewest pods that a domain has; 0 while there are fewer domains than wanted. */
  fewest: number;
  /** 1 when the pod itself is one of those that are counted. */
  self: number;
}

interface Soft {
  topologyKey: string;
  maxSkew: number;
  weight: number;
  /** Pods by node, or by domain. */
  counts: Map<string, number>;
  byNode: boolean;
}

function constraintsOf({ pod, labels }: PodInfo, when: string): TopologySpreadConstraint[] {
  return (pod.spec.topologySpreadConstraints ?? [])
    .filter((c) => c.whenUnsatisfiable === when)
    .map((c) => ({ ...c, labelSelector: withLabelKeys(c.labelSelector, labels, c.matchLabelKeys) }));
}

const counterFor = (pod: PodInfo, selector: LabelSelector | undefined, { cache }: View): Counter =>
  cache.counts.of([podTerm(new Set([pod.namespace]), selector)], { living: true });

/** Whether the pods of a node count at all: by default, only nodes that the pod's own node affinity allows. */
function counts(constraint: TopologySpreadConstraint, pod: PodInfo, node: NodeInfo): boolean {
  if (constraint.nodeAffinityPolicy !== 'Ignore') {
    for (const key in pod.nodeSelector) if (node.labels[key] !== pod.nodeSelector[key]) return false;
    if (pod.nodeTerms && !nodeTermsMatch(pod.nodeTerms, node.name, node.labels)) return false;
  }
  return (
    constraint.nodeTaintsPolicy !== 'Honor' ||
    node.taints.every((t) => isTolerated(pod.pod.spec.tolerations, t))
  );
}

function hard(pod: PodInfo, constraint: TopologySpreadConstraint, all: string[], view: View): Hard {
  const { topologyKey, maxSkew, minDomains = 1, labelSelector } = constraint;
  const { byNode } = counterFor(pod, labelSelector, view);
  const domains = new Map<string, number>();
  for (const node of view.cache.nodes) {
    const value = node.labels[topologyKey];
    if (value === undefined || !all.every((key) => node.labels[key] !== undefined)) continue;
    if (!counts(constraint, pod, node)) continue;
    domains.set(value, (domains.get(value) ?? 0) + (byNode.get(node.name) ?? 0));
  }
  let fewest = domains.size < minDomains ? 0 : Number.POSITIVE_INFINITY;
  for (const n of domains.values()) fewest = Math.min(fewest, n);
  const self = labelSelectorMatches(labelSelector, pod.labels) ? 1 : 0;
  return { topologyKey, maxSkew, counts: domains, fewest, self };
}

/** Spreads pods evenly over zones, hosts, or whatever nodes are labelled with. */
export const podTopologySpread = plugin<Hard[], { constraints: Soft[]; keys: string[] }>({
  name: 'PodTopologySpread',
  wakeOn: ['node/add', 'node/labels', 'node/taints', 'pod/add', 'pod/delete', 'pod/labels'],

  preFilter(pod, view) {
    const constraints = constraintsOf(pod, 'DoNotSchedule');
    if (constraints.length === 0) return skip;
    const keys = constraints.map((c) => c.topologyKey);
    return constraints.map((constraint) => hard(pod, constraint, keys, view));
  },

  filter(_pod, node, constraints) {
    for (const constraint of constraints) {
      const value = node.labels[constraint.topologyKey];
      if (value === undefined) return unlabelled;
      const here = constraint.counts.get(value) ?? 0;
      if (here + constraint.self - constraint.fewest > constraint.maxSkew) return skewed;
    }
    return fits;
  },

  preScore(pod, nodes, view) {
    const own = (pod.pod.spec.topologySpreadConstraints?.length ?? 0) > 0;
    const siblings = own ? undefined : view.siblings(pod.pod);
    if (!own && !siblings) return skip;
    const given = own
      ? constraintsOf(pod, 'ScheduleAnyway')
      : defaults.map((constraint) => ({ ...constraint, labelSelector: siblings }));
    if (given.length === 0) return skip;
    // By default a node without a zone still takes part in spreading over hosts.
    const keys = own ? given.map((c) => c.topologyKey) : [];
    const eligible = nodes.filter((node) => keys.every((key) => node.labels[key] !== undefined));
    return { constraints: given.map((c) => soft(pod, c, eligible, view)), keys };
  },

  /** The fewer of its kind are there already, the better; weighted so that many small domains count like few large. */
  score(_pod, node, { constraints, keys }) {
    for (const key of keys) if (node.labels[key] === undefined) return -1;
    let score = 0;
    for (const { topologyKey, maxSkew, weight, counts: there, byNode } of constraints) {
      const value = byNode ? node.name : node.labels[topologyKey];
      if (value === undefined || (byNode && node.labels[topologyKey] === undefined)) continue;
      score += (there.get(value) ?? 0) * weight + maxSkew - 1;
    }
    return Math.round(score);
  },

  normalize(scores) {
    let min = Number.POSITIVE_INFINITY;
    let max = 0;
    for (const score of scores) {
      if (score < 0) continue;
      if (score < min) min = score;
      if (score > max) max = score;
    }
    for (let i = 0; i < scores.length; i++) {
      if (scores[i]! < 0) scores[i] = 0;
      else scores[i] = max === 0 ? 100 : Math.floor((100 * (max + min - scores[i]!)) / max);
    }
  },
  weight: 2,
});

function soft(pod: PodInfo, constraint: TopologySpreadConstraint, nodes: NodeInfo[], view: View): Soft {
  const { topologyKey, maxSkew, labelSelector } = constraint;
  const counter = counterFor(pod, labelSelector, view);
  const byNode = topologyKey === hostname;
  const domains = byNode ? nodes.length : new Set(nodes.map((n) => n.labels[topologyKey])).size;
  const weight = Math.log(domains + 2);
  if (byNode) return { topologyKey, maxSkew, weight, counts: counter.byNode, byNode };
  const restricted = pod.nodeSelector || pod.nodeTerms || constraint.nodeTaintsPolicy === 'Honor';
  if (!restricted) return { topologyKey, maxSkew, weight, counts: counter.byDomain(topologyKey), byNode };
  const there = new Map<string, number>();
  for (const [name, n] of counter.byNode) {
    const node = view.cache.node(name);
    const value = node?.labels[topologyKey];
    if (node && value !== undefined && counts(constraint, pod, node))
      there.set(value, (there.get(value) ?? 0) + n);
  }
  return { topologyKey, maxSkew, weight, counts: there, byNode };
}
