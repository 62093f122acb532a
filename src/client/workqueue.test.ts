import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock } from '../machinery/clock.ts';
import { WorkQueue } from './workqueue.ts';

function virtualClock(): Clock & { advance(ms: number): void } {
  let now = 0;
  let timers: { at: number; fn: () => void }[] = [];
  return {
    now: () => now,
    after(delayMs, fn) {
      const timer = { at: now + delayMs, fn };
      timers.push(timer);
      return { cancel: () => (timers = timers.filter((t) => t !== timer)) };
    },
    advance(ms) {
      const end = now + ms;
      for (;;) {
        const next = timers.filter((t) => t.at <= end).sort((a, b) => a.at - b.at)[0];
        if (!next) break;
        timers = timers.filter((t) => t !== next);
        now = next.at;
        next.fn();
      }
      now = end;
    },
  };
}

test('a waiting key is not added twice, and keys come in order', async () => {
  const queue = new WorkQueue({ clock: virtualClock() });
  for (const key of ['a', 'b', 'a']) queue.add(key);
  assert.equal(queue.length, 2);
  assert.equal(await queue.get(), 'a');
  assert.equal(await queue.get(), 'b');
});

test('a key in flight comes again only after done', async () => {
  const queue = new WorkQueue({ clock: virtualClock() });
  queue.add('a');
  await queue.get();
  queue.add('a');
  assert.equal(queue.length, 0);
  const next = queue.get();
  queue.done('a');
  assert.equal(await next, 'a');
  queue.done('a');
  assert.equal(queue.length, 0);
});

test('the earliest delay wins', () => {
  const clock = virtualClock();
  const queue = new WorkQueue({ clock });
  queue.addAfter('a', 100);
  queue.addAfter('a', 50);
  queue.addAfter('a', 200);
  clock.advance(49);
  assert.equal(queue.length, 0);
  clock.advance(1);
  assert.equal(queue.length, 1);
});

test('failures double the delay until forgotten', async () => {
  const clock = virtualClock();
  const queue = new WorkQueue({ clock, baseDelayMs: 10, maxDelayMs: 35 });
  for (const delay of [10, 20, 35, 35]) {
    queue.addRateLimited('a');
    clock.advance(delay - 1);
    assert.equal(queue.length, 0);
    clock.advance(1);
    assert.equal(await queue.get(), 'a');
    queue.done('a');
  }
  assert.equal(queue.failures('a'), 4);
  queue.forget('a');
  queue.addRateLimited('a');
  clock.advance(10);
  assert.equal(queue.length, 1);
});

test('a full queue refuses, and says when there is room', async () => {
  const clock = virtualClock();
  let room = 0;
  const queue = new WorkQueue({ clock, capacity: 2, onRoom: () => room++ });
  assert.deepEqual(
    ['a', 'b', 'c', 'a'].map((key) => queue.add(key)),
    [true, true, false, true],
  );
  await queue.get();
  clock.advance(0);
  assert.equal(room, 1);
});

test('close wakes those who wait', async () => {
  const queue = new WorkQueue({ clock: virtualClock() });
  const waiting = queue.get();
  queue.close();
  assert.equal(await waiting, undefined);
  assert.equal(queue.add('a'), false);
});
