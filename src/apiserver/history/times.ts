import type { Clock } from '../../machinery/clock.ts';
import type { HistoryWindow } from '../../machinery/history.ts';
import type { Store } from '../../machinery/store.ts';

/** Between two samples of a store that does not know the times of its revisions. */
const sampleEveryMs = 10_000;

/** When revisions were made. Stores of our own know; of an etcd, this notes now and then how far it is. */
export class RevisionTimes {
  readonly #store: Store;
  readonly #clock: Clock;
  /** In order. */
  #samples: { timeMs: number; revision: number }[] = [];

  constructor(store: Store, clock: Clock, signal: AbortSignal) {
    this.#store = store;
    this.#clock = clock;
    if (store.revisionAt) return;
    this.#sample();
    let timer = clock.after(sampleEveryMs, () => again());
    const again = () => {
      this.#sample();
      timer = clock.after(sampleEveryMs, again);
    };
    signal.addEventListener('abort', () => timer.cancel(), { once: true });
  }

  #sample(): void {
    const { revision, compactRevision } = this.#store;
    const past = this.#samples.findIndex((one) => one.revision > compactRevision);
    if (past > 1) this.#samples = this.#samples.slice(past - 1);
    if (this.#samples.at(-1)?.revision !== revision)
      this.#samples.push({ timeMs: this.#clock.now(), revision });
  }

  /** Undefined where it is not known. Of an etcd it is the next moment of which something is known. */
  timeOf(revision: number): number | undefined {
    if (this.#store.timeOf) return this.#store.timeOf(revision);
    return this.#samples.find((one) => one.revision >= revision)?.timeMs;
  }

  /** The newest revision of then; the compacted one when that was before all that is known. */
  at(timeMs: number): number {
    if (this.#store.revisionAt) return this.#store.revisionAt(timeMs);
    return this.#samples.findLast((one) => one.timeMs <= timeMs)?.revision ?? this.#store.compactRevision;
  }

  /** Up to which revision history may be forgotten, so that the window is still kept. */
  beyond(window: HistoryWindow): number {
    const { revision, compactRevision } = this.#store;
    if ('ms' in window) return this.at(this.#clock.now() - window.ms);
    if ('revisions' in window) return revision - window.revisions;
    // The oldest part of history that is as large as what is too much, were all parts alike.
    const { bytes, inUse = bytes } = this.#store.stats();
    const surplus = Math.max(0, 1 - window.bytes / Math.max(1, inUse));
    return compactRevision + Math.floor((revision - compactRevision) * surplus);
  }
}
