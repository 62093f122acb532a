import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock } from '../machinery/clock.ts';
import { makePod } from './fixtures.ts';
import { plugins } from './plugins/index.ts';
import { SchedulingQueue } from './queue.ts';

function virtualClock(): Clock & { advance(ms: number): void } {
  let now = 1_000_000;
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

test('by priority, then by age', () => {
  const clock = virtualClock();
  const queue = new SchedulingQueue(clock, plugins);
  queue.set(makePod('a'));
  clock.advance(1);
  queue.set(makePod('b', { priority: 5 }));
  queue.set(makePod('c', { priority: 5 }));
  assert.deepEqual(
    [queue.next(), queue.next(), queue.next(), queue.next()].map((e) => e?.info.name),
    ['b', 'c', 'a', undefined],
  );
  queue.close();
});

test('an unschedulable pod wakes on what may help it, and backs off longer each time', () => {
  const clock = virtualClock();
  const queue = new SchedulingQueue(clock, plugins);
  queue.set(makePod('a'));
  const entry = queue.next()!;
  queue.unschedulable(entry, new Set(['TaintToleration']));
  queue.wake('pod/delete');
  assert.equal(entry.place, 'unschedulable');
  queue.wake('node/taints');
  assert.equal(entry.place, 'backoff');
  clock.advance(1_000);
  assert.equal(entry.place, 'active');
  assert.equal(queue.next(), entry);
  queue.unschedulable(entry, new Set(['TaintToleration']));
  queue.wake('node/taints');
  clock.advance(1_999);
  assert.equal(entry.place, 'backoff');
  // Nothing else to do: it comes early.
  assert.equal(queue.next(), entry);
  queue.failed(entry);
  // A failure that lies in no node keeps its back-off.
  assert.equal(queue.next(), undefined);
  clock.advance(4_000);
  assert.equal(queue.next(), entry);
  queue.close();
});

test('after five minutes an unschedulable pod is tried anyway', () => {
  const clock = virtualClock();
  const queue = new SchedulingQueue(clock, plugins);
  queue.set(makePod('a'));
  const entry = queue.next()!;
  queue.unschedulable(entry, new Set(['NodePorts']));
  clock.advance(6 * 60_000);
  assert.equal(entry.place, 'active');
  queue.close();
});

test('gates keep a pod out until the last is removed', () => {
  const queue = new SchedulingQueue(virtualClock(), plugins);
  const pod = makePod('a', { schedulingGates: [{ name: 'x' }] });
  assert.equal(queue.set(pod).place, 'gated');
  assert.equal(queue.next(), undefined);
  queue.set({ ...pod, spec: { ...pod.spec, schedulingGates: [] } });
  assert.equal(queue.next()?.info.name, 'a');
  queue.close();
});

test('a removed pod does not come', async () => {
  const queue = new SchedulingQueue(virtualClock(), plugins);
  const pod = makePod('a');
  queue.set(pod);
  queue.remove(pod.metadata.uid!);
  const next = queue.pop();
  queue.set(makePod('b'));
  assert.equal((await next)?.info.name, 'b');
  queue.close();
});
