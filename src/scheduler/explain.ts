import type { Pod } from '../api/core/v1.gen.ts';
import type { Cycle } from './cycle.ts';
import { OnlyNodes, Rejected, skip } from './framework.ts';
import { podInfo } from './pod-info.ts';

export interface Explanation {
  /** Set when the pod is rejected before any node is looked at. */
  rejected?: { plugin: string; reasons: string[] };
  nodes: {
    node: string;
    fits: boolean;
    /** What each plugin says: `fits`, `nothing to check`, or its reasons. */
    filters: { plugin: string; verdict: string }[];
    /** 0..100 by plugin, for nodes that fit; `total` is weighted. */
    scores: { plugin: string; score: number; weight: number }[];
    total: number;
  }[];
}

/** Asks every plugin about every node, also about nodes that another plugin has rejected already. */
export function explain(cycle: Cycle, pod: Pod): Explanation {
  const info = podInfo(pod);
  const { view, plugins } = cycle;
  const prepared: {
    name: string;
    filter?: (typeof plugins)[0]['filter'];
    state: unknown;
    skipped: boolean;
  }[] = [];
  let only: Set<string> | undefined;
  for (const plugin of plugins) {
    const gate = plugin.preEnqueue?.(pod);
    if (gate) return { rejected: { plugin: plugin.name, reasons: gate.reasons }, nodes: [] };
    let state: unknown = plugin.preFilter?.(info, view);
    if (state instanceof Rejected)
      return { rejected: { plugin: plugin.name, reasons: state.rejection.reasons }, nodes: [] };
    if (state instanceof OnlyNodes) {
      only = only ? only.intersection(state.names) : state.names;
      state = state.state;
    }
    if (plugin.filter)
      prepared.push({ name: plugin.name, filter: plugin.filter, state, skipped: state === skip });
  }
  const nodes = view.cache.nodes.map((node) => {
    const filters = prepared.map(({ name, filter, state, skipped }) => {
      const verdict = skipped ? undefined : filter!(info, node, state);
      const text = skipped ? 'nothing to check' : verdict ? verdict.reasons.join(', ') : 'fits';
      return { plugin: name, verdict: text, ok: !verdict };
    });
    const fits = filters.every((f) => f.ok) && (!only || only.has(node.name));
    return { node, fits, filters: filters.map(({ plugin, verdict }) => ({ plugin, verdict })) };
  });
  const feasible = nodes.filter((n) => n.fits).map((n) => n.node);
  const scores = feasible.length > 0 ? cycle.scores(info, feasible) : [];
  return {
    nodes: nodes.map(({ node, fits, filters }) => {
      const i = feasible.indexOf(node);
      const its =
        i < 0 ? [] : scores.map((s) => ({ plugin: s.plugin, score: s.scores[i]!, weight: s.weight }));
      const total = its.reduce((sum, s) => sum + s.score * s.weight, 0);
      return { node: node.name, fits, filters, scores: its, total };
    }),
  };
}
