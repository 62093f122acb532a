// Brings statuses of pods to the API server: what differs from what is there, the latest only, one write at a time per pod.
import { pods } from '../api/core/pod.ts';
import type { Pod, PodCondition, PodStatus } from '../api/core/v1.gen.ts';
import type { Client } from '../client/client.ts';
import type { Clock } from '../machinery/clock.ts';
import { sleep } from '../machinery/clock.ts';
import type { Log } from '../machinery/log.ts';
import { equal } from '../machinery/meta.ts';
import { isConflict, isInvalid, isNotFound } from '../machinery/status.ts';
import { ownedConditions } from './pod-conditions.ts';
import { isTerminalPhase } from './pod-spec.ts';

interface Entry {
  /** As the API last showed it, by watch or in answer to a write: the newer of the two. */
  pod: Pod;
  wanted?: PodStatus;
  /** Nothing of the pod is left on the node: delete it when the API wants that. */
  finished: boolean;
  busy: boolean;
  /** Something was said since it was last looked at. */
  fresh: boolean;
  gone: boolean;
}

/** What the kubelet says nothing about, or what others may say too, stays as it is. */
const fields = [
  'observedGeneration',
  'phase',
  'reason',
  'message',
  'hostIP',
  'hostIPs',
  'podIP',
  'startTime',
  'qosClass',
  'initContainerStatuses',
  'containerStatuses',
  'ephemeralContainerStatuses',
] as const;

const ownCondition = ({ type }: PodCondition): boolean =>
  ownedConditions.includes(type) || type === 'DisruptionTarget';

const cleared = (condition: PodCondition | undefined): Record<string, null> =>
  Object.fromEntries(Object.keys(condition ?? {}).map((field) => [field, null]));

/** A strategic merge patch that makes `from` say what `to` says; undefined when it does. */
export function statusPatch(from: PodStatus, to: PodStatus): Record<string, unknown> | undefined {
  const patch: Record<string, unknown> = {};
  for (const field of fields) if (!equal(from[field], to[field])) patch[field] = to[field] ?? null;
  if (!equal(from.podIPs, to.podIPs)) patch.podIPs = to.podIPs ? [{ $patch: 'replace' }, ...to.podIPs] : null;
  const old = from.conditions ?? [];
  const conditions: unknown[] = [];
  for (const condition of to.conditions ?? []) {
    const before = old.find(({ type }) => type === condition.type);
    // Elements are merged, too: what a condition no longer says has to be taken back.
    if (ownCondition(condition) && !equal(condition, before))
      conditions.push({ ...cleared(before), ...condition });
  }
  for (const { type } of old)
    if (type.startsWith('PodResize') && !to.conditions?.some((c) => c.type === type))
      conditions.push({ $patch: 'delete', type });
  if (conditions.length > 0) patch.conditions = conditions;
  return Object.keys(patch).length > 0 ? patch : undefined;
}

const newer = (a: Pod, b: Pod): Pod =>
  Number(a.metadata.resourceVersion) >= Number(b.metadata.resourceVersion) ? a : b;

export class StatusWriter {
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #entries = new Map<string, Entry>();
  readonly #stop = new AbortController();

  constructor({ client, clock, log }: { client: Client; clock: Clock; log: Log }) {
    this.#client = client;
    this.#clock = clock;
    this.#log = log;
  }

  /** The status as last asked for: the basis of the next one. */
  get(uid: string): PodStatus | undefined {
    return this.#entries.get(uid)?.wanted;
  }

  /** The API shows the pod like this. Where another hand changed what is the kubelet's to say, it is said again. */
  observe(pod: Pod): void {
    const entry = this.#entry(pod);
    entry.pod = newer(pod, entry.pod);
    this.#kick(entry);
  }

  set(pod: Pod, status: PodStatus, finished = false): void {
    const entry = this.#entry(pod);
    entry.wanted = status;
    entry.finished ||= finished;
    this.#kick(entry);
  }

  /** The API has the pod no more. */
  forget(uid: string): void {
    const entry = this.#entries.get(uid);
    if (entry) entry.gone = true;
    this.#entries.delete(uid);
  }

  stop(): void {
    this.#stop.abort();
  }

  #entry(pod: Pod): Entry {
    const uid = pod.metadata.uid!;
    let entry = this.#entries.get(uid);
    if (!entry)
      this.#entries.set(uid, (entry = { pod, finished: false, busy: false, fresh: false, gone: false }));
    return entry;
  }

  #kick(entry: Entry): void {
    entry.fresh = true;
    if (entry.busy || !entry.wanted || this.#stop.signal.aborted) return;
    entry.busy = true;
    this.#write(entry)
      .catch((error) => {
        if (!this.#stop.signal.aborted)
          this.#log.error('status writer failed', { pod: entry.pod.metadata.name, error });
      })
      .finally(() => {
        entry.busy = false;
        // Said after the writer had looked for the last time, and before it was done.
        if (entry.fresh && !entry.gone) this.#kick(entry);
      });
  }

  async #write(entry: Entry): Promise<void> {
    let delayMs = 200;
    while (!entry.gone && !this.#stop.signal.aborted) {
      try {
        entry.fresh = false;
        if (!(await this.#writeOnce(entry))) return;
        delayMs = 200;
      } catch (error) {
        const { name, namespace, uid } = entry.pod.metadata;
        if (isNotFound(error) || (isConflict(error) && (await this.#isOther(entry))))
          return this.forget(uid!);
        if (isInvalid(error)) this.#log.error('status refused', { namespace, pod: name, error });
        else this.#log.warn('status not written, will retry', { namespace, pod: name, error });
        await sleep(this.#clock, delayMs, this.#stop.signal);
        delayMs = Math.min(delayMs * 2, 10_000);
      }
    }
  }

  /** False when there is nothing more to write, or writing it again would change nothing. */
  async #writeOnce(entry: Entry): Promise<boolean> {
    const { name, namespace, uid, deletionTimestamp, resourceVersion } = entry.pod.metadata;
    const options = { namespace: namespace! };
    const patch = statusPatch(entry.pod.status ?? {}, entry.wanted!);
    if (patch) {
      // The uid makes the server refuse it for another pod of this name.
      const body = { metadata: { uid }, status: patch };
      const written = await this.#client(pods).patch(name!, body, {
        ...options,
        type: 'strategic',
        subresource: 'status',
      });
      const changed = written.metadata.resourceVersion !== resourceVersion;
      if (!changed)
        this.#log.warn('status is not kept as written', {
          namespace,
          pod: name,
          patch: JSON.stringify(patch),
        });
      entry.pod = newer(written, entry.pod);
      return changed;
    }
    if (!deletionTimestamp || !entry.finished || !isTerminalPhase(entry.pod.status?.phase)) return false;
    await this.#client(pods).delete(name!, {
      ...options,
      gracePeriodSeconds: 0,
      preconditions: { uid: uid! },
    });
    // Other finalizers may keep the object for a while: the watch tells when it is gone.
    return false;
  }

  async #isOther({ pod }: Entry): Promise<boolean> {
    const { name, namespace, uid } = pod.metadata;
    const found = await this.#client(pods)
      .get(name!, { namespace: namespace! })
      .catch((error) => {
        if (isNotFound(error)) return undefined;
        throw error;
      });
    return found?.metadata.uid !== uid;
  }
}
