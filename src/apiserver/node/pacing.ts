/** Between two rounds of sending, in milliseconds: what a watcher waits at most. */
const roundMs = 4;

export interface Round {
  /** Calls `send` in the next round: at once after a pause, else together with all that comes until then. */
  join(send: () => void): void;
}

/**
 * Rounds in which many streams send what they have. A change that hundreds of watchers see costs each of them a write of its
 * own, which is dear next to the few bytes in it: in a burst of changes, several go with one write. The first one after a
 * pause waits for nobody.
 */
export function rounds(): Round {
  let waiting = new Set<() => void>();
  let last = Number.NEGATIVE_INFINITY;
  let due = false;
  const run = () => {
    const all = waiting;
    waiting = new Set();
    due = false;
    for (const send of all) send();
    last = performance.now();
  };
  return {
    join(send) {
      waiting.add(send);
      if (due) return;
      due = true;
      const leftMs = last + roundMs - performance.now();
      if (leftMs <= 0) setImmediate(run);
      else setTimeout(run, Math.ceil(leftMs));
    },
  };
}

/** Chunks that are to be sent with one write. */
export class Outbox {
  #chunks: Uint8Array[] = [];
  bytes = 0;

  add(chunk: Uint8Array | string): void {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    this.#chunks.push(bytes);
    this.bytes += bytes.length;
  }

  take(): Uint8Array | undefined {
    const chunks = this.#chunks;
    if (!chunks.length) return undefined;
    this.#chunks = [];
    this.bytes = 0;
    return chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
  }
}
