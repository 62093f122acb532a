import { writeSync } from 'node:fs';

/** To hand a write to another thread, and to hear of its end, takes a good part of this, and several times as much under load. */
const defaultQuickMs = 0.4;
const zeros = Buffer.alloc(8192);
const probes = 4;

/**
 * Tells whether writes (which are flushed) are so quick that the event loop had better wait for them than hand them to another
 * thread. One that takes long now and then does not change that, several do.
 */
export class Pace {
  readonly #quickMs: number;
  #usualMs: number;

  constructor(quickMs = defaultQuickMs) {
    this.#quickMs = quickMs;
    this.#usualMs = quickMs;
  }

  get isQuick(): boolean {
    return this.#usualMs < this.#quickMs;
  }

  note(ms: number): void {
    this.#usualMs += (Math.min(ms, 4 * this.#quickMs) - this.#usualMs) / 8;
  }

  /** Measures a few writes of zeros at `end` of a file, its last byte; returns where it ends now. A full disk is left as it is. */
  probe(fd: number, end: number): number {
    if (!this.#quickMs) return end;
    try {
      const ready = end + writeSync(fd, zeros, 0, zeros.length, end);
      const took = Array.from({ length: probes }, () => {
        const began = performance.now();
        writeSync(fd, zeros, 0, zeros.length / 2, end);
        return performance.now() - began;
      });
      this.#usualMs = Math.min(took.sort((a, b) => a - b)[probes / 2]!, 4 * this.#quickMs);
      return ready;
    } catch {
      return end; // the first write will tell why
    }
  }
}
