// One container: image, configuration, creation, start, hook.
import type { Pod, Secret } from '../api/core/v1.gen.ts';
import type { PodSandboxConfig } from '../cri/cri.ts';
import { goDuration } from './backoff.ts';
import { containerConfig } from './container-config.ts';
import { containerMounts } from './container-mounts.ts';
import { cri, messageOf } from './cri-calls.ts';
import { environment } from './environment.ts';
import type { LocalImage } from './images.ts';
import { StartError } from './images.ts';
import { tell, traced } from './kubelet-parts.ts';
import { runHook } from './lifecycle-hook.ts';
import type { PodContext } from './pod-context.ts';
import { downwardFacts, pullSecretsOf } from './pod-context.ts';
import type { PodRuntime } from './pod-runtime.ts';
import { latest } from './pod-runtime.ts';
import type { AnyContainer } from './pod-spec.ts';
import { findContainer, podText } from './pod-spec.ts';
import { amountsOf } from './resize.ts';
import { containerHash } from './runtime-labels.ts';
import { serviceEnvironment } from './service-environment.ts';
import { stopContainer } from './stop-pod.ts';

export interface StartInput {
  pod: Pod;
  container: AnyContainer;
  runtime: PodRuntime;
  sandboxId: string;
  sandbox: PodSandboxConfig;
  podIPs: string[];
  signal: AbortSignal;
}

/** A container that keeps ending waits longer each time before it starts again. Throws the StartError CrashLoopBackOff. */
function checkBackoff({ parts, name }: PodContext, { pod, container, runtime }: StartInput): void {
  const ended = runtime.containers.find((c) => c.name === container.name && c.state === 'exited');
  if (!ended) return;
  const key = `${name.uid}/${container.name}/${containerHash(container)}`;
  const until = parts.crashBackoff.waitUntil(key, ended.finishedAtMs);
  if (until === undefined) {
    parts.crashBackoff.next(key, ended.finishedAtMs);
    return;
  }
  const text = 'restarting failed container';
  tell(
    parts,
    pod,
    'Warning',
    'BackOff',
    `Back-off ${text} ${container.name} in pod ${podText(pod)}`,
    container.name,
  );
  const delay = goDuration(parts.crashBackoff.delayMs(key));
  const message = `back-off ${delay} ${text}=${container.name} pod=${podText(pod)}`;
  throw new StartError('CrashLoopBackOff', message, until);
}

/** One more than the last time; where the runtime has forgotten, the logs still tell. */
async function restartCount(
  { parts }: PodContext,
  { container, runtime, sandbox }: StartInput,
): Promise<number> {
  const before = latest(runtime, container.name);
  if (before) return before.restartCount + 1;
  const files = await parts.host.logs.list(`${sandbox.logDirectory}/${container.name}`);
  return Math.max(0, ...files.map((file) => Number(/^(\d+)\.log/.exec(file)?.[1] ?? -1) + 1));
}

async function configure(
  context: PodContext,
  input: StartInput,
  image: LocalImage,
  volumes: ReadonlyMap<string, string>,
  attempt: number,
) {
  const { parts } = context;
  const { pod, container, runtime, podIPs } = input;
  const { namespace } = pod.metadata;
  const services = serviceEnvironment(
    parts.services.list(),
    namespace!,
    pod.spec!.enableServiceLinks ?? true,
  );
  const objects = parts.objects.of(namespace!);
  const env = environment(container, { ...downwardFacts(parts, pod, podIPs), objects, services });
  const target = 'targetContainerName' in container ? container.targetContainerName : undefined;
  const targetId = target ? latest(runtime, target)?.id : undefined;
  if (target && !targetId) throw new Error(`unable to find target container ${target}`);
  return containerConfig({
    pod,
    container,
    restartCount: attempt,
    imageRef: image.ref,
    imageUser: image.user,
    environment: env,
    mounts: await containerMounts(context, pod, container, attempt, podIPs, env, volumes),
    memoryCapacity: parts.machine.memoryBytes,
    ...(targetId ? { targetId } : {}),
  });
}

