// What a pod needs next: a pure function from its spec and what the runtime has of it to a list of things to do.
// The hands that do them are in pod-hands.ts. See testdata/pod-actions.txt for worked examples.
import type { Pod } from '../api/core/v1.gen.ts';
import { initActions } from './init-actions.ts';
import type { ContainerState, PodRuntime } from './pod-runtime.ts';
import { judgeSandbox, latest } from './pod-runtime.ts';
import type { AnyContainer } from './pod-spec.ts';
import { ephemeralContainersOf, initContainersOf, isHostNetwork } from './pod-spec.ts';
import type { Amounts, ResizeStep } from './resize.ts';
import { inSafeOrder, planResize } from './resize.ts';
import { mayRestart, restartPolicyOf, shouldBeRestarted } from './restart-policy.ts';
import { containerHash } from './runtime-labels.ts';

/** Why a container is stopped; a probe may have a grace period of its own. */
export type KillReason = 'startup probe' | 'liveness probe' | 'other';

export interface ContainerToKill {
  id: string;
  name: string;
  message: string;
  reason: KillReason;
}

export interface PodActions {
  /** Stop everything that runs, and the sandbox. With `createSandbox` it all starts anew; without, the pod is done. */
  killPod: boolean;
  createSandbox: boolean;
  /** The sandbox there is, if any. */
  sandboxId?: string;
  /** The number of the sandbox to use or make. */
  attempt: number;
  containersToKill: ContainerToKill[];
  /** Names, in the order in which they start: ephemeral ones, init containers, the others. */
  ephemeralContainersToStart: string[];
  initContainersToStart: string[];
  containersToStart: string[];
  resizes: ResizeStep[];
}

export type ProbeVerdict = 'success' | 'failure' | undefined;

/** What is known besides the runtime's state. All by container id, except `actuated`. */
export interface ActionContext {
  liveness(id: string): ProbeVerdict;
  startup(id: string): ProbeVerdict;
  /** The resources that the running container was last given, by its name; undefined where unknown: left alone. */
  actuated(name: string): Amounts | undefined;
}

export const noContext: ActionContext = {
  liveness: () => undefined,
  startup: () => undefined,
  actuated: () => undefined,
};

export function computePodActions(
  pod: Pod,
  runtime: PodRuntime,
  context: ActionContext = noContext,
): PodActions {
  const sandbox = judgeSandbox(runtime, isHostNetwork(pod));
  const actions: PodActions = {
    killPod: sandbox.changed,
    createSandbox: sandbox.changed,
    ...(sandbox.id ? { sandboxId: sandbox.id } : {}),
    attempt: sandbox.attempt,
    containersToKill: [],
    ephemeralContainersToStart: [],
    initContainersToStart: [],
    containersToStart: [],
    resizes: [],
  };
  if (sandbox.changed) return startAnew(pod, runtime, actions);
  // Ephemeral containers run once, and need not wait for the pod to be initialized.
  for (const { name } of ephemeralContainersOf(pod))
    if (!latest(runtime, name)) actions.ephemeralContainersToStart.push(name);
  const initialized = initActions(pod, runtime, context, actions);
  if (initialized && !actions.killPod) runningActions(pod, runtime, context, actions);
  actions.resizes = inSafeOrder(actions.resizes);
  return actions;
}

/** There is no sandbox that serves: make one, unless the pod has nothing left to run. */
function startAnew(pod: Pod, runtime: PodRuntime, actions: PodActions): PodActions {
  const containers = pod.spec!.containers;
  const started = containers.some(({ name }) => latest(runtime, name));
  if (pod.spec!.restartPolicy === 'Never' && !containers.some((c) => mayRestart(pod, c))) {
    if (actions.attempt > 0 && runtime.containers.length > 0) return { ...actions, createSandbox: false };
  }
  const wanted = containers.filter((container) => {
    const state = latest(runtime, container.name);
    const succeeded = state?.state === 'exited' && state.exitCode === 0;
    return !(restartPolicyOf(pod, container) === 'OnFailure' && succeeded);
  });
  if (wanted.length === 0 && started) return { ...actions, createSandbox: false };
  const [firstInit] = initContainersOf(pod);
  if (firstInit) return { ...actions, initContainersToStart: [firstInit.name] };
  return { ...actions, containersToStart: wanted.map(({ name }) => name) };
}

function runningActions(pod: Pod, runtime: PodRuntime, context: ActionContext, actions: PodActions): void {
  let kept = 0;
  for (const container of pod.spec!.containers) {
    const state = latest(runtime, container.name);
    if (state?.state !== 'running') {
      if (!shouldBeRestarted(pod, container, runtime)) continue;
      actions.containersToStart.push(container.name);
      if (state?.state === 'unknown') actions.containersToKill.push(unknownState(state));
      continue;
    }
    const fault = faultOf(container, state, context);
    if (!fault) {
      if (!resizeAction(container, state, context, actions, actions.containersToStart)) kept++;
      continue;
    }
    const restart = fault.restart || restartPolicyOf(pod, container) !== 'Never';
    if (restart) actions.containersToStart.push(container.name);
    actions.containersToKill.push({
      ...fault.kill,
      message: `Container ${container.name} ${fault.text}${restart ? ', will be restarted' : ''}`,
    });
  }
  if (kept === 0 && actions.containersToStart.length === 0) {
    actions.killPod = true;
    // Sidecars alone do not keep a pod alive.
    actions.initContainersToStart = [];
  }
}

interface Fault {
  text: string;
  /** Restart it whatever the policy says. */
  restart: boolean;
  kill: Omit<ContainerToKill, 'message'>;
}

/** Why a running container may not go on as it is. */
function faultOf(container: AnyContainer, state: ContainerState, context: ActionContext): Fault | undefined {
  const fault = (text: string, reason: KillReason, restart = false): Fault => ({
    text,
    restart,
    kill: { id: state.id, name: container.name, reason },
  });
  if (state.hash !== containerHash(container)) return fault('definition changed', 'other', true);
  if (context.liveness(state.id) === 'failure') return fault('failed liveness probe', 'liveness probe');
  if (context.startup(state.id) === 'failure') return fault('failed startup probe', 'startup probe');
  return undefined;
}

/** Plans the resize of a running container. True when it has to restart for it. */
export function resizeAction(
  container: AnyContainer,
  state: ContainerState,
  context: ActionContext,
  actions: PodActions,
  starts: string[],
): boolean {
  const actuated = context.actuated(container.name);
  if (!actuated) return false;
  const { restart, steps } = planResize(container, state.id, actuated);
  actions.resizes.push(...steps);
  if (!restart) return false;
  const message = `Container ${container.name} resize requires restart`;
  actions.containersToKill.push({ id: state.id, name: container.name, message, reason: 'other' });
  starts.push(container.name);
  return true;
}

/** The runtime lost track of it: it may run still, and must not run twice. */
export const unknownState = (state: ContainerState): ContainerToKill => ({
  id: state.id,
  name: state.name,
  message: `Container is in "${state.state}" state, try killing it before restart`,
  reason: 'other',
});
