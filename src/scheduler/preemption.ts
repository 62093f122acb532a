import type { PodDisruptionBudget } from '../api/policy/v1.gen.ts';
import type { Random } from '../machinery/clock.ts';
import { labelSelectorMatches } from '../machinery/selectors.ts';
import type { Cycle } from './cycle.ts';
import { type Diagnosis, preemptionMessage } from './diagnosis.ts';
import type { NodeInfo } from './node-info.ts';
import type { Nominator } from './nominator.ts';
import type { PodInfo } from './pod-info.ts';

/** A node that would do once these pods are gone. */
export interface Candidate {
  node: NodeInfo;
  /** The most important first. */
  victims: PodInfo[];
  /** Of them, how many a disruption budget would have kept. */
  violations: number;
}

const minCandidates = 100;
const candidateShare = 0.1;

const startedMs = (pod: PodInfo): number =>
  Date.parse(pod.pod.status?.startTime ?? '') || Number.POSITIVE_INFINITY;
/** The more important comes first: higher priority, then longer running. */
const byImportance = (a: PodInfo, b: PodInfo): number =>
  b.priority - a.priority || startedMs(a) - startedMs(b) || (a.uid < b.uid ? -1 : 1);

/**
 * Makes room for a pod that fits nowhere by removing less important ones.
 * https://kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption/
 */
export class Preemption {
  readonly #cycle: Cycle;
  readonly #nominator: Nominator;
  readonly #random: Random;
  readonly #budgets: (namespace: string) => PodDisruptionBudget[];

  constructor(
    cycle: Cycle,
    nominator: Nominator,
    random: Random,
    budgets: (namespace: string) => PodDisruptionBudget[],
  ) {
    this.#cycle = cycle;
    this.#nominator = nominator;
    this.#random = random;
    this.#budgets = budgets;
  }

  /** The best candidate, or what to tell the user about there being none. */
  find(pod: PodInfo, diagnosis: Diagnosis): Candidate | string {
    const refusal = this.#refusal(pod);
    if (refusal) return `preemption: ${refusal}`;
    const hopeful = diagnosis.nodes.filter((r) => r.resolvable).map((r) => r.node);
    const reasons = new Map<string, number>();
    const count = (reason: string, n: number) => n > 0 && reasons.set(reason, (reasons.get(reason) ?? 0) + n);
    count('Preemption is not helpful for scheduling', diagnosis.totalNodes - hopeful.length);

    const wanted = Math.max(minCandidates, Math.floor(hopeful.length * candidateShare));
    const offset = Math.floor(this.#random() * hopeful.length);
    const candidates: Candidate[] = [];
    for (let i = 0; i < hopeful.length && candidates.length < wanted; i++) {
      const found = this.#tryNode(pod, hopeful[(offset + i) % hopeful.length]!);
      if (Array.isArray(found)) for (const reason of found) count(reason, 1);
      else candidates.push(found);
    }
    if (candidates.length === 0) return preemptionMessage(diagnosis.totalNodes, reasons);
    return pick(candidates);
  }

  #refusal(pod: PodInfo): string | undefined {
    if (pod.pod.spec.preemptionPolicy === 'Never') return 'not eligible due to preemptionPolicy=Never.';
    const nominated = this.#nominator.nodeOf(pod.uid);
    const node = nominated ? this.#cycle.view.cache.node(nominated) : undefined;
    const leaving = node && [...node.pods.values()].some((p) => p.terminating && p.priority < pod.priority);
    return leaving ? 'not eligible due to a terminating pod on the nominated node.' : undefined;
  }

  /**
   * Takes all less important pods off the node, and if the pod fits then, puts back as many as can stay: first those that a
   * budget protects, and of each sort the most important first. Leaves the cache as it was.
   */
  #tryNode(pod: PodInfo, node: NodeInfo): Candidate | string[] {
    const { cache } = this.#cycle.view;
    const lesser = [...node.pods.values()].filter((p) => p.priority < pod.priority).sort(byImportance);
    if (lesser.length === 0) return ['No preemption victims found for incoming pod'];
    const away = new Set(lesser);
    for (const victim of lesser) cache.take(victim, node);
    try {
      const rejection = this.#rejection(pod, node);
      if (rejection) return rejection;
      const { guarded, free } = this.#byBudget(lesser);
      let violations = 0;
      const spare = (victim: PodInfo): boolean => {
        cache.put(victim, node);
        away.delete(victim);
        if (!this.#rejection(pod, node)) return true;
        cache.take(victim, node);
        away.add(victim);
        return false;
      };
      for (const victim of guarded) if (!spare(victim)) violations++;
      for (const victim of free) spare(victim);
      const victims = [...away].sort(byImportance);
      return victims.length > 0
        ? { node, victims, violations }
        : ['No preemption victims found for incoming pod'];
    } finally {
      for (const victim of away) cache.put(victim, node);
    }
  }

  #rejection(pod: PodInfo, node: NodeInfo): string[] | undefined {
    const filters = this.#cycle.prepare(pod);
    return filters
      ? this.#cycle.check(pod, node, filters)?.reasons
      : ['Preemption is not helpful for scheduling'];
  }

  /** Whose removal, one after another, would break a budget, and whose would not. */
  #byBudget(pods: PodInfo[]): { guarded: PodInfo[]; free: PodInfo[] } {
    const left = new Map<PodDisruptionBudget, number>();
    const guarded: PodInfo[] = [];
    const free: PodInfo[] = [];
    for (const pod of pods) {
      let breaks = false;
      for (const budget of this.#budgets(pod.namespace)) {
        if (Object.keys(pod.labels).length === 0 || !labelSelectorMatches(budget.spec.selector, pod.labels))
          continue;
        if (budget.status?.disruptedPods?.[pod.name]) continue;
        const allowed = (left.get(budget) ?? budget.status?.disruptionsAllowed ?? 0) - 1;
        left.set(budget, allowed);
        if (allowed < 0) breaks = true;
      }
      (breaks ? guarded : free).push(pod);
    }
    return { guarded, free };
  }
}

/** The least harm: fewest broken budgets, least important victims, fewest of them, started last. */
function pick(candidates: Candidate[]): Candidate {
  const top = (c: Candidate) => c.victims[0]!.priority;
  // Priorities may be negative: shifted, so that more victims are always more.
  const sum = (c: Candidate) => c.victims.reduce((total, v) => total + v.priority + 2 ** 31, 0);
  const latestStart = (c: Candidate) =>
    -Math.min(...c.victims.filter((v) => v.priority === top(c)).map((v) => startedMs(v)));
  const criteria: ((c: Candidate) => number)[] = [
    (c) => c.violations,
    top,
    sum,
    (c) => c.victims.length,
    latestStart,
  ];
  let best = candidates;
  for (const criterion of criteria) {
    if (best.length === 1) break;
    const values = best.map(criterion);
    const least = Math.min(...values);
    best = best.filter((_, i) => values[i] === least);
  }
  return best[0]!;
}
