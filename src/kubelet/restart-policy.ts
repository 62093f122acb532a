// Whether a container that has ended starts again.
// https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy and KEP-5307 (container restart rules).
import type { Pod } from '../api/core/v1.gen.ts';
import type { PodRuntime } from './pod-runtime.ts';
import { latest } from './pod-runtime.ts';
import type { AnyContainer } from './pod-spec.ts';

/** The container's own policy where it has one, else the pod's. */
export const restartPolicyOf = (pod: Pod, container: AnyContainer): string =>
  container.restartPolicy ?? pod.spec!.restartPolicy ?? 'Always';

/** By policy and rules alone: does exit code `exitCode` mean another start? */
export function restartsAfter(pod: Pod, container: AnyContainer, exitCode: number): boolean {
  if (container.restartPolicy !== undefined) {
    for (const { action, exitCodes } of container.restartPolicyRules ?? []) {
      if (!exitCodes) continue;
      const among = (exitCodes.values ?? []).includes(exitCode);
      if ((exitCodes.operator === 'NotIn') !== among) return action === 'Restart';
    }
  }
  const policy = restartPolicyOf(pod, container);
  return policy === 'Always' || (policy === 'OnFailure' && exitCode !== 0);
}

/** Could it ever start again? A pod of which none can is done when its containers have ended. */
export const mayRestart = (pod: Pod, container: AnyContainer): boolean =>
  restartPolicyOf(pod, container) !== 'Never' || (container.restartPolicyRules?.length ?? 0) > 0;

/** Whether the container is to be started, given what the runtime has of it. False while it runs. */
export function shouldBeRestarted(pod: Pod, container: AnyContainer, runtime: PodRuntime): boolean {
  if (pod.metadata.deletionTimestamp) return false;
  const state = latest(runtime, container.name);
  if (!state) return true;
  if (state.state === 'running') return false;
  if (state.state !== 'exited') return true;
  return restartsAfter(pod, container, state.exitCode);
}
