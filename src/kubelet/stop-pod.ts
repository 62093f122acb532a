// Stopping containers: hooks, grace, and sidecars after those that they serve.
// https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination
import type { Pod } from '../api/core/v1.gen.ts';
import { isGone } from '../cri/cri.ts';
import { sleep } from '../machinery/clock.ts';
import { cri } from './cri-calls.ts';
import type { Parts, PodName } from './kubelet-parts.ts';
import { tell } from './kubelet-parts.ts';
import { runHook } from './lifecycle-hook.ts';
import type { KillReason } from './pod-actions.ts';
import type { ContainerState, PodRuntime } from './pod-runtime.ts';
import { podIPsOf } from './pod-runtime.ts';
import type { AnyContainer } from './pod-spec.ts';
import { findContainer, initContainersOf, isSidecar } from './pod-spec.ts';

/** The least that a container gets between the signal to end and its death. */
const leastGraceSeconds = 2;
const defaultGraceSeconds = 30;

export interface StopOptions {
  message?: string;
  reason?: KillReason;
  /** In place of the pod's own grace period, in seconds. */
  graceSeconds?: number;
  /** Resolves when it is this container's turn, after its hook. */
  turn?: Promise<unknown>;
  signal?: AbortSignal;
}

/** The pod's grace; a probe that failed may have its own. */
function graceOf(
  pod: Pod | undefined,
  container: AnyContainer | undefined,
  state: ContainerState,
  reason?: KillReason,
) {
  if (!pod) return state.identity.graceSeconds ?? defaultGraceSeconds;
  if (pod.metadata.deletionGracePeriodSeconds !== undefined) return pod.metadata.deletionGracePeriodSeconds;
  const probe =
    reason === 'liveness probe'
      ? container?.livenessProbe
      : reason === 'startup probe'
        ? container?.startupProbe
        : undefined;
  return (
    probe?.terminationGracePeriodSeconds ?? pod.spec!.terminationGracePeriodSeconds ?? defaultGraceSeconds
  );
}

/** Resolves when `work` ends or the time is over; false when the time was over. An abort rejects. */
async function within(
  parts: Parts,
  seconds: number,
  work: Promise<unknown>,
  signal?: AbortSignal,
): Promise<boolean> {
  const stop = new AbortController();
  const both = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
  const timer = sleep(parts.clock, seconds * 1000, both).then(
    () => false,
    (reason) => {
      if (signal?.aborted) throw reason;
      return true;
    },
  );
  try {
    return await Promise.race([work.then(() => true), timer]);
  } finally {
    stop.abort();
  }
}

/** Runs the hook, waits for the container's turn, and stops it. `pod` is undefined when the API has it no more. */
export async function stopContainer(
  parts: Parts,
  name: PodName,
  pod: Pod | undefined,
  state: ContainerState,
  podIP: string,
  options: StopOptions = {},
): Promise<void> {
  const { clock, log } = parts;
  const { signal } = options;
  const spec = pod && findContainer(pod, state.name);
  let grace = graceOf(pod, spec, state, options.reason);
  const message = options.message ?? `Stopping container ${state.name}`;
  if (pod) tell(parts, pod, 'Normal', 'Killing', message, state.name);
  if (options.graceSeconds !== undefined) grace = options.graceSeconds;
  const preStop = spec ? spec.lifecycle?.preStop : state.identity.preStop;
  const begun = clock.now();
  const spent = () => Math.floor((clock.now() - begun) / 1000);
  if (preStop && grace > 0) {
    const ports = spec?.ports ?? state.identity.ports;
    const hook = runHook(
      parts,
      name,
      { name: state.name, ...(ports ? { ports } : {}) },
      state.id,
      preStop,
      podIP,
      signal,
    ).catch((error) => {
      if (signal?.aborted) throw error;
      log.info('preStop hook failed', { ...name, container: state.name, error });
      if (pod) tell(parts, pod, 'Warning', 'FailedPreStopHook', 'PreStopHook failed', state.name);
    });
    await within(parts, grace, hook, signal);
  }
  if (options.turn && grace > spent()) await within(parts, grace - spent(), options.turn, signal);
  const timeout = Math.max(leastGraceSeconds, grace - spent());
  try {
    await cri(parts, name, 'stopContainer', { containerId: state.id, timeout }, signal);
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

/**
 * Stops all containers at once, sidecars when the others have ended (the last sidecar first), and then the sandboxes.
 * Rejects when something could not be stopped: call it again. `pod` is undefined when the API has it no more.
 */
export async function stopPod(
  parts: Parts,
  pod: Pod | undefined,
  runtime: PodRuntime,
  options: Pick<StopOptions, 'graceSeconds' | 'signal'> = {},
): Promise<void> {
  const name = { namespace: runtime.namespace, name: runtime.name, uid: runtime.uid };
  const alive = runtime.containers.filter(({ state }) => state !== 'exited');
  const podIP = podIPsOf(runtime)[0] ?? '';
  const sidecars = pod ? initContainersOf(pod).filter(isSidecar) : [];
  const stopping = new Map<string, Promise<void>>();
  const stop = (state: ContainerState, after: Promise<void>[]): void => {
    const turn = after.length ? Promise.allSettled(after) : undefined;
    const stopped = stopContainer(parts, name, pod, state, podIP, { ...options, ...(turn ? { turn } : {}) });
    stopping.set(state.id, stopped);
  };
  const isServed = ({ name: own }: ContainerState) => !sidecars.some((sidecar) => sidecar.name === own);
  for (const state of alive.filter(isServed)) stop(state, []);
  for (const sidecar of sidecars.toReversed())
    for (const state of alive.filter((c) => c.name === sidecar.name)) stop(state, [...stopping.values()]);
  const results = await Promise.allSettled(stopping.values());
  for (const result of results) if (result.status === 'rejected') throw result.reason;
  for (const { id } of runtime.sandboxes) {
    try {
      await cri(parts, name, 'stopPodSandbox', { podSandboxId: id }, options.signal);
    } catch (error) {
      if (!isGone(error)) throw error;
    }
  }
}
