import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock } from '../machinery/clock.ts';
import { SyncLoop } from './sync-loop.ts';

/** A clock that stands until told. */
function handClock() {
  let now = 0;
  const timers = new Set<{ at: number; fn: () => void }>();
  const clock: Clock = {
    now: () => now,
    after(delayMs, fn) {
      const timer = { at: now + delayMs, fn };
      timers.add(timer);
      return { cancel: () => void timers.delete(timer) };
    },
  };
  const advance = async (ms: number) => {
    const end = now + ms;
    for (;;) {
      const next = [...timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      timers.delete(next);
      now = next.at;
      next.fn();
      for (let i = 0; i < 10; i++) await Promise.resolve();
    }
    now = end;
  };
  return { clock, advance };
}

test('gathers requests, keeps its distance, and retries with growing delays', async () => {
  const { clock, advance } = handClock();
  const runs: number[] = [];
  const retries: number[] = [];
  let broken = false;
  const loop = new SyncLoop({
    ...{ clock, settleMs: 5, intervalMs: 50, maxRetryMs: 300 },
    run: async () => {
      runs.push(clock.now());
      if (broken) throw new Error('no');
    },
    onError: (_error, retryMs) => retries.push(retryMs),
  });
  loop.request();
  loop.request();
  await advance(4);
  assert.deepEqual(runs, []);
  await advance(1);
  assert.deepEqual(runs, [5]);
  loop.request();
  await advance(100);
  assert.deepEqual(runs, [5, 55]);
  broken = true;
  loop.request();
  let done = false;
  void loop.idle().then(() => {
    done = true;
  });
  await advance(800);
  assert.deepEqual(retries.slice(0, 4), [100, 200, 300, 300]);
  assert.equal(done, false);
  broken = false;
  await advance(300);
  assert.equal(done, true);
  await loop.stop();
});
