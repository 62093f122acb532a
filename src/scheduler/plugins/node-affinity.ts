import { nodeTermsMatch } from '../../api/core/node-selection.ts';
import type { NodeSelectorTerm, PreferredSchedulingTerm } from '../../api/core/v1.gen.ts';
import { fits, never, OnlyNodes, plugin, Rejected, skip } from '../framework.ts';

const rejection = never("node(s) didn't match Pod's node affinity/selector");

/** The nodes that all alternatives name; undefined when one of them names none. */
function namedNodes(terms: NodeSelectorTerm[]): Set<string> | undefined {
  const names = new Set<string>();
  for (const { matchFields = [] } of terms) {
    const named = matchFields.filter((f) => f.key === 'metadata.name' && f.operator === 'In');
    if (named.length === 0) return undefined;
    const [first, ...others] = named.map((f) => new Set(f.values));
    for (const name of first!) if (others.every((o) => o.has(name))) names.add(name);
  }
  return names;
}

/** `nodeSelector`, and node affinity, required and preferred. */
export const nodeAffinity = plugin<undefined, PreferredSchedulingTerm[]>({
  name: 'NodeAffinity',
  wakeOn: ['node/add', 'node/labels'],
  preFilter({ nodeSelector, nodeTerms }) {
    if (!nodeSelector && !nodeTerms) return skip;
    const names = nodeTerms && namedNodes(nodeTerms);
    if (!names) return undefined;
    return names.size > 0
      ? new OnlyNodes(names, undefined)
      : new Rejected(never('pod affinity terms conflict'));
  },
  filter({ nodeSelector, nodeTerms }, { name, labels }) {
    for (const key in nodeSelector) if (labels[key] !== nodeSelector[key]) return rejection;
    return !nodeTerms || nodeTermsMatch(nodeTerms, name, labels) ? fits : rejection;
  },
  preScore({ pod }) {
    const preferred = pod.spec.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution;
    return preferred?.length ? preferred : skip;
  },
  score(_pod, { name, labels }, preferred) {
    let score = 0;
    for (const { preference, weight } of preferred) {
      const empty = !preference.matchExpressions?.length && !preference.matchFields?.length;
      if (empty || nodeTermsMatch([preference], name, labels)) score += weight;
    }
    return score;
  },
  normalize: 'highest-wins',
  weight: 2,
});
