// Does what computePodActions says.
import type { Pod } from '../api/core/v1.gen.ts';
import type { PodSandboxConfig } from '../cri/cri.ts';
import { linuxResources } from './container-config.ts';
import { cri, messageOf, rpcText } from './cri-calls.ts';
import { podResolver } from './dns-config.ts';
import { StartError } from './images.ts';
import { tell, traced } from './kubelet-parts.ts';
import type { PodActions } from './pod-actions.ts';
import type { PodContext } from './pod-context.ts';
import { podCgroup, podCgroupSettings } from './pod-resources.ts';
import type { PodRuntime } from './pod-runtime.ts';
import { podIPsOf } from './pod-runtime.ts';
import { initContainersOf, isHostNetwork, isSidecar } from './pod-spec.ts';
import type { Amounts, ResizeStep } from './resize.ts';
import { sandboxConfig } from './sandbox-config.ts';
import { specOf, startContainer } from './start-container.ts';
import { stopContainer, stopPod } from './stop-pod.ts';

export interface Outcome {
  /** When something that failed is worth another try. */
  retryAtMs?: number;
  /** Why the resize did not work. */
  resizeError?: string;
  /** Containers were started, stopped or changed: what comes next may be due at once. */
  acted: boolean;
}

const retryMs = 10_000;

/**
 * Stops, makes and starts what is asked for, in that order. `sandboxReady` is called when a new sandbox has its network.
 * What cannot be started is left in `context.failures` and told by events; only an abort and broken dependencies reject.
 */
export async function applyActions(
  context: PodContext,
  pod: Pod,
  runtime: PodRuntime,
  actions: PodActions,
  sandboxReady: () => Promise<void>,
  signal: AbortSignal,
): Promise<Outcome> {
  const { parts, name, view } = context;
  let current = runtime;
  let acted = false;
  if (actions.killPod) {
    if (actions.createSandbox && actions.sandboxId)
      tell(parts, pod, 'Normal', 'SandboxChanged', 'Pod sandbox changed, it will be killed and re-created.');
    await stopPod(parts, pod, runtime, { signal });
    acted = runtime.sandboxes.length > 0;
    if (acted) current = await view.refresh(name.uid);
    if (!actions.createSandbox) return { acted };
  } else {
    for (const { id, ...options } of actions.containersToKill) {
      const state = runtime.containers.find((container) => container.id === id)!;
      await stopContainer(parts, name, pod, state, podIPsOf(runtime)[0] ?? '', { ...options, signal });
      acted = true;
    }
    if (acted) current = await view.refresh(name.uid);
  }
  signal.throwIfAborted();
  let sandboxId = actions.sandboxId;
  const sandbox = configOf(context, pod, actions.attempt);
  if (actions.createSandbox) {
    const made = await createSandbox(context, pod, sandbox);
    if (!made) return { acted, retryAtMs: parts.clock.now() + retryMs * (0.5 + parts.random() / 2) };
    sandboxId = made;
    current = await view.refresh(name.uid);
    traced(parts, name, 7, 'network ready', { ips: podIPsOf(current) });
    await sandboxReady();
  }
  const started = await startAll(context, pod, current, actions, sandboxId!, sandbox, signal);
  const resizeError = actions.resizes.length ? await resize(context, pod, actions.resizes) : undefined;
  return {
    acted: acted || started.acted || actions.resizes.length > 0,
    ...(started.retryAtMs !== undefined ? { retryAtMs: started.retryAtMs } : {}),
    ...(resizeError ? { resizeError } : {}),
  };
}

function configOf({ parts }: PodContext, pod: Pod, attempt: number): PodSandboxConfig {
  const { clusterDNS, clusterDomain, cgroupRoot } = parts.config;
  const { warnings, ...resolver } = podResolver(pod, { clusterDNS, clusterDomain, node: parts.resolver });
  for (const warning of warnings) tell(parts, pod, 'Warning', 'DNSConfigForming', warning);
  const { name, namespace, uid } = pod.metadata;
  const logDirectory = parts.host.logs.podDirectory({ name: name!, namespace: namespace!, uid: uid! });
  return sandboxConfig({ pod, attempt, logDirectory, resolver, clusterDomain, cgroupRoot });
}

