import type { Backend, Change, LeaseRecord, Revision } from './backend.ts';
import type { Version } from './key-index.ts';
import { MvccStore } from './mvcc.ts';

/** Keeps revisions in memory: for tests, and for clusters that need not outlive their process. */
class MemoryBackend implements Backend {
  readonly #changes = new Map<Version, Change>();
  readonly #leases = new Map<number, LeaseRecord>();
  #bytes = 0;

  load() {
    return { revision: 1, compactRevision: 0, leases: [] as LeaseRecord[] };
  }
  append(batch: Revision[]): Promise<void> {
    for (const { changes, versions } of batch) {
      for (let i = 0; i < changes.length; i++) {
        const change = changes[i]!;
        this.#changes.set(versions[i]!, change);
        this.#bytes += change.key.length + change.value.length;
      }
    }
    return Promise.resolve();
  }
  read(version: Version): Change | undefined {
    return this.#changes.get(version);
  }
  readAll(versions: Version[]): (Change | undefined)[] {
    return versions.map((version) => this.#changes.get(version));
  }
  compact(_revision: number, dropped: Version[]): Promise<void> {
    for (const version of dropped) {
      const change = this.#changes.get(version);
      if (!change) continue;
      this.#bytes -= change.key.length + change.value.length;
      this.#changes.delete(version);
    }
    return Promise.resolve();
  }
  putLease(lease: LeaseRecord): Promise<void> {
    this.#leases.set(lease.id, lease);
    return Promise.resolve();
  }
  removeLease(id: number): Promise<void> {
    this.#leases.delete(id);
    return Promise.resolve();
  }
  leases(): LeaseRecord[] {
    return [...this.#leases.values()];
  }
  bytes() {
    return { total: this.#bytes, inUse: this.#bytes };
  }
  close(): Promise<void> {
    this.#changes.clear();
    return Promise.resolve();
  }
}

/** `now` tells the time of changes, in milliseconds since 1970; without it, nobody knows when they were. */
export const memoryStore = (now?: () => number): MvccStore => new MvccStore(new MemoryBackend(), now);
