// Removes what nobody needs any more: dead containers, sandboxes, directories, cgroups, logs, images.
// https://kubernetes.io/docs/concepts/architecture/garbage-collection/#containers-images
import type { ContainerRuntime } from '../cri/cri.ts';
import type { Log } from '../machinery/log.ts';
import type { Host, LogFiles } from './host.ts';
import type { PodRuntime } from './pod-runtime.ts';

interface Needs {
  runtime: ContainerRuntime;
  host: Host;
  log: Log;
}

/** Removes all of a pod that is gone: containers, sandboxes, logs. */
export async function removePodRemains({ runtime, host }: Needs, pod: PodRuntime): Promise<void> {
  for (const { id } of pod.containers) await runtime.removeContainer({ containerId: id });
  for (const { id } of pod.sandboxes) {
    await runtime.stopPodSandbox({ podSandboxId: id });
    await runtime.removePodSandbox({ podSandboxId: id });
  }
  const name = host.logs.podDirectory(pod).split('/').at(-1)!;
  if (pod.name) await host.logs.removePodDirectory(name);
}

/** Dead containers that a living pod no longer needs: all but the newest dead one of each name, which tells of the last run. */
export function surplusContainers({ containers, sandboxes }: PodRuntime): {
  containers: string[];
  sandboxes: string[];
} {
  const seen = new Map<string, number>();
  const surplus: string[] = [];
  for (const { id, name, state } of containers) {
    const before = seen.get(name) ?? 0;
    // The newest of all is the current one, dead or alive; the one before is its last state.
    if (before >= 2 && state !== 'running') surplus.push(id);
    seen.set(name, before + 1);
  }
  const kept = new Set(
    containers.filter(({ id }) => !surplus.includes(id)).map(({ sandboxId }) => sandboxId),
  );
  const old = sandboxes.filter(({ id, ready }, i) => i > 0 && !ready && !kept.has(id)).map(({ id }) => id);
  return { containers: surplus, sandboxes: old };
}

export async function removeSurplus({ runtime, host, log }: Needs, pod: PodRuntime): Promise<void> {
  const surplus = surplusContainers(pod);
  for (const id of surplus.containers) {
    const state = pod.containers.find((container) => container.id === id)!;
    await runtime.removeContainer({ containerId: id });
    await removeLogs(host.logs, state.logPath);
  }
  for (const id of surplus.sandboxes) await runtime.removePodSandbox({ podSandboxId: id });
  if (surplus.containers.length > 0)
    log.debug('dead containers removed', { pod: pod.name, count: surplus.containers.length });
}

async function removeLogs(files: LogFiles, path: string): Promise<void> {
  if (!path) return;
  const slash = path.lastIndexOf('/');
  const name = path.slice(slash + 1);
  for (const file of await files.list(path.slice(0, slash)))
    if (file === name || file.startsWith(`${name}.`)) await files.remove(`${path.slice(0, slash)}/${file}`);
}

const rotateBytes = 10 * 2 ** 20;
const keepFiles = 5;

/** `20260102-030405`: what a rotated file ends in. */
const rotationStamp = (ms: number): string =>
  new Date(ms).toISOString().slice(0, 19).replace(/[-:]/g, '').replace('T', '-');

/** Rotates the log of a running container when it has grown beyond 10 MiB, and keeps five files in all. */
export async function rotateLog(
  { runtime, host }: Needs,
  containerId: string,
  path: string,
  nowMs: number,
): Promise<boolean> {
  const { logs } = host;
  const size = await logs.size(path);
  if (size === undefined || size < rotateBytes) return false;
  await logs.rename(path, `${path}.${rotationStamp(nowMs)}`);
  await runtime.reopenContainerLog({ containerId });
  const slash = path.lastIndexOf('/');
  const directory = path.slice(0, slash);
  const name = path.slice(slash + 1);
  const rotated = (await logs.list(directory)).filter((file) => file.startsWith(`${name}.`)).sort();
  for (const file of rotated.slice(0, Math.max(0, rotated.length - (keepFiles - 1))))
    await logs.remove(`${directory}/${file}`);
  return true;
}

export interface ImageUse {
  /** When it was first seen, and when a container last used it. */
  seenMs: number;
  usedMs: number;
}

const highPercent = 85;
const lowPercent = 80;
const leastAgeMs = 120_000;

/** Removes images that no container uses, the longest unused first, when the disk is more than 85 % full, until it is at 80 %. */
export class ImageGarbage {
  readonly #uses = new Map<string, ImageUse>();

  async collect({ runtime, host, log }: Needs, nowMs: number): Promise<void> {
    const { images } = await runtime.listImages({});
    const { containers } = await runtime.listContainers({});
    const used = new Set(
      containers.flatMap(({ imageRef, image, imageId }) => [imageRef, image?.image ?? '', imageId]),
    );
    const inUse = new Set<string>();
    for (const { id, repoTags, repoDigests } of images) {
      const use = this.#uses.get(id) ?? { seenMs: nowMs, usedMs: 0 };
      if ([id, ...repoTags, ...repoDigests].some((name) => used.has(name))) {
        use.usedMs = nowMs;
        inUse.add(id);
      }
      this.#uses.set(id, use);
    }
    const { diskAvailableBytes, diskCapacityBytes } = await host.usage();
    if (diskCapacityBytes === 0) return;
    const full = 100 - (100 * diskAvailableBytes) / diskCapacityBytes;
    if (full < highPercent) return;
    let toFree = (diskCapacityBytes * (100 - lowPercent)) / 100 - diskAvailableBytes;
    const candidates = images
      .filter(
        ({ id, pinned }) => !pinned && !inUse.has(id) && nowMs - this.#uses.get(id)!.seenMs >= leastAgeMs,
      )
      .sort((a, b) => this.#uses.get(a.id)!.usedMs - this.#uses.get(b.id)!.usedMs);
    for (const { id, size } of candidates) {
      if (toFree <= 0) break;
      await runtime.removeImage({ image: { image: id } });
      log.info('image removed to free space', { id, bytes: size });
      this.#uses.delete(id);
      toFree -= size;
    }
  }
}
