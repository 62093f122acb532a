// The part of computePodActions about init containers: one after another, sidecars staying on.
import type { Pod } from '../api/core/v1.gen.ts';
import type { ActionContext, KillReason, PodActions } from './pod-actions.ts';
import { resizeAction, unknownState } from './pod-actions.ts';
import type { ContainerState, PodRuntime } from './pod-runtime.ts';
import type { AnyContainer } from './pod-spec.ts';
import { initContainersOf, isSidecar } from './pod-spec.ts';
import { restartsAfter } from './restart-policy.ts';
import { containerHash } from './runtime-labels.ts';

/**
 * Adds what the init containers need and says whether the pod is initialized, so that its regular containers may run.
 *
 * Only containers of the current sandbox count: those of an earlier one belong to an earlier life of the pod. A regular
 * container in it means that all init containers have been through; a later init container means that those before it have,
 * even where the runtime has no trace of them.
 */
export function initActions(
  pod: Pod,
  runtime: PodRuntime,
  context: ActionContext,
  actions: PodActions,
): boolean {
  const inits = initContainersOf(pod);
  const here = runtime.containers.filter(({ sandboxId }) => sandboxId === actions.sandboxId);
  const stateOf = ({ name }: AnyContainer): ContainerState | undefined => here.find((c) => c.name === name);
  const through = pod.spec!.containers.some(stateOf);
  const reached = through ? inits.length : inits.findLastIndex(stateOf);
  for (const [i, container] of inits.entries()) {
    const state = stateOf(container);
    const passed = i < reached;
    const done = isSidecar(container)
      ? sidecarActions(container, state, context, actions)
      : passed || initContainerDone(pod, container, state, actions);
    if (actions.killPod) return false;
    if (!done && !passed) return false;
  }
  return true;
}

/** True when it has succeeded. */
function initContainerDone(
  pod: Pod,
  container: AnyContainer,
  state: ContainerState | undefined,
  actions: PodActions,
): boolean {
  if (state?.state === 'running') return false;
  if (state?.state === 'exited') {
    if (state.exitCode === 0) return true;
    if (!restartsAfter(pod, container, state.exitCode)) {
      // The pod has failed.
      actions.killPod = true;
      actions.initContainersToStart = [];
      return false;
    }
  }
  if (state?.state === 'unknown') actions.containersToKill.push(unknownState(state));
  actions.initContainersToStart.push(container.name);
  return false;
}

/** True when it runs and has started, so that the next one may start. */
function sidecarActions(
  container: AnyContainer,
  state: ContainerState | undefined,
  context: ActionContext,
  actions: PodActions,
): boolean {
  const { name } = container;
  if (state?.state !== 'running') {
    if (state?.state === 'unknown') actions.containersToKill.push(unknownState(state));
    actions.initContainersToStart.push(name);
    return false;
  }
  const replace = (text: string, reason: KillReason): void => {
    actions.containersToKill.push({ id: state.id, name, message: `Init container ${name} ${text}`, reason });
    actions.initContainersToStart.push(name);
  };
  if (container.startupProbe) {
    const startup = context.startup(state.id);
    if (startup === 'failure') replace('failed startup probe', 'startup probe');
    if (startup !== 'success') return false;
  }
  // From here on it has started: the next one need not wait for it to be replaced.
  if (state.hash !== containerHash(container)) replace('definition changed', 'other');
  else if (container.livenessProbe && context.liveness(state.id) === 'failure')
    replace('failed liveness probe', 'liveness probe');
  else resizeAction(container, state, context, actions, actions.initContainersToStart);
  return true;
}
