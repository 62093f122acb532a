// Which nodes a pod may go to: node selectors, node affinity, taints and tolerations.
// https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/
import { matchesLabels, type Requirement } from '../../machinery/selectors.ts';
import type { Node, NodeSelectorTerm, PodSpec, Taint, Toleration } from './v1.gen.ts';

/** Whether one of the alternatives selects the node. A term without requirements selects nothing. */
export function nodeTermsMatch(
  terms: NodeSelectorTerm[],
  name: string,
  labels: Record<string, string>,
): boolean {
  return terms.some(({ matchExpressions = [], matchFields = [] }) => {
    if (matchExpressions.length === 0 && matchFields.length === 0) return false;
    const requirements = (list: typeof matchExpressions) =>
      list.map((r) => ({ ...r, operator: r.operator as Requirement['operator'], values: r.values ?? [] }));
    return (
      (matchExpressions.length === 0 || matchesLabels(requirements(matchExpressions), labels)) &&
      (matchFields.length === 0 || matchesLabels(requirements(matchFields), { 'metadata.name': name }))
    );
  });
}

/** Whether the pod's node selector and required node affinity allow the node. */
export function nodeMatchesPod(spec: PodSpec, node: Node): boolean {
  const labels = node.metadata.labels ?? {};
  for (const key in spec.nodeSelector) if (labels[key] !== spec.nodeSelector[key]) return false;
  const terms =
    spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  return !terms || nodeTermsMatch(terms, node.metadata.name!, labels);
}

const integer = /^-?\d+$/;

export function tolerates({ key, operator, value, effect }: Toleration, taint: Taint): boolean {
  if (effect && effect !== taint.effect) return false;
  if (key && key !== taint.key) return false;
  switch (operator || 'Equal') {
    case 'Exists':
      return true;
    case 'Equal':
      return (value ?? '') === (taint.value ?? '');
    case 'Gt':
    case 'Lt': {
      if (!integer.test(value ?? '') || !integer.test(taint.value ?? '')) return false;
      return operator === 'Gt' ? Number(taint.value) > Number(value) : Number(taint.value) < Number(value);
    }
    default:
      return false;
  }
}

export const isTolerated = (tolerations: Toleration[] | undefined, taint: Taint): boolean =>
  !!tolerations?.some((toleration) => tolerates(toleration, taint));
