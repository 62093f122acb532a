import type { Pod, PodAffinityTerm } from '../api/core/v1.gen.ts';
import type { LabelSelector } from '../machinery/meta.gen.ts';
import { labelSelectorMatches, labelSelectorToString } from '../machinery/selectors.ts';
import type { PodInfo } from './pod-info.ts';

/** Labels of a namespace; undefined where it is not known. */
export type NamespaceLabels = (namespace: string) => Record<string, string> | undefined;

/** Which pods are meant: in these namespaces (by name or by label), with these labels. */
export interface PodTerm {
  /** Equal keys mean the same pods. */
  key: string;
  namespaces: Set<string>;
  namespaceSelector: LabelSelector | undefined;
  selector: LabelSelector | undefined;
}

export interface AffinityTerm extends PodTerm {
  topologyKey: string;
  weight: number;
}

export function podTerm(
  namespaces: Set<string>,
  selector: LabelSelector | undefined,
  namespaceSelector?: LabelSelector,
): PodTerm {
  const within = namespaceSelector ? `{${labelSelectorToString(namespaceSelector)}}` : '';
  // No selector selects nothing; an empty one everything.
  const which = selector ? labelSelectorToString(selector) : '!';
  return {
    key: `${[...namespaces].sort().join(',')}${within}|${which}`,
    namespaces,
    namespaceSelector,
    selector,
  };
}

export function termMatches(term: PodTerm, pod: PodInfo, namespaceLabels: NamespaceLabels): boolean {
  if (!labelSelectorMatches(term.selector, pod.labels)) return false;
  if (term.namespaces.has(pod.namespace)) return true;
  return (
    !!term.namespaceSelector &&
    labelSelectorMatches(term.namespaceSelector, namespaceLabels(pod.namespace) ?? {})
  );
}

/** A selector narrowed to the pod's own values of some labels (KEP-3633). Doing it twice changes nothing. */
export function withLabelKeys(
  selector: LabelSelector | undefined,
  labels: Record<string, string> | undefined,
  match: string[] | undefined,
  mismatch?: string[],
): LabelSelector | undefined {
  if (!selector || !(match?.length || mismatch?.length)) return selector;
  const narrow = (keys: string[] | undefined, operator: string) =>
    (keys ?? []).flatMap((key) =>
      labels?.[key] === undefined ? [] : [{ key, operator, values: [labels[key]] }],
    );
  const added = [...narrow(match, 'In'), ...narrow(mismatch, 'NotIn')];
  return { ...selector, matchExpressions: [...(selector.matchExpressions ?? []), ...added] };
}

/** Without namespaces, a term means the pod's own. */
export function affinityTerm(pod: Pod, term: PodAffinityTerm, weight = 1): AffinityTerm {
  const own = !term.namespaces?.length && !term.namespaceSelector;
  const namespaces = new Set(own ? [pod.metadata.namespace ?? ''] : term.namespaces);
  const selector = withLabelKeys(
    term.labelSelector,
    pod.metadata.labels,
    term.matchLabelKeys,
    term.mismatchLabelKeys,
  );
  return { ...podTerm(namespaces, selector, term.namespaceSelector), topologyKey: term.topologyKey, weight };
}