async function createSandbox({ parts, name }: PodContext, pod: Pod, config: PodSandboxConfig) {
  const className = pod.spec!.runtimeClassName;
  try {
    const runtimeClass = className ? parts.runtimeClasses.get(className) : undefined;
    if (className && !runtimeClass) throw new Error(`RuntimeClass "${className}" not found`);
    if (pod.spec!.hostUsers === false) throw new Error('this node does not support user namespaces');
    const runtimeHandler = runtimeClass?.handler ?? '';
    const { podSandboxId } = await cri(parts, name, 'runPodSandbox', { config, runtimeHandler });
    traced(parts, name, 7, 'sandbox created', { id: podSandboxId.slice(0, 12) });
    return podSandboxId;
  } catch (error) {
    parts.log.warn('sandbox not created', { ...name, error });
    tell(parts, pod, 'Warning', 'FailedCreatePodSandBox', `Failed to create pod sandbox: ${rpcText(error)}`);
    return undefined;
  }
}

async function startAll(
  context: PodContext,
  pod: Pod,
  runtime: PodRuntime,
  actions: PodActions,
  sandboxId: string,
  sandbox: PodSandboxConfig,
  signal: AbortSignal,
): Promise<Outcome> {
  const { parts, failures } = context;
  const podIPs = isHostNetwork(pod) ? parts.config.nodeIPs : podIPsOf(runtime);
  const outcome: Outcome = { acted: false };
  const start = async (containerName: string): Promise<boolean> => {
    signal.throwIfAborted();
    const container = specOf(pod, containerName);
    try {
      await startContainer(context, { pod, container, runtime, sandboxId, sandbox, podIPs, signal });
      failures.delete(containerName);
      outcome.acted = true;
      return true;
    } catch (error) {
      if (!(error instanceof StartError)) throw error;
      failures.set(containerName, { reason: error.reason, message: error.message });
      // A container that was made and did not start is something new in the runtime, too.
      if (['RunContainerError', 'PostStartHookError'].includes(error.reason)) outcome.acted = true;
      const retryAtMs = error.retryAtMs ?? parts.clock.now() + retryMs * (1 + parts.random() / 2);
      outcome.retryAtMs = Math.min(outcome.retryAtMs ?? retryAtMs, retryAtMs);
      return false;
    }
  };
  for (const name of actions.ephemeralContainersToStart) await start(name);
  for (const name of actions.initContainersToStart) {
    const sidecar = initContainersOf(pod).some((init) => init.name === name && isSidecar(init));
    if (!(await start(name)) && !sidecar) return outcome;
  }
  for (const name of actions.containersToStart) await start(name);
  return outcome;
}

/** Changes cgroups of running containers, the pod's own around them. Gives what went wrong. */
async function resize(context: PodContext, pod: Pod, steps: ResizeStep[]): Promise<string | undefined> {
  const { parts, name, actuated, view } = context;
  const cgroup = podCgroup(pod, parts.config.cgroupRoot);
  const wanted = podCgroupSettings(pod);
  const limits = { ...wanted, cpuQuota: wanted.cpuQuota ?? -1, memoryBytes: wanted.memoryBytes ?? -1 };
  try {
    // While it changes, the pod's own limits must hold the sum of old and new ones: none, for this moment.
    await parts.host.applyCgroup(cgroup, { ...limits, cpuQuota: -1, memoryBytes: -1 });
    for (const step of steps) {
      const full = linuxResources(pod, specOf(pod, step.name), parts.machine.memoryBytes);
      const { cpuPeriod, cpuQuota, cpuShares, memoryLimitInBytes } = full;
      const linux =
        step.resource === 'cpu'
          ? { cpuPeriod, cpuQuota, cpuShares }
          : { memoryLimitInBytes: memoryLimitInBytes ?? -1 };
      await cri(parts, name, 'updateContainerResources', { containerId: step.id, linux });
      const before: Amounts = actuated.get(step.name) ?? step.from;
      const { resource, to } = step;
      actuated.set(step.name, {
        ...before,
        [`${resource}Request`]: to[`${resource}Request`],
        [`${resource}Limit`]: to[`${resource}Limit`],
      });
      view.invalidate(step.id);
    }
    await parts.host.applyCgroup(cgroup, limits);
    return undefined;
  } catch (error) {
    parts.log.warn('resize failed', { ...name, error });
    return messageOf(error);
  }
}