/** The images that the container has mounted as volumes, by volume: they are on the node afterwards. */
async function volumeImages(
  { images }: PodContext,
  input: StartInput,
  pullSecrets: Secret[],
): Promise<Map<string, string>> {
  const { pod, container, sandbox, signal } = input;
  const found = new Map<string, string>();
  for (const { name, image } of pod.spec!.volumes ?? []) {
    if (!image || !container.volumeMounts?.some((mount) => mount.name === name)) continue;
    const { reference = '', pullPolicy = 'IfNotPresent' } = image;
    const { ref } = await images.ensure({
      pod,
      image: reference,
      policy: pullPolicy,
      pullSecrets,
      sandbox,
      signal,
    });
    found.set(name, ref);
  }
  return found;
}

/** Starts it, or throws a StartError that says why not (its events have been told). */
export async function startContainer(context: PodContext, input: StartInput): Promise<void> {
  const { parts, name, images } = context;
  const { pod, container, sandbox, sandboxId, signal } = input;
  checkBackoff(context, input);
  const fail = (reason: string, message: string, text = message): never => {
    tell(parts, pod, 'Warning', 'Failed', `Error: ${text}`, container.name);
    throw new StartError(reason, message);
  };
  const pullSecrets = pullSecretsOf(parts, pod);
  const policy = container.imagePullPolicy ?? 'IfNotPresent';
  const wanted = {
    pod,
    container: container.name,
    image: container.image ?? '',
    policy,
    pullSecrets,
    sandbox,
    signal,
  };
  const told = (error: unknown): never => {
    if (error instanceof StartError)
      tell(parts, pod, 'Warning', 'Failed', `Error: ${error.reason}`, container.name);
    throw error;
  };
  const volumes = await volumeImages(context, input, pullSecrets).catch(told);
  const image = await images.ensure(wanted).catch(told);
  signal.throwIfAborted();
  const attempt = await restartCount(context, input);
  const config = await configure(context, input, image, volumes, attempt).catch((error) =>
    fail('CreateContainerConfigError', messageOf(error)),
  );
  const request = { podSandboxId: sandboxId, config, sandboxConfig: sandbox };
  const { containerId } = await cri(parts, name, 'createContainer', request).catch((error) =>
    fail('CreateContainerError', messageOf(error)),
  );
  if ('resources' in container || container.resources)
    context.actuated.set(container.name, amountsOf(container.resources));
  traced(parts, name, 7, 'container created', { container: container.name });
  tell(parts, pod, 'Normal', 'Created', 'Container created', container.name);
  await cri(parts, name, 'startContainer', { containerId }).catch((error) => {
    const text = messageOf(error);
    // An id in the message would make each of these events a new one.
    return fail('RunContainerError', text, text.replaceAll(containerId, container.name));
  });
  traced(parts, name, 7, 'container started', { container: container.name });
  tell(parts, pod, 'Normal', 'Started', 'Container started', container.name);
  await afterStart(context, input, containerId);
}

/** The container is stopped when its postStart hook fails. */
async function afterStart(context: PodContext, input: StartInput, containerId: string): Promise<void> {
  const { parts, name, view } = context;
  const { pod, container, podIPs, signal } = input;
  const hook = container.lifecycle?.postStart;
  if (!hook) return;
  try {
    await runHook(parts, name, container, containerId, hook, podIPs[0] ?? parts.config.nodeIPs[0]!, signal);
  } catch (error) {
    if (signal.aborted) throw error;
    // Not the output: events may be read by more people than secrets.
    tell(parts, pod, 'Warning', 'FailedPostStartHook', 'PostStartHook failed', container.name);
    const runtime = await view.refresh(name.uid);
    const state = runtime.containers.find(({ id }) => id === containerId);
    if (state?.state === 'running')
      await stopContainer(parts, name, pod, state, podIPs[0] ?? '', { message: 'FailedPostStartHook' });
    throw new StartError('PostStartHookError', messageOf(error));
  }
}

export const specOf = (pod: Pod, name: string): AnyContainer => {
  const container = findContainer(pod, name);
  if (!container) throw new Error(`no container ${name} in the spec`);
  return container;
};
