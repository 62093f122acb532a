// Where a pod's in-place resize stands: asked for, granted or not, carried out or not (KEP-1287).
import type { Pod, PodCondition } from '../api/core/v1.gen.ts';
import { time } from '../machinery/clock.ts';
import { equal } from '../machinery/meta.ts';
import { tell } from './kubelet-parts.ts';
import type { PodContext } from './pod-context.ts';
import { podRequests } from './pod-resources.ts';
import type { Amounts } from './resize.ts';
import { allocationOf, amountsOf, judgeResize, wantsResize, withAllocation } from './resize.ts';

const file = 'resources.json';

export class PodResize {
  readonly #context: PodContext;
  #restored = false;
  #saved = '';
  #pod: Pod;
  #pending: { reason: string; message: string } | undefined;
  #error: string | undefined;
  /** Granted and not yet in the cgroups. */
  #inProgress = false;

  constructor(context: PodContext, pod: Pod) {
    this.#context = context;
    this.#pod = pod;
    context.allocation = allocationOf(pod);
  }

  /** The node cannot grant it now, but may later. */
  get waiting(): boolean {
    return this.#pending?.reason === 'Deferred' || this.#error !== undefined;
  }

  get inProgress(): boolean {
    return this.#inProgress;
  }

  granted(pod: Pod): Pod {
    return withAllocation(pod, this.#context.allocation);
  }

  /** After a restart of the kubelet: what had been granted and carried out. */
  async restore(): Promise<void> {
    if (this.#restored) return;
    this.#restored = true;
    const { parts, name, allocation, actuated } = this.#context;
    const text = await parts.host.readPodFile(name.uid, file);
    const kept = text
      ? (JSON.parse(text) as { allocation: object; actuated: Record<string, Amounts> })
      : undefined;
    if (kept) Object.assign(allocation, kept.allocation);
    for (const [container, resources] of Object.entries(allocation))
      actuated.set(container, kept?.actuated[container] ?? amountsOf(resources));
    this.#saved = text ?? '';
  }

  /** Grants what the spec asks for, if the node can. Gives the pod as granted. */
  decide(pod: Pod, others: Pod[]): Pod {
    const { parts } = this.#context;
    this.#pod = pod;
    if (!wantsResize(pod, this.#context.allocation)) {
      this.#pending = undefined;
      return pod;
    }
    const verdict = judgeResize(pod, parts.node()?.status?.allocatable ?? {}, others.map(podRequests));
    if (verdict.fits) {
      this.#pending = undefined;
      this.#inProgress = true;
      this.#context.allocation = allocationOf(pod);
      tell(parts, pod, 'Normal', 'ResizeStarted', `Pod resize started: ${this.#summary(pod)}`);
      return pod;
    }
    const { reason, message } = verdict;
    if (this.#pending?.reason !== reason) {
      const about = `Pod resize ${reason === 'Deferred' ? 'deferred' : 'infeasible'}: ${this.#summary(pod)}`;
      tell(parts, pod, 'Warning', `Resize${reason}`, `${about}, error: ${message}`);
    }
    this.#pending = { reason, message };
    return this.granted(pod);
  }

  /** The cgroups have been given what was granted, or it failed. Remembers it on disk. */
  async actuated(error: string | undefined): Promise<void> {
    const { parts, name, allocation, actuated } = this.#context;
    this.#error = error;
    const done = Object.entries(allocation).every(([container, resources]) => {
      const now = actuated.get(container);
      return !now || equal(now, amountsOf(resources));
    });
    if (this.#inProgress && done && !error) {
      this.#inProgress = false;
      tell(
        parts,
        this.#pod,
        'Normal',
        'ResizeCompleted',
        `Pod resize completed: ${this.#summary(this.#pod)}`,
      );
    }
    const text = JSON.stringify({ allocation, actuated: Object.fromEntries(actuated) });
    if (text === this.#saved) return;
    this.#saved = text;
    await parts.host.writePodFile(name.uid, file, text);
  }

  conditions(): PodCondition[] {
    const { generation } = this.#pod.metadata;
    const made = (type: string, reason?: string, message?: string): PodCondition => {
      const before = this.#pod.status?.conditions?.find((c) => c.type === type);
      return {
        type,
        status: 'True',
        ...(reason ? { reason } : {}),
        ...(message ? { message } : {}),
        lastTransitionTime: before?.lastTransitionTime ?? time(this.#context.parts.clock.now()),
        ...(generation ? { observedGeneration: generation } : {}),
      };
    };
    return [
      ...(this.#pending ? [made('PodResizePending', this.#pending.reason, this.#pending.message)] : []),
      ...(this.#inProgress
        ? [made('PodResizeInProgress', this.#error ? 'Error' : undefined, this.#error)]
        : []),
    ];
  }

  #summary(pod: Pod): string {
    const containers = Object.entries(allocationOf(pod)).map(([name, resources]) => ({ name, resources }));
    return JSON.stringify({ containers, generation: pod.metadata.generation });
  }
}
