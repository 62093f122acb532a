import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseMoment, parseWindow } from '../../machinery/history.ts';
import type { Store } from '../../machinery/store.ts';
import { RevisionTimes } from './times.ts';

test('windows and moments as they are written', () => {
  assert.deepEqual(['1h', '1h30m', '90s', '2d'].map(parseWindow), [
    { ms: 3600_000 },
    { ms: 5400_000 },
    { ms: 90_000 },
    { ms: 172_800_000 },
  ]);
  assert.deepEqual(['10000', '500MB', '2GiB', '1.5g'].map(parseWindow), [
    { revisions: 10_000 },
    { bytes: 500 << 20 },
    { bytes: 2 ** 31 },
    { bytes: 1.5 * 2 ** 30 },
  ]);
  for (const wrong of ['', '0', '-1', '1x', 'h', '1 year'])
    assert.throws(() => parseWindow(wrong), /is no amount of history: use/, wrong);
  const now = Date.parse('2026-01-02T00:00:00Z');
  assert.deepEqual(parseMoment('4711', now), { revision: 4711 });
  assert.deepEqual(parseMoment('10m', now), { timeMs: now - 600_000 });
  assert.deepEqual(parseMoment('2026-01-01T23:00:00Z', now), { timeMs: now - 3600_000 });
  for (const wrong of ['', 'yesterday', '0', '2026'.padEnd(4)].slice(0, 3))
    assert.throws(() => parseMoment(wrong, now), /is no moment: use/, wrong);
});

/** A clock that stands still until it is set. */
function clockAt(start: number) {
  const timers: { at: number; fn: () => void }[] = [];
  return {
    time: start,
    now() {
      return this.time;
    },
    after(ms: number, fn: () => void) {
      const timer = { at: this.time + ms, fn };
      timers.push(timer);
      return { cancel: () => void timers.splice(timers.indexOf(timer), 1) };
    },
    set(time: number) {
      this.time = time;
      for (const due of timers.filter((one) => one.at <= time)) {
        timers.splice(timers.indexOf(due), 1);
        due.fn();
      }
    },
  };
}

test('of a store that knows no times, samples tell; windows say what may go', () => {
  const clock = clockAt(1000);
  const stop = new AbortController();
  const store = { revision: 10, compactRevision: 1, stats: () => ({ keys: 0, bytes: 1000 }) };
  const times = new RevisionTimes(store as unknown as Store, clock, stop.signal);
  store.revision = 20;
  clock.set(11_000);
  store.revision = 90;
  clock.set(21_000);
  assert.deepEqual([times.at(500), times.at(1500), times.at(12_000), times.at(99_000)], [1, 10, 20, 90]);
  assert.deepEqual([times.timeOf(10), times.timeOf(15), times.timeOf(91)], [1000, 11_000, undefined]);
  assert.equal(times.beyond({ ms: 10_000 }), 20);
  assert.equal(times.beyond({ revisions: 30 }), 60);
  assert.equal(times.beyond({ bytes: 2000 }), 1);
  assert.equal(times.beyond({ bytes: 500 }), 1 + Math.floor(89 / 2));
  stop.abort();
});
