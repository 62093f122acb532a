import type { Pod } from '../api/core/v1.gen.ts';
import type { Clock, Timer } from '../machinery/clock.ts';
import { equal } from '../machinery/meta.ts';
import type { Plugin, WakeEvent } from './framework.ts';
import { Heap } from './heap.ts';
import { type PodInfo, podInfo } from './pod-info.ts';

/**
 * Where a pod waits:
 *   active         its turn comes by priority, then by how long it waits
 *   backoff        it failed a moment ago and waits longer after each failure (1 s to 10 s)
 *   unschedulable  no node takes it; something must change first
 *   gated          its scheduling gates are not removed yet
 *   inFlight       with the scheduler
 */
export type Place = 'active' | 'backoff' | 'unschedulable' | 'gated' | 'inFlight';

export interface Entry {
  info: PodInfo;
  place: Place;
  queuedAtMs: number;
  /** Breaks ties, and tells a heap's entry from an outdated one. */
  ticket: number;
  attempts: number;
  readyAtMs: number;
  /** Plugins that rejected it: only what they wake on can help. */
  rejectedBy: Set<string>;
  /** It failed for a reason that lies in no node: its back-off is kept to the end. */
  errored: boolean;
}

const initialBackoffMs = 1_000;
const maxBackoffMs = 10_000;
/** An unschedulable pod is tried again after this time even if nothing seems to have changed. */
const staleMs = 5 * 60_000;
const staleCheckMs = 30_000;
const attemptFailed = 'ScheduleAttemptFailure';

/** Why a pod came to where it waits, as upstream's metrics name it. */
const causes: Record<WakeEvent, string> = {
  'node/add': 'NodeAdd',
  'node/labels': 'NodeUpdateNodeLabel',
  'node/taints': 'NodeUpdateNodeTaint',
  'node/allocatable': 'NodeUpdateNodeAllocatable',
  'pod/add': 'AssignedPodAdd',
  'pod/delete': 'AssignedPodDelete',
  'pod/labels': 'AssignedPodUpdatePodLabel',
  'pod/resize': 'AssignedPodUpdatePodScaleDown',
  'pod/self': 'UnschedulablePodUpdate',
  volume: 'PersistentVolumeAdd',
  namespace: 'NamespaceUpdate',
};

interface Turn {
  entry: Entry;
  ticket: number;
}

function before(a: Turn, b: Turn): boolean {
  const [x, y] = [a.entry, b.entry];
  if (x.info.priority !== y.info.priority) return x.info.priority > y.info.priority;
  if (x.queuedAtMs !== y.queuedAtMs) return x.queuedAtMs < y.queuedAtMs;
  return a.ticket < b.ticket;
}

export class SchedulingQueue {
  readonly #clock: Clock;
  readonly #gates: Plugin[];
  readonly #wakers = new Map<WakeEvent, Set<string>>();
  readonly #entries = new Map<string, Entry>();
  /** Heaps hold turns, not entries: one that left the place it waited in leaves its turn behind, to be skipped. */
  readonly #active = new Heap<Turn>(before);
  readonly #backoff = new Heap<Turn>((a, b) => a.entry.readyAtMs < b.entry.readyAtMs);
  readonly #unschedulable = new Set<Entry>();
  #taker: ((entry: Entry | undefined) => void) | undefined;
  #timer: { at: number; timer: Timer } | undefined;
  #staleTimer: Timer | undefined;
  #tickets = 0;
  #closed = false;
  /** Told of each pod that comes to a place, and why. */
  onIncoming: ((place: Place, cause: string) => void) | undefined;

  constructor(clock: Clock, plugins: Plugin[]) {
    this.#clock = clock;
    this.#gates = plugins.filter((p) => p.preEnqueue);
    for (const { name, wakeOn } of plugins)
      for (const event of wakeOn) this.#wakers.set(event, (this.#wakers.get(event) ?? new Set()).add(name));
    this.#checkStale();
  }

  /** How many pods wait, by place. */
  get sizes(): Record<Place, number> {
    const sizes = { active: 0, backoff: 0, unschedulable: 0, gated: 0, inFlight: 0 };
    for (const { place } of this.#entries.values()) sizes[place]++;
    return sizes;
  }

  /** How many pods wait for each plugin that would not have them. */
  get rejections(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const { rejectedBy, place } of this.#entries.values())
      if (place !== 'gated')
        for (const plugin of rejectedBy) counts.set(plugin, (counts.get(plugin) ?? 0) + 1);
    return counts;
  }

  get(uid: string): Entry | undefined {
    return this.#entries.get(uid);
  }

  /** A new pod, or a new version of one that waits. */
  set(pod: Pod): Entry {
    const info = podInfo(pod);
    const known = this.#entries.get(info.uid);
    if (known) {
      this.#updated(known, info);
      return known;
    }
    const entry: Entry = {
      info,
      place: 'gated',
      queuedAtMs: this.#clock.now(),
      ticket: 0,
      attempts: 0,
      readyAtMs: 0,
      rejectedBy: new Set(),
      errored: false,
    };
    this.#entries.set(info.uid, entry);
    this.#ready(entry, 'UnschedulablePodAdd');
    return entry;
  }

  #updated(entry: Entry, info: PodInfo): void {
    const before = entry.info;
    entry.info = info;
    if (entry.place === 'inFlight') return;
    const matters = !equal(before.pod.spec, info.pod.spec) || !equal(before.labels, info.labels);
    if (!matters) return;
    if (entry.place === 'active' && before.priority === info.priority) return;
    if (entry.place === 'unschedulable') this.#retry(entry, causes['pod/self']);
    else if (entry.place === 'gated') this.#ready(entry, causes['pod/self']);
  }

