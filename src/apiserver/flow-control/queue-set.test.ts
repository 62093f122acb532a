import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock } from '../../machinery/clock.ts';
import { MetricRegistry } from '../../machinery/metrics.ts';
import { allocate } from './allocate.ts';
import { oneSeat, QueueSet, type QueueSetConfig, type Refusal, Ticket, type Work } from './queue-set.ts';
import { RetryAfter } from './retry-after.ts';
import { handOf } from './shuffle.ts';
import { FlowStats, flowMetrics } from './stats.ts';

function virtualClock(): Clock & { advance(ms: number): void } {
  let now = 1_000_000;
  const timers = new Set<{ at: number; fn: () => void }>();
  return {
    now: () => now,
    after(delayMs, fn) {
      const timer = { at: now + delayMs, fn };
      timers.add(timer);
      return { cancel: () => void timers.delete(timer) };
    },
    advance(ms) {
      const until = now + ms;
      for (;;) {
        const next = [...timers].filter((t) => t.at <= until).sort((a, b) => a.at - b.at)[0];
        if (!next) break;
        timers.delete(next);
        now = next.at;
        next.fn();
      }
      now = until;
    },
  };
}

function rig(config: QueueSetConfig, seats: number) {
  const clock = virtualClock();
  const set = new QueueSet('test', clock, config);
  set.setLimit(seats, seats);
  const registry = new MetricRegistry();
  const stats = new FlowStats(flowMetrics(registry), 'test', 'schema');
  const gone = new AbortController();
  const ask = (flow = 'a', work: Work = oneSeat, signal: AbortSignal = gone.signal) => {
    const hand = config.mode === 'queue' ? handOf(flow, config.queues, config.handSize) : undefined;
    return set.start(stats, work, flow, hand, clock.now(), 15_000, () => signal, undefined);
  };
  return { clock, set, stats, registry, ask };
}
const queued = (more: Partial<QueueSetConfig> = {}): QueueSetConfig => ({
  mode: 'queue',
  queues: 8,
  handSize: 1,
  queueLengthLimit: 50,
  ...more,
});
const let_in = (outcome: Ticket | Refusal | Promise<Ticket | Refusal>): Ticket => {
  assert.ok(outcome instanceof Ticket);
  return outcome;
};

test('without queues, what finds no seat is refused', () => {
  const { ask, set } = rig({ mode: 'reject', queues: 0, handSize: 1, queueLengthLimit: 0 }, 2);
  const first = let_in(ask());
  let_in(ask());
  assert.equal(ask(), 'concurrency-limit');
  first.finish();
  let_in(ask());
  assert.equal(set.rejected, 1);
});

test('an exempt level limits nothing, but counts', () => {
  const { ask, set } = rig({ mode: 'exempt', queues: 0, handSize: 1, queueLengthLimit: 0 }, 0);
  const all = Array.from({ length: 100 }, () => let_in(ask()));
  assert.equal(set.seatsInUse, 100);
  for (const ticket of all) ticket.finish();
  assert.ok(set.idle);
});

test('what finds no seat waits for one, in the order in which it came; a full queue refuses', async () => {
  const { ask, set, registry } = rig(queued({ queues: 1, queueLengthLimit: 2 }), 1);
  const first = let_in(ask());
  const second = ask();
  const third = ask();
  assert.ok(second instanceof Promise && third instanceof Promise);
  assert.equal(ask(), 'queue-full');
  assert.equal(set.waiting, 2);
  assert.match(
    registry.render(),
    /current_inqueue_requests\{priority_level="test",flow_schema="schema"\} 2\n/,
  );
  first.finish();
  first.finish();
  let_in(await second).finish();
  let_in(await third).finish();
  assert.ok(set.idle);
  assert.match(registry.render(), /rejected_requests_total\{[^}]*reason="queue-full"\} 1\n/);
  assert.match(registry.render(), /dispatched_requests_total\{[^}]*\} 3\n/);
});

test('nobody waits longer than the limit, nor for a client that is gone', async () => {
  const { ask, clock, set } = rig(queued(), 1);
  const first = let_in(ask());
  const late = ask();
  const leaver = new AbortController();
  const left = ask('b', oneSeat, leaver.signal);
  leaver.abort();
  assert.equal(await left, 'cancelled');
  clock.advance(15_000);
  assert.equal(await late, 'time-out');
  assert.deepEqual([set.timedOut, set.cancelled, set.waiting], [1, 1, 0]);
  first.finish();
  let_in(ask());
});

