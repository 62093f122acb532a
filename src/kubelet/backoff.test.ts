import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Backoff, goDuration } from './backoff.ts';

const at = () => {
  const clock = { ms: 0, now: () => clock.ms, after: () => assert.fail('it needs no timer') };
  return clock;
};

test('delays double up to the most, and start over after a quiet time', () => {
  const clock = at();
  const backoff = new Backoff(clock, 10_000, 300_000);
  assert.equal(backoff.waitUntil('a', 0), undefined, 'the first crash waits for nothing');
  backoff.next('a', 0);
  const waits: number[] = [];
  for (let i = 0; i < 7; i++) {
    const crash = (clock.ms += 1000);
    const until = backoff.waitUntil('a', crash)!;
    waits.push((until - crash) / 1000);
    clock.ms = until;
    assert.equal(backoff.waitUntil('a', crash), undefined);
    backoff.next('a', crash);
  }
  assert.deepEqual(waits, [10, 20, 40, 80, 160, 300, 300]);
  clock.ms += 600_001;
  assert.equal(backoff.waitUntil('a', clock.ms), undefined);
  backoff.next('a', clock.ms);
  assert.equal(backoff.delayMs('a'), 10_000);
  assert.equal(backoff.delayMs('b'), 0, 'keys do not know one another');
});

test('durations as Go writes them', () => {
  const texts = [0, 340, 1500, 10_000, 80_000, 300_000, 3_661_000].map(goDuration);
  assert.deepEqual(texts, ['0s', '340ms', '1.5s', '10s', '1m20s', '5m0s', '1h1m1s']);
});
