import { fits, never, notNow, plugin, skip, type View } from '../framework.ts';
import type { NodeInfo } from '../node-info.ts';
import type { Counter, TermSort } from '../pod-counts.ts';
import type { PodInfo } from '../pod-info.ts';
import { type AffinityTerm, termMatches } from '../terms.ts';

type Counts = Map<string, number>;

const existingForbid = notNow("node(s) didn't satisfy existing pods anti-affinity rules");
const affinityFails = never("node(s) didn't match pod affinity rules");
const antiAffinityFails = notNow("node(s) didn't match pod anti-affinity rules");

/** How many pods are in each domain of a topology. */
interface Domains {
  topologyKey: string;
  counts: Counts;
}

interface Required {
  /** Domains where a pod already there does not want this one. */
  forbidding: Domains[];
  affinity: Domains[];
  /** No pod matches yet, but this one matches itself: the first of a group may go anywhere. */
  mayBeFirst: boolean;
  antiAffinity: Domains[];
}

interface Preferred extends Domains {
  weight: number;
}

/** A required term of a pod already there counts for a little, too, when one like it comes. */
const hardPodAffinityWeight = 1;

const groupsThatMean = (pod: PodInfo, sort: TermSort, { cache, namespaceLabels }: View) =>
  [...cache.counts.groups[sort].values()].filter(({ term }) => termMatches(term, pod, namespaceLabels));

const domainsOf = (counter: Counter, { topologyKey }: AffinityTerm): Domains => ({
  topologyKey,
  counts: counter.byDomain(topologyKey),
});

const countAt = ({ topologyKey, counts }: Domains, { labels }: NodeInfo): number => {
  const value = labels[topologyKey];
  return value === undefined ? 0 : (counts.get(value) ?? 0);
};

/**
 * Pods together with, or away from, other pods. Counts of pods by domain are kept up by the cache (pod-counts.ts), so a
 * cycle costs as much as there are different terms, however many pods have them.
 */
export const interPodAffinity = plugin<Required, Preferred[]>({
  name: 'InterPodAffinity',
  wakeOn: ['node/add', 'node/labels', 'pod/add', 'pod/delete', 'pod/labels', 'namespace'],

  preFilter(pod, view) {
    const { counts } = view.cache;
    const forbidding = groupsThatMean(pod, 'requiredAntiAffinity', view).map(({ term, domains }) => ({
      topologyKey: term.topologyKey,
      counts: domains,
    }));
    const { requiredAffinity, requiredAntiAffinity } = pod;
    if (forbidding.length + requiredAffinity.length + requiredAntiAffinity.length === 0) return skip;
    let affinity: Domains[] = [];
    let mayBeFirst = false;
    if (requiredAffinity.length > 0) {
      // A pod counts only when it matches all terms.
      const counter = counts.of(requiredAffinity);
      affinity = requiredAffinity.map((term) => domainsOf(counter, term));
      mayBeFirst =
        affinity.every((domains) => domains.counts.size === 0) &&
        requiredAffinity.every((term) => termMatches(term, pod, view.namespaceLabels));
    }
    const antiAffinity = requiredAntiAffinity.map((term) => domainsOf(counts.of([term]), term));
    return { forbidding, affinity, mayBeFirst, antiAffinity };
  },

  filter(_pod, node, { forbidding, affinity, mayBeFirst, antiAffinity }) {
    for (const domains of affinity) {
      if (node.labels[domains.topologyKey] === undefined) return affinityFails;
      if (!mayBeFirst && countAt(domains, node) === 0) return affinityFails;
    }
    for (const domains of antiAffinity) if (countAt(domains, node) > 0) return antiAffinityFails;
    for (const domains of forbidding) if (countAt(domains, node) > 0) return existingForbid;
    return fits;
  },

  preScore(pod, _nodes, view) {
    const { counts } = view.cache;
    const preferred: Preferred[] = [...pod.preferredAffinity, ...pod.preferredAntiAffinity].map((term) => ({
      ...domainsOf(counts.of([term]), term),
      weight: term.weight,
    }));
    const theirs: [TermSort, number][] = [
      ['requiredAffinity', hardPodAffinityWeight],
      ['preferredAffinity', 0],
      ['preferredAntiAffinity', 0],
    ];
    for (const [sort, fixed] of theirs)
      for (const { term, domains } of groupsThatMean(pod, sort, view))
        preferred.push({ topologyKey: term.topologyKey, counts: domains, weight: fixed || term.weight });
    return preferred.some(({ counts: c }) => c.size > 0) ? preferred : skip;
  },

  score(_pod, node, preferred) {
    let score = 0;
    for (const domains of preferred) score += domains.weight * countAt(domains, node);
    return score;
  },

  normalize(scores) {
    const min = Math.min(...scores);
    const span = Math.max(...scores) - min;
    for (let i = 0; i < scores.length; i++)
      scores[i] = span > 0 ? Math.floor((100 * (scores[i]! - min)) / span) : 0;
  },
  weight: 2,
});
