/** A pending timer; `cancel` is idempotent. */
export interface Timer {
  cancel(): void;
}

/**
 * Time as an argument. Everything platform-free takes a clock, so that a test can run hours in a moment and a
 * simulation can be replayed.
 */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Calls `fn` once, `delayMs` from now. */
  after(delayMs: number, fn: () => void): Timer;
}

/** Resolves after `delayMs`; rejects with the signal's reason when it is aborted first. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const abort = () => {
      timer.cancel();
      reject(signal!.reason);
    };
    const timer = clock.after(delayMs, () => {
      signal?.removeEventListener('abort', abort);
      resolve();
    });
    signal?.addEventListener('abort', abort, { once: true });
  });
}

/** RFC 3339 in whole seconds, as metav1.Time is written: `2026-01-02T03:04:05Z`. */
export const time = (ms: number): string => new Date(ms).toISOString().slice(0, 19) + 'Z';

/** RFC 3339 with microseconds, as metav1.MicroTime is written. */
export const microTime = (ms: number): string => {
  const iso = new Date(ms).toISOString();
  const micros = Math.floor((ms - Math.floor(ms)) * 1000);
  return iso.slice(0, 23) + String(micros).padStart(3, '0') + 'Z';
};

/** A source of randomness in [0, 1), as an argument. */
export type Random = () => number;
