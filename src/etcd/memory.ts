import type { Backend, Change, LeaseRecord, Revision } from './backend.ts';
import { MvccStore } from './mvcc.ts';

/** Keeps revisions in memory: for tests, and for clusters that need not outlive their process. */
class MemoryBackend implements Backend {
  readonly initial = { revision: 1, compactRevision: 0, leases: [] as LeaseRecord[] };
  readonly #revisions = new Map<number, (Change | undefined)[]>();
  #bytes = 0;

  append(batch: Revision[]): Promise<void> {
    for (const { revision, changes } of batch) {
      this.#revisions.set(revision, [...changes]);
      for (const change of changes) this.#bytes += change.key.length + change.value.length;
    }
    return Promise.resolve();
  }
  read(revision: number, sub: number): Change | undefined {
    return this.#revisions.get(revision)?.[sub];
  }
  *scan(from: number, to: number) {
    for (let revision = from; revision <= to; revision++) {
      const changes = this.#revisions.get(revision) ?? [];
      for (let sub = 0; sub < changes.length; sub++) {
        const change = changes[sub];
        if (change) yield { revision, sub, change };
      }
    }
  }
  scanKeys() {
    return [];
  }
  compact(_revision: number, drop: { revision: number; sub: number }[]): Promise<void> {
    for (const { revision, sub } of drop) {
      const changes = this.#revisions.get(revision);
      const change = changes?.[sub];
      if (!changes || !change) continue;
      this.#bytes -= change.key.length + change.value.length;
      changes[sub] = undefined;
      if (changes.every((c) => c === undefined)) this.#revisions.delete(revision);
    }
    return Promise.resolve();
  }
  putLease(): Promise<void> {
    return Promise.resolve();
  }
  removeLease(): Promise<void> {
    return Promise.resolve();
  }
  bytes(): number {
    return this.#bytes;
  }
  close(): Promise<void> {
    this.#revisions.clear();
    return Promise.resolve();
  }
}

export const memoryStore = (): MvccStore => new MvccStore(new MemoryBackend());