  remove(uid: string): void {
    const entry = this.#entries.get(uid);
    if (!entry) return;
    this.#entries.delete(uid);
    this.#unschedulable.delete(entry);
    entry.ticket = -1;
  }

  /** The next pod; undefined once the queue is closed. One caller at a time. */
  pop(): Promise<Entry | undefined> {
    const entry = this.next();
    if (entry || this.#closed) return Promise.resolve(entry);
    return new Promise((resolve) => {
      this.#taker = resolve;
    });
  }

  /** The next pod if there is one now. With nothing else to do, one that backs off may come early. */
  next(): Entry | undefined {
    for (let turn = this.#active.pop(); turn; turn = this.#active.pop())
      if (turn.ticket === turn.entry.ticket) return this.#take(turn.entry);
    const kept: Turn[] = [];
    let found: Entry | undefined;
    for (let turn = this.#backoff.pop(); turn; turn = this.#backoff.pop()) {
      if (turn.ticket !== turn.entry.ticket) continue;
      if (turn.entry.errored) {
        kept.push(turn);
        continue;
      }
      found = turn.entry;
      break;
    }
    for (const turn of kept) this.#backoff.push(turn);
    return found && this.#take(found);
  }

  #take(entry: Entry): Entry {
    this.#place(entry, 'inFlight');
    entry.attempts++;
    return entry;
  }

  /** No node takes the pod. It waits until something happens that these plugins wake on. */
  unschedulable(entry: Entry, rejectedBy: Set<string>): void {
    if (!this.#entries.has(entry.info.uid)) return;
    entry.rejectedBy = rejectedBy;
    entry.errored = false;
    this.#backOff(entry);
    this.#place(entry, 'unschedulable', attemptFailed);
    this.#unschedulable.add(entry);
  }

  /** It failed for another reason: tries again after a while. */
  failed(entry: Entry): void {
    if (!this.#entries.has(entry.info.uid)) return;
    entry.errored = true;
    this.#backOff(entry);
    this.#retry(entry, attemptFailed);
  }

  #backOff(entry: Entry): void {
    const delay = Math.min(maxBackoffMs, initialBackoffMs * 2 ** Math.min(10, entry.attempts - 1));
    entry.readyAtMs = this.#clock.now() + delay;
  }

  /** Something happened: pods that it may help are tried again. */
  wake(event: WakeEvent): void {
    if (this.#unschedulable.size === 0) return;
    const wakers = this.#wakers.get(event);
    if (!wakers) return;
    for (const entry of [...this.#unschedulable])
      for (const name of entry.rejectedBy) {
        if (!wakers.has(name)) continue;
        this.#retry(entry, causes[event]);
        break;
      }
  }

  /** One pod is tried again, whatever rejected it. */
  wakeOne(uid: string): void {
    const entry = this.#entries.get(uid);
    if (entry?.place === 'unschedulable') this.#retry(entry, 'ForceActivate');
  }

  close(): void {
    this.#closed = true;
    this.#timer?.timer.cancel();
    this.#staleTimer?.cancel();
    this.#taker?.(undefined);
    this.#taker = undefined;
  }

  #place(entry: Entry, place: Place, cause?: string): void {
    if (cause) this.onIncoming?.(place, cause);
    if (entry.place === 'unschedulable') this.#unschedulable.delete(entry);
    entry.place = place;
    entry.ticket = ++this.#tickets;
  }

  /** To the active queue, unless a gate keeps it. */
  #ready(entry: Entry, cause: string): void {
    for (const gate of this.#gates) {
      if (!gate.preEnqueue!(entry.info.pod)) continue;
      this.#place(entry, 'gated', cause);
      return;
    }
    this.#place(entry, 'active', cause);
    this.#active.push({ entry, ticket: entry.ticket });
    this.#serve();
  }

  #retry(entry: Entry, cause: string): void {
    if (this.#closed) return;
    if (entry.readyAtMs <= this.#clock.now()) {
      this.#ready(entry, cause);
      return;
    }
    this.#place(entry, 'backoff', cause);
    this.#backoff.push({ entry, ticket: entry.ticket });
    this.#arm();
    this.#serve();
  }

  #serve(): void {
    if (!this.#taker) return;
    const entry = this.next();
    if (!entry) return;
    const taker = this.#taker;
    this.#taker = undefined;
    taker(entry);
  }

  #arm(): void {
    const first = this.#backoff.peek();
    if (!first || this.#closed) return;
    const at = first.entry.readyAtMs;
    if (this.#timer && this.#timer.at <= at) return;
    this.#timer?.timer.cancel();
    const timer = this.#clock.after(Math.max(1, at - this.#clock.now()), () => {
      this.#timer = undefined;
      const now = this.#clock.now();
      while (this.#backoff.size > 0 && this.#backoff.peek()!.entry.readyAtMs <= now) {
        const turn = this.#backoff.pop()!;
        if (turn.ticket === turn.entry.ticket) this.#ready(turn.entry, 'BackoffComplete');
      }
      this.#arm();
    });
    this.#timer = { at, timer };
  }

  #checkStale(): void {
    this.#staleTimer = this.#clock.after(staleCheckMs, () => {
      const limit = this.#clock.now() - staleMs;
      for (const entry of [...this.#unschedulable])
        if (entry.readyAtMs < limit) this.#retry(entry, 'UnschedulableTimeout');
      this.#checkStale();
    });
  }
}
