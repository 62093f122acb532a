import type { Clock } from '../machinery/clock.ts';
import type { Log } from '../machinery/log.ts';

const retryMs = 5000;

export interface ReconcileLoop {
  /** Looks again, soon: once for all that happens until then. */
  wake(): void;
  /** As `wake`, after a while. */
  later(delayMs: number): void;
  /** When the first pass is over, whether it succeeded or not. */
  first: Promise<void>;
  stop(): void;
  /** After `stop`: when what was under way is over. */
  idle(): Promise<void>;
}

/** Runs `pass` when something has changed, never twice at once, and again after a failure. It begins with one. */
export function reconcileLoop(
  what: string,
  pass: (loop: ReconcileLoop) => Promise<void>,
  clock: Clock,
  log: Log,
): ReconcileLoop {
  let stopped = false;
  let running: Promise<void> | undefined;
  let again = false;
  let timer: { cancel(): void } | undefined;
  async function run(): Promise<void> {
    again = false;
    try {
      await pass(loop);
    } catch (error) {
      if (stopped) return;
      log.warn(`${what}: not done, will try again`, { error: String(error) });
      loop.later(retryMs);
    }
  }
  const loop: ReconcileLoop = {
    wake() {
      again = true;
      if (stopped || running) return;
      running = run().finally(() => {
        running = undefined;
        if (again) loop.wake();
      });
    },
    later(delayMs) {
      timer?.cancel();
      if (!stopped) timer = clock.after(delayMs, loop.wake);
    },
    first: Promise.resolve(),
    stop() {
      stopped = true;
      timer?.cancel();
    },
    idle: async () => running,
  };
  loop.wake();
  loop.first = running!;
  return loop;
}
