import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MetricRegistry } from '../machinery/metrics.ts';
import { queueMetrics } from './queue-metrics.ts';
import { WorkQueue } from './workqueue.ts';

test('a queue says how much waits, and for how long', async () => {
  let now = 0;
  const clock = { now: () => now, after: () => ({ cancel() {} }) };
  const registry = new MetricRegistry();
  const queue = new WorkQueue({ clock, metrics: queueMetrics(registry, 'q') });
  for (const key of ['a', 'b', 'a']) queue.add(key);
  now = 500;
  assert.equal(await queue.get(), 'a');
  queue.add('a');
  now = 2500;
  queue.done('a');
  const text = registry.render();
  assert.match(text, /^workqueue_depth\{name="q"\} 2$/m);
  assert.match(text, /^workqueue_adds_total\{name="q"\} 3$/m);
  assert.match(text, /^workqueue_queue_duration_seconds_sum\{name="q"\} 0\.5$/m);
  assert.match(text, /^workqueue_work_duration_seconds_sum\{name="q"\} 2$/m);
  queue.close();
});
