import type { Namespace, NamespaceCondition, NamespaceStatus } from '../../../api/core/v1.gen.ts';
import { time } from '../../../machinery/clock.ts';
import type { Contents } from './contents.ts';

interface Fact {
  type: string;
  /** What is wrong; undefined when nothing is. */
  wrong: string | undefined;
  /** Reasons when something is wrong, and when it is not; then the message, too. */
  reasons: [string, string];
  fine: string;
}

const listed = (counts: Map<string, number>, each: (name: string, n: number) => string): string =>
  [...counts]
    .map(([name, n]) => each(name, n))
    .sort()
    .join(', ');

/** Conditions of a namespace that is being emptied. Types, reasons and messages: upstream's. */
const factsOf = ({ remaining, finalizers, errors, undiscovered, unparsed }: Contents): Fact[] => [
  {
    type: 'NamespaceDeletionDiscoveryFailure',
    wrong: undiscovered,
    reasons: ['DiscoveryFailed', 'ResourcesDiscovered'],
    fine: 'All resources successfully discovered',
  },
  {
    type: 'NamespaceDeletionGroupVersionParsingFailure',
    wrong: unparsed,
    reasons: ['GroupVersionParsingFailed', 'ParsedGroupVersions'],
    fine: 'All legacy kube types successfully parsed',
  },
  {
    type: 'NamespaceDeletionContentFailure',
    wrong:
      errors.length > 0
        ? `Failed to delete all resource types, ${errors.length} remaining: ${errors.toSorted().join(', ')}`
        : undefined,
    reasons: ['ContentDeletionFailed', 'ContentDeleted'],
    fine: 'All content successfully deleted, may be waiting on finalization',
  },
  {
    type: 'NamespaceContentRemaining',
    wrong:
      remaining.size > 0
        ? // The group follows a dot, also where it is empty: `pods.`
          `Some resources are remaining: ${listed(remaining, (name, n) => `${name.replace(/^([^.]+)$/, '$1.')} has ${n} resource instances`)}`
        : undefined,
    reasons: ['SomeResourcesRemain', 'ContentRemoved'],
    fine: 'All content successfully removed',
  },
  {
    type: 'NamespaceFinalizersRemaining',
    wrong:
      finalizers.size > 0
        ? `Some content in the namespace has finalizers remaining: ${listed(finalizers, (f, n) => `${f} in ${n} resource instances`)}`
        : undefined,
    reasons: ['SomeFinalizersRemain', 'ContentHasNoFinalizers'],
    fine: 'All content-preserving finalizers finished',
  },
];

export function statusOf(namespace: Namespace, contents: Contents, nowMs: number): NamespaceStatus {
  const before = namespace.status?.conditions ?? [];
  const conditions = factsOf(contents).map(({ type, wrong, reasons, fine }): NamespaceCondition => {
    const status = wrong === undefined ? 'False' : 'True';
    const old = before.find((c) => c.type === type);
    const lastTransitionTime = old?.status === status ? old.lastTransitionTime : time(nowMs);
    const reason = reasons[wrong === undefined ? 1 : 0];
    return { type, status, lastTransitionTime, reason, message: wrong ?? fine };
  });
  const others = before.filter((c) => !conditions.some((d) => d.type === c.type));
  return { ...namespace.status, phase: 'Terminating', conditions: [...others, ...conditions] };
}
