import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CronJob, CronJobSpec, CronJobStatus, Job } from '../../api/batch/v1.gen.ts';
import type { Action } from '../runtime/actions.ts';
import { nextTime, reconcile } from './cron-job.ts';

const now = Date.parse('2026-01-01T10:00:30Z');
const cronJob = (spec: Partial<CronJobSpec> = {}, status: CronJobStatus = {}): CronJob => ({
  metadata: { name: 'tick', namespace: 'ns', uid: 'c', creationTimestamp: '2026-01-01T09:59:10Z' },
  spec: { schedule: '* * * * *', jobTemplate: { spec: { template: { spec: { containers: [] } } } }, ...spec },
  status,
});
const job = (name: string, end?: 'Complete' | 'Failed', at = '2026-01-01T09:00:00Z'): Job => ({
  metadata: { name, namespace: 'ns', uid: name, creationTimestamp: at },
  spec: { template: { spec: { containers: [] } } },
  status: {
    startTime: at,
    ...(end ? { conditions: [{ type: end, status: 'True' }], completionTime: at } : {}),
  },
});
const brief = (actions: Action[]): string[] =>
  actions.flatMap((a) => {
    if (a.do === 'create') return [`+${a.object.metadata.name}`];
    if (a.do === 'remove') return [`-${a.object.metadata.name}`];
    return a.do === 'event' ? [a.reason] : [];
  });
const minutes = (text: string) => Math.floor(Date.parse(text) / 60_000);
const current = `+tick-${minutes('2026-01-01T10:00:00Z')}`;

const cases: [string, CronJob, Job[], string[]][] = [
  ['the time has come', cronJob(), [], [current]],
  ['it has been served', cronJob({}, { lastScheduleTime: '2026-01-01T10:00:00Z' }), [], []],
  [
    'of several missed times, the last',
    cronJob({}, { lastScheduleTime: '2026-01-01T09:30:00Z' }),
    [],
    [current],
  ],
  [
    'too many missed',
    cronJob({}, { lastScheduleTime: '2025-12-01T00:00:00Z' }),
    [],
    ['TooManyMissedTimes', current],
  ],
  ['suspended', cronJob({ suspend: true }), [], []],
  ['forbidden while one runs', cronJob({ concurrencyPolicy: 'Forbid' }), [job('old')], ['JobAlreadyActive']],
  ['replaced', cronJob({ concurrencyPolicy: 'Replace' }), [job('old')], ['-old', current]],
  ['a schedule without a day', cronJob({ schedule: '59 23 31 2 *' }), [], ['InvalidSchedule']],
  ['no such schedule', cronJob({ schedule: 'x' }), [], ['UnparseableSchedule']],
  [
    'history',
    cronJob({ suspend: true, successfulJobsHistoryLimit: 1, failedJobsHistoryLimit: 0 }),
    [job('a', 'Complete'), job('b', 'Complete', '2026-01-01T09:30:00Z'), job('c', 'Failed')],
    ['-a', '-c'],
  ],
];
for (const [name, object, owned, expected] of cases)
  test(name, () => assert.deepEqual(brief(reconcile(object, owned, now)), expected));

test('times of schedules', () => {
  const next = (schedule: string, zone?: string) => new Date(nextTime(schedule, zone, now)!).toISOString();
  assert.equal(next('*/15 * * * *'), '2026-01-01T10:15:00.000Z');
  assert.equal(next('0 12 * * *', 'Asia/Seoul'), '2026-01-02T03:00:00.000Z');
  assert.equal(next('@hourly'), '2026-01-01T11:00:00.000Z');
  assert.equal(next('@every 90s'), '2026-01-01T10:02:00.000Z');
  // A day of the month or a day of the week.
  assert.equal(next('0 0 13 * 5'), '2026-01-02T00:00:00.000Z');
});

test('it looks again when the next time has come', () => {
  const again = reconcile(cronJob({}, { lastScheduleTime: '2026-01-01T10:00:00Z' }), [], now).find(
    (a) => a.do === 'requeueAfter',
  );
  assert.deepEqual(again, { do: 'requeueAfter', ms: 30_100 });
});