test('a flow that floods its queue does not starve another', async () => {
  const { ask, clock } = rig(queued({ queues: 64, handSize: 6, queueLengthLimit: 1000 }), 4);
  const order: string[] = [];
  const running = new Set<Ticket>();
  const follow = (flow: string) => {
    const outcome = ask(flow);
    const begin = (ticket: Ticket | Refusal) => {
      order.push(flow);
      running.add(ticket as Ticket);
    };
    if (outcome instanceof Promise) void outcome.then(begin);
    else begin(outcome);
  };
  for (let i = 0; i < 200; i++) follow('elephant');
  for (let i = 0; i < 10; i++) follow('mouse');
  while (running.size) {
    clock.advance(10);
    for (const ticket of [...running]) {
      running.delete(ticket);
      ticket.finish();
    }
    await Promise.resolve();
    await Promise.resolve();
  }
  assert.equal(order.length, 210);
  const last = order.lastIndexOf('mouse');
  assert.ok(last < 120, `the mouse had to wait for ${last} others`);
});

test('wide requests take many seats, and those that make work for watchers keep theirs for a while', async () => {
  const { ask, clock, set } = rig(queued(), 10);
  const wide = let_in(ask('a', { seats: 8, finalSeats: 0, lingerMs: 0 }));
  const second = ask('b', { seats: 3, finalSeats: 0, lingerMs: 0 });
  assert.ok(second instanceof Promise);
  wide.finish();
  let_in(await second).finish();
  const write = let_in(ask('a', { seats: 1, finalSeats: 4, lingerMs: 5 }));
  write.finish();
  assert.deepEqual([set.executing, set.seatsInUse], [0, 4]);
  clock.advance(5);
  assert.equal(set.seatsInUse, 0);
  // What is wider than all the seats runs alone.
  const huge = let_in(ask('a', { seats: 50, finalSeats: 0, lingerMs: 0 }));
  assert.ok(ask('b') instanceof Promise);
  huge.finish();
});

test('more seats let in what waits', async () => {
  const { ask, set } = rig(queued(), 1);
  let_in(ask());
  const waiting = [ask('b'), ask('c')] as Promise<Ticket>[];
  set.setLimit(3, 3);
  for (const ticket of await Promise.all(waiting)) let_in(ticket);
});

test('a hand is of different queues, and always the same for a flow', () => {
  for (const flow of ['', 'a', 'system:node:n1', 'ü']) {
    const hand = handOf(flow, 128, 6);
    assert.equal(new Set(hand).size, 6);
    assert.ok(hand.every((i) => i >= 0 && i < 128));
    assert.deepEqual(handOf(flow, 128, 6), hand);
    assert.deepEqual([...handOf(flow, 6, 6)].sort(), [0, 1, 2, 3, 4, 5]);
  }
  assert.notDeepEqual(handOf('a', 128, 6), handOf('b', 128, 6));
  const counts = new Array(16).fill(0);
  for (let i = 0; i < 4000; i++) for (const queue of handOf(`flow-${i}`, 16, 4)) counts[queue]++;
  for (const count of counts) assert.ok(count > 850 && count < 1150, `uneven: ${counts}`);
});

test('seats are divided by what is wanted, within bounds', () => {
  const claim = (target: number, least: number, most: number) => ({ target, least, most });
  const rounded = (total: number, ...claims: ReturnType<typeof claim>[]) =>
    allocate(total, claims).seats.map((s) => Math.round(s * 1000) / 1000);
  assert.deepEqual(rounded(100, claim(10, 0, 100), claim(30, 0, 100)), [25, 75]);
  assert.deepEqual(rounded(100, claim(10, 20, 100), claim(90, 0, 100)), [20, 80]);
  assert.deepEqual(rounded(100, claim(10, 0, 15), claim(10, 0, 100), claim(20, 0, 40)), [15, 45, 40]);
  assert.deepEqual(rounded(50, claim(0, 0, 100), claim(0, 0, 100)), [25, 25]);
  assert.deepEqual(rounded(10, claim(5, 8, 100), claim(5, 8, 100)), [8, 8]);
  assert.deepEqual(rounded(500, claim(5, 0, 100), claim(5, 0, 50)), [100, 50]);
});

test('who is refused is told to stay away longer while many are', () => {
  const retry = new RetryAfter();
  assert.equal(retry.refused(0), 1);
  for (let i = 0; i < 5; i++) retry.refused(100);
  assert.equal(retry.refused(1000), 2);
  for (let second = 2; second < 200; second++) for (let i = 0; i < 100; i++) retry.refused(second * 1000);
  assert.equal(retry.seconds, 32);
  for (let second = 300; second < 700; second += 10) retry.refused(second * 1000);
  assert.ok(retry.seconds < 32);
});
