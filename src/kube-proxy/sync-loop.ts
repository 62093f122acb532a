import type { Clock, Timer } from '../machinery/clock.ts';

export interface SyncLoopOptions {
  clock: Clock;
  /** Does all the work that there is. A rejection is told to `onError`, and it is called again later. */
  run(): Promise<void>;
  onError(error: unknown, retryMs: number): void;
  /** How long a request waits for more of its kind. */
  settleMs: number;
  /** From one start to the next at least; twice the time that the work takes, when that is longer. */
  intervalMs: number;
  maxRetryMs: number;
}

/** Runs one thing again and again on request, never twice at once, neither too often nor too late. */
export class SyncLoop {
  readonly #options: SyncLoopOptions;
  #timer: { timer: Timer; at: number } | undefined;
  #running: Promise<void> | undefined;
  #requested = false;
  #stopped = false;
  #failures = 0;
  #notBefore = 0;
  #waiting: (() => void)[] = [];

  constructor(options: SyncLoopOptions) {
    this.#options = options;
  }

  /** Asks for a run that begins after this call. */
  request(): void {
    if (this.#stopped) return;
    this.#requested = true;
    if (!this.#running) this.#schedule();
  }

  /** Resolves when nothing is asked for that has not been done successfully, or the loop is stopped. */
  idle(): Promise<void> {
    if (this.#stopped || (!this.#requested && !this.#running)) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Resolves when the run under way, if any, is over. No further one begins. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.timer.cancel();
    await this.#running;
    this.#release();
  }

  #schedule(): void {
    const { clock, settleMs } = this.#options;
    const now = clock.now();
    const at = Math.max(now + (this.#failures ? 0 : settleMs), this.#notBefore);
    if (this.#timer && this.#timer.at <= at) return;
    this.#timer?.timer.cancel();
    const timer = clock.after(at - now, () => {
      this.#timer = undefined;
      this.#running = this.#run();
    });
    this.#timer = { timer, at };
  }

  async #run(): Promise<void> {
    const { clock, run, onError, intervalMs, maxRetryMs } = this.#options;
    const start = clock.now();
    this.#requested = false;
    try {
      await run();
      this.#failures = 0;
      this.#notBefore = Math.max(start + intervalMs, start + 2 * (clock.now() - start));
    } catch (error) {
      const retryMs = Math.min(maxRetryMs, intervalMs * 2 ** ++this.#failures);
      this.#notBefore = clock.now() + retryMs;
      this.#requested = true;
      if (!this.#stopped) onError(error, retryMs);
    }
    this.#running = undefined;
    if (this.#stopped) return;
    if (this.#requested) this.#schedule();
    else this.#release();
  }

  #release(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
