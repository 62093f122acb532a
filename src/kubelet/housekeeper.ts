// Regular work beside the pods' own: what is left of pods that are gone, dead containers, logs, images.
import { messageOf } from './cri-calls.ts';
import { ImageGarbage, removePodRemains, removeSurplus, rotateLog } from './garbage.ts';
import type { Parts } from './kubelet-parts.ts';
import type { PodWorker } from './pod-worker.ts';
import type { RuntimeView } from './runtime-view.ts';
import { stopPod } from './stop-pod.ts';

const rotateMs = 10_000;
const collectMs = 60_000;
const imagesMs = 300_000;

export class Housekeeper {
  readonly #parts: Parts;
  readonly #view: RuntimeView;
  readonly #workerOf: (uid: string) => PodWorker | undefined;
  readonly #images = new ImageGarbage();
  /** Pods that are being removed. */
  readonly #removing = new Map<string, Promise<void>>();
  #rotatedMs = 0;
  #collectedMs = 0;
  #imagesMs = 0;
  #sweptDisk = false;

  constructor(parts: Parts, view: RuntimeView, workerOf: (uid: string) => PodWorker | undefined) {
    this.#parts = parts;
    this.#view = view;
    this.#workerOf = workerOf;
    this.#imagesMs = parts.clock.now();
  }

  async tick(now: number): Promise<void> {
    for (const uid of this.#view.uids()) if (!this.#workerOf(uid)) this.removeRemains(uid);
    if (now - this.#rotatedMs >= rotateMs) {
      this.#rotatedMs = now;
      await this.#rotate(now);
    }
    if (now - this.#collectedMs >= collectMs) {
      this.#collectedMs = now;
      await this.#collect();
    }
    if (now - this.#imagesMs >= imagesMs) {
      this.#imagesMs = now;
      await this.#images.collect(this.#parts, now);
    }
  }

  /** Stops what still runs of a pod that the API does not have, and removes all of it. Once at a time; retried by `tick`. */
  removeRemains(uid: string): void {
    if (this.#removing.has(uid)) return;
    const work = this.#remove(uid)
      .catch((error) =>
        this.#parts.log.warn('remains of pod not removed, will retry', { uid, error: messageOf(error) }),
      )
      .finally(() => this.#removing.delete(uid));
    this.#removing.set(uid, work);
  }

  async #remove(uid: string): Promise<void> {
    const { parts } = { parts: this.#parts };
    const runtime = await this.#view.refresh(uid);
    if (runtime.containers.length + runtime.sandboxes.length > 0) {
      await stopPod(parts, undefined, runtime);
      await removePodRemains(parts, await this.#view.refresh(uid));
      await this.#view.refresh(uid);
    }
    await parts.host.removePod(uid);
    const cgroup = (await parts.host.podCgroups()).get(uid);
    if (cgroup) await parts.host.removeCgroup(cgroup);
  }

  async #rotate(now: number): Promise<void> {
    for (const uid of this.#view.uids()) {
      const { containers } = await this.#view.pod(uid);
      for (const { id, state, logPath } of containers)
        if (state === 'running' && logPath) await rotateLog(this.#parts, id, logPath, now);
    }
  }

  async #collect(): Promise<void> {
    const { host } = this.#parts;
    for (const uid of this.#view.uids()) {
      const worker = this.#workerOf(uid);
      if (worker && worker.stage === 'running') await removeSurplus(this.#parts, await this.#view.pod(uid));
    }
    // Directories and cgroups of pods that went while no kubelet ran.
    if (this.#sweptDisk) return;
    this.#sweptDisk = true;
    const orphans = new Set([...(await host.podsOnDisk()), ...(await host.podCgroups()).keys()]);
    for (const uid of orphans) if (!this.#workerOf(uid) && !this.#view.has(uid)) this.removeRemains(uid);
    for (const name of await host.logs.podDirectories()) {
      const uid = name.split('_').at(-1)!;
      if (!this.#workerOf(uid) && !this.#view.has(uid)) await host.logs.removePodDirectory(name);
    }
  }
}
