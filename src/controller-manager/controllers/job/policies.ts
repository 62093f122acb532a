import type { Job, PodFailurePolicyOnExitCodesRequirement } from '../../../api/batch/v1.gen.ts';
import type { ContainerStatus, Pod } from '../../../api/core/v1.gen.ts';
import { parseIndexes } from './indexes.ts';

export interface FailureVerdict {
  action: 'Ignore' | 'Count' | 'FailIndex' | 'FailJob';
  /** Why the whole job fails. */
  message: string;
}

function failedContainer(
  statuses: ContainerStatus[] | undefined,
  { containerName, operator, values }: PodFailurePolicyOnExitCodesRequirement,
): ContainerStatus | undefined {
  return statuses?.find(({ name, state }) => {
    const code = state?.terminated?.exitCode;
    if (!code || (containerName && containerName !== name)) return false;
    return operator === 'In' ? values.includes(code) : operator === 'NotIn' && !values.includes(code);
  });
}

/** What the first rule that matches says of a failed pod. https://kubernetes.io/docs/concepts/workloads/controllers/job/#pod-failure-policy */
export function failureVerdict(job: Job, pod: Pod): FailureVerdict {
  const who = `${pod.metadata.namespace}/${pod.metadata.name}`;
  for (const [i, rule] of (job.spec.podFailurePolicy?.rules ?? []).entries()) {
    const action = rule.action as FailureVerdict['action'];
    const { onExitCodes, onPodConditions } = rule;
    if (onExitCodes) {
      const { containerStatuses, initContainerStatuses } = pod.status ?? {};
      const found =
        failedContainer(containerStatuses, onExitCodes) ??
        failedContainer(initContainerStatuses, onExitCodes);
      if (!found) continue;
      const code = found.state?.terminated?.exitCode;
      const message = `Container ${found.name} for pod ${who} failed with exit code ${code} matching ${action} rule at index ${i}`;
      return { action, message };
    }
    const condition = pod.status?.conditions?.find((c) =>
      onPodConditions?.some((p) => p.type === c.type && (p.status ?? 'True') === c.status),
    );
    if (condition)
      return {
        action,
        message: `Pod ${who} has condition ${condition.type} matching ${action} rule at index ${i}`,
      };
  }
  return { action: 'Count', message: '' };
}

/** Which rule of the success policy is met, in words. */
export function successMessage(job: Job, succeeded: Set<number>): string | undefined {
  const completions = job.spec.completions ?? 0;
  for (const [i, rule] of (job.spec.successPolicy?.rules ?? []).entries()) {
    const { succeededCount, succeededIndexes } = rule;
    const relevant = succeededIndexes === undefined ? undefined : parseIndexes(succeededIndexes, completions);
    const met = relevant ? [...relevant].filter((index) => succeeded.has(index)).length : succeeded.size;
    const needed = succeededCount ?? relevant?.size;
    if (needed !== undefined && met >= needed) return `Matched rules at index ${i}`;
  }
  return undefined;
}
