import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Kind } from '../../machinery/kind.ts';
import { clone } from '../../machinery/meta.ts';
import { cronJobs } from './cron-job.ts';
import { commonIndex, countIndexes, parseIndexes } from './indexes.ts';
import { jobs } from './job.ts';
import { scheduleProblem, timeZoneProblem } from './schedule.ts';
import type { CronJob, Job } from './v1.gen.ts';

const context = { nowMs: 100_000, user: 'u', random: () => 0 };
const template = () => ({ spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i:1' }] } });

function job(spec: any = {}, status?: any, metadata: any = {}): Job {
  const object: any = {
    metadata: { name: 'a', namespace: 'd', ...metadata },
    spec: { template: template(), ...spec },
  };
  jobs.rules.defaults!(object);
  object.metadata.uid = 'u-1';
  jobs.rules.prepareCreate!(object, context);
  return { ...object, ...(status ? { status } : {}) };
}
function cronJob(spec: any = {}): CronJob {
  const object: any = {
    metadata: { name: 'a', namespace: 'd' },
    spec: { schedule: '*/5 * * * *', jobTemplate: { spec: { template: template() } }, ...spec },
  };
  cronJobs.rules.defaults!(object);
  return object;
}
const text = (errors: { field: string; message: string }[]) => errors.map((e) => `${e.field}: ${e.message}`);
const errors = (kind: Kind<any>, object: any) => text(kind.rules.validate!(object, context));
const cells = (kind: Kind<any>, object: any) =>
  Object.fromEntries(kind.columns.map((c) => [c.name, c.value(object, context.nowMs)]));

test('a Job gets its defaults, and a selector of its own', () => {
  const made = job();
  const { template: t, selector, ...rest } = made.spec;
  assert.deepEqual(rest, {
    completions: 1,
    parallelism: 1,
    backoffLimit: 6,
    completionMode: 'NonIndexed',
    suspend: false,
    podReplacementPolicy: 'TerminatingOrFailed',
    manualSelector: false,
  });
  assert.deepEqual(selector, { matchLabels: { 'batch.kubernetes.io/controller-uid': 'u-1' } });
  const labels = {
    'controller-uid': 'u-1',
    'batch.kubernetes.io/controller-uid': 'u-1',
    'job-name': 'a',
    'batch.kubernetes.io/job-name': 'a',
  };
  assert.deepEqual(t.metadata!.labels, labels);
  assert.deepEqual(made.metadata.labels, labels);
  assert.deepEqual(errors(jobs, made), []);
  assert.equal(job({ parallelism: 3 }).spec.completions, undefined);
  assert.equal(job({ backoffLimitPerIndex: 1 }).spec.backoffLimit, 2147483647);
  assert.deepEqual(errors(cronJobs, cronJob()), []);
});

test('what is wrong with a Job is named by its field', () => {
  const cases: [any, string][] = [
    [
      { template: { spec: { containers: [{ name: 'c', image: 'i' }] } } },
      'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"',
    ],
    [
      { completionMode: 'Indexed', parallelism: 1 },
      'spec.completions: Required value: when completion mode is Indexed',
    ],
    [
      { backoffLimitPerIndex: 1 },
      'spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode',
    ],
    [
      { template: { ...template(), metadata: { labels: { 'job-name': 'b' } } } },
      'spec.template.metadata.labels[job-name]: Invalid value:',
    ],
    [
      { selector: { matchLabels: { a: 'b' } } },
      'spec.selector: Invalid value: {"matchLabels":{"batch.kubernetes.io/controller-uid":"u-1","a":"b"}}: `selector` not auto-generated',
    ],
    [
      {
        podFailurePolicy: {
          rules: [{ action: 'FailJob', onExitCodes: { operator: 'In', values: [2, 1, 0] } }],
        },
      },
      'spec.podFailurePolicy.rules[0].onExitCodes.values: Invalid value: [2,1,0]: must be ordered',
    ],
    [
      { podFailurePolicy: { rules: [{ action: 'Stop' }] } },
      'spec.podFailurePolicy.rules[0]: Invalid value: specifying one of OnExitCodes and OnPodConditions is required',
    ],
    [
      {
        completionMode: 'Indexed',
        completions: 3,
        successPolicy: { rules: [{ succeededIndexes: '0-1', succeededCount: 3 }] },
      },
      'spec.successPolicy.rules[0].succeededCount: Invalid value: 3: must be less than or equal to 2 (the number of indexes',
    ],
    [
      { managedBy: 'me' },
      'spec.managedBy: Invalid value: "me": must be a domain-prefixed path (such as "acme.io/foo")',
    ],
  ];
  for (const [spec, expected] of cases) {
    const found = errors(jobs, job(spec));
    assert.ok(
      found.some((e) => e.startsWith(expected)),
      `${expected}\n${found.join('\n')}`,
    );
  }
});

test('what may change in a Job', () => {
  const change = (old: Job, edit: (j: Job) => void) => {
    const next = clone(old);
    edit(next);
    return text(jobs.rules.validateUpdate!(next, old, context));
  };
  const select = (j: Job) => {
    j.spec.template.spec.nodeSelector = { a: 'b' };
  };
  assert.match(change(job(), select)[0]!, /^spec.template: Invalid value: .*: field is immutable$/);
  assert.deepEqual(change(job({ suspend: true }), select), []);
  assert.deepEqual(
    change(job({ suspend: true }, { startTime: '1970-01-01T00:00:00Z' }), (j) => {
      j.spec.template.spec.containers[0]!.resources = { limits: { cpu: '1' } };
    }).length,
    1,
  );
  assert.match(
    change(job({ suspend: true }), (j) => {
      j.spec.template.spec.containers[0]!.image = 'x';
    })[0]!,
    /^spec.template.spec: Invalid value/,
  );
  const scale = (completions: number, parallelism: number) => (j: Job) =>
    Object.assign(j.spec, { completions, parallelism });
  const indexed = job({ completionMode: 'Indexed', completions: 2, parallelism: 2 });
  assert.deepEqual(change(indexed, scale(4, 4)), []);
  assert.deepEqual(change(indexed, scale(4, 2)), [
    'spec.completions: Invalid value: 4: can only be modified in tandem with spec.parallelism',
  ]);
  assert.deepEqual(change(job(), scale(2, 2)), ['spec.completions: Invalid value: 2: field is immutable']);
});

test('what a status must not become', () => {
  const at = '1970-01-01T00:01:00Z';
  const conditions = (...types: string[]) => types.map((type) => ({ type, status: 'True' }));
  const check = (status: any, before: any = {}) =>
    text(jobs.rules.validateStatus!(job({}, status), job({}, before), context));
  const complete = {
    conditions: conditions('SuccessCriteriaMet', 'Complete'),
    startTime: at,
    completionTime: at,
  };
  assert.deepEqual(check(complete), []);
  assert.deepEqual(check({ ...complete, conditions: conditions('Complete') }), [
    'status.conditions: Invalid value: cannot set Complete=True condition without the SuccessCriteriaMet=true condition',
  ]);
  assert.deepEqual(check({ ...complete, active: 1 }), [
    'status.active: Invalid value: 1: active>0 is invalid for finished job',
  ]);
  assert.deepEqual(check({ ...complete, conditions: conditions('SuccessCriteriaMet') }, complete), [
    'status.conditions: Invalid value: cannot disable the terminal Complete=True condition',
    'status.completionTime: Invalid value: "1970-01-01T00:01:00Z": cannot set completionTime when there is no Complete=True condition',
  ]);
});

test('cron jobs: schedules and zones', () => {
  assert.equal(scheduleProblem('0-10/2,30 1 ? JAN-mar Mon'), undefined);
  assert.equal(scheduleProblem('@every 1h30m'), undefined);
  assert.equal(scheduleProblem('* * *'), 'expected exactly 5 fields, found 3: [* * *]');
  assert.equal(scheduleProblem('* * * * 7'), 'end of range (7) above maximum (6): 7');
  assert.equal(scheduleProblem('*/0 * * * *'), 'step of range should be a positive number: */0');
  assert.equal(scheduleProblem('@never'), 'unrecognized descriptor: @never');
  assert.equal(timeZoneProblem('Asia/Seoul'), undefined);
  assert.equal(timeZoneProblem('Asia/Nowhere'), 'unknown time zone Asia/Nowhere');
  assert.deepEqual(errors(cronJobs, cronJob({ schedule: 'TZ=UTC * * * * *', concurrencyPolicy: 'x' })), [
    'spec.schedule: Invalid value: "TZ=UTC * * * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field instead',
    'spec.concurrencyPolicy: Unsupported value: "x": supported values: "Allow", "Forbid", "Replace"',
  ]);
});

test('lists of indexes', () => {
  const ranges = parseIndexes('1,3-5,7', 8);
  assert.ok(Array.isArray(ranges));
  assert.equal(countIndexes(ranges), 5);
  assert.equal(commonIndex(ranges, [{ first: 4, last: 9 }]), 4);
  assert.equal(commonIndex(ranges, [{ first: 2, last: 2 }]), undefined);
  assert.equal(parseIndexes('3,2', 8), 'non-increasing order, previous: 3, current: 2');
  assert.equal(parseIndexes('9', 8), 'too large index: "9"');
});

test('columns', () => {
  const done = {
    succeeded: 1,
    startTime: '1970-01-01T00:00:10Z',
    completionTime: '1970-01-01T00:00:15Z',
    conditions: [{ type: 'Complete', status: 'True' }],
  };
  assert.deepEqual(cells(jobs, job({}, done)), {
    Name: 'a',
    Status: 'Complete',
    Completions: '1/1',
    Duration: '5s',
    Age: '<unknown>',
    Containers: 'c',
    Images: 'i:1',
    Selector: 'batch.kubernetes.io/controller-uid=u-1',
  });
  assert.equal(cells(jobs, job({ parallelism: 3 }))['Completions'], '0/1 of 3');
  assert.equal(cells(jobs, job({ parallelism: 3 }))['Duration'], '');
  assert.deepEqual(cells(cronJobs, cronJob()), {
    Name: 'a',
    Schedule: '*/5 * * * *',
    Timezone: '<none>',
    Suspend: 'False',
    Active: 0,
    'Last Schedule': '<none>',
    Age: '<unknown>',
    Containers: 'c',
    Images: 'i:1',
    Selector: '<none>',
  });
});
