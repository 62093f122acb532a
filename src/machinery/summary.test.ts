import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MetricRegistry } from './metrics.ts';

test('a summary tells quantiles of lately, and the sum of always', () => {
  const hour = 3_600_000;
  let now = 1000 * hour;
  const registry = new MetricRegistry();
  const family = registry.summary('took_seconds', 'What it took.', ['verb'], {
    maxAgeMs: 5 * hour,
    now: () => now,
  });
  const summary = family.with('get');
  for (let i = 1; i <= 1000; i++) summary.observe(i / 1000, now);
  for (const share of [0.5, 0.9, 0.99]) {
    const told = summary.quantile(share, now);
    assert.ok(Math.abs(told - share) < share * 0.015, `${share}: ${told}`);
  }
  const text = registry.render();
  assert.match(text, /^# TYPE took_seconds summary$/m);
  assert.match(text, /^took_seconds\{verb="get",quantile="0\.99"\} 0\.9\d+$/m);
  assert.match(text, /^took_seconds_count\{verb="get"\} 1000$/m);
  now += 3 * hour;
  summary.observe(100_000, now);
  summary.observe(0, now);
  assert.ok(summary.quantile(0.5, now) < 0.52);
  now += 3 * hour;
  assert.ok(summary.quantile(0.99, now) > 900, 'what is old has gone');
  assert.ok(summary.quantile(0.1, now) <= 1e-6);
  now += 50 * hour;
  assert.ok(Number.isNaN(summary.quantile(0.5, now)));
  assert.match(registry.render(), /quantile="0\.5"\} NaN$/m);
  assert.equal(summary.count, 1002);
});
