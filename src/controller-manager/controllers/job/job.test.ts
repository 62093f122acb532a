import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Job, JobSpec, JobStatus } from '../../../api/batch/v1.gen.ts';
import type { Pod } from '../../../api/core/v1.gen.ts';
import type { Action } from '../../runtime/actions.ts';
import { formatIndexes, parseIndexes } from './indexes.ts';
import { reconcile } from './job.ts';
import { trackingFinalizer } from './pods.ts';

const now = Date.parse('2026-01-01T01:00:00Z');
const started = '2026-01-01T00:00:00Z';

const job = (spec: Partial<JobSpec> = {}, status: JobStatus = {}): Job => ({
  metadata: { name: 'work', namespace: 'ns', uid: 'j' },
  spec: {
    parallelism: 2,
    completions: 3,
    backoffLimit: 6,
    selector: { matchLabels: { job: 'work' } },
    template: {
      metadata: { labels: { job: 'work' } },
      spec: { containers: [{ name: 'c' }], restartPolicy: 'Never' },
    },
    ...spec,
  },
  status: { startTime: started, ...status },
});

const pod = (
  uid: string,
  phase: string,
  more: { index?: number; free?: boolean; leaving?: boolean; exit?: number; failures?: number } = {},
): Pod => ({
  metadata: {
    name: uid,
    namespace: 'ns',
    uid,
    labels: { job: 'work' },
    annotations: {
      ...(more.index === undefined ? {} : { 'batch.kubernetes.io/job-completion-index': String(more.index) }),
      ...(more.failures === undefined
        ? {}
        : { 'batch.kubernetes.io/job-index-failure-count': String(more.failures) }),
    },
    finalizers: more.free ? [] : [trackingFinalizer],
    creationTimestamp: started,
    ...(more.leaving ? { deletionTimestamp: started } : {}),
    ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name: 'work', uid: 'j', controller: true }],
  },
  spec: { containers: [] },
  status: {
    phase,
    containerStatuses: more.exit
      ? [
          {
            name: 'c',
            image: '',
            imageID: '',
            ready: false,
            restartCount: 0,
            state: { terminated: { exitCode: more.exit, finishedAt: started } as any },
          },
        ]
      : [],
  },
});

const run = (j: Job, ...owned: Pod[]) => reconcile(j, { owned, orphans: [] }, now);
const statusOf = (actions: Action[]) =>
  (actions.find((a) => a.do === 'setStatus') as { status: JobStatus }).status;
const brief = (actions: Action[]): string[] =>
  actions.flatMap((a) => {
    if (a.do === 'create')
      return [`+${(a.object.metadata.annotations ?? {})['batch.kubernetes.io/job-completion-index'] ?? ''}`];
    if (a.do === 'remove') return [`-${a.object.metadata.name}`];
    return a.do === 'patch' ? [`free ${a.object.metadata.name}`] : [];
  });
const conditions = (status: JobStatus) => (status.conditions ?? []).map((c) => `${c.type}:${c.reason}`);

test('as many as run side by side, and no more than are still needed', () => {
  assert.deepEqual(brief(run(job())), ['+', '+']);
  assert.deepEqual(brief(run(job({}, { succeeded: 2 }), pod('a', 'Running'))), []);
  assert.deepEqual(brief(run(job({ parallelism: 1 }), pod('a', 'Running'), pod('b', 'Pending'))), ['-b']);
});

test('a pod that ended is listed, let go, and only then counted', () => {
  const first = run(job({ parallelism: 1 }), pod('a', 'Succeeded'));
  assert.deepEqual(statusOf(first).uncountedTerminatedPods, { succeeded: ['a'] });
  assert.equal(statusOf(first).succeeded, undefined);
  // The status is written before the pod is let go.
  assert.ok(first.findIndex((a) => a.do === 'setStatus') < first.findIndex((a) => a.do === 'patch'));
  const next = run(job({ parallelism: 1 }, statusOf(first)), pod('a', 'Succeeded', { free: true }));
  assert.deepEqual(statusOf(next).uncountedTerminatedPods, {});
  assert.equal(statusOf(next).succeeded, 1);
});

test('complete in two steps', () => {
  const over = job({ completions: 1, parallelism: 1 });
  const first = statusOf(run(over, pod('a', 'Succeeded')));
  assert.deepEqual(conditions(first), ['SuccessCriteriaMet:CompletionsReached']);
  const second = statusOf(run({ ...over, status: first }, pod('a', 'Succeeded', { free: true })));
  assert.deepEqual(conditions(second), [
    'SuccessCriteriaMet:CompletionsReached',
    'Complete:CompletionsReached',
  ]);
  assert.ok(second.completionTime);
});

test('the back-off limit', () => {
  const failing = job({ backoffLimit: 0 });
  const first = run(failing, pod('a', 'Failed'), pod('b', 'Running'));
  assert.deepEqual(conditions(statusOf(first)), ['FailureTarget:BackoffLimitExceeded']);
  assert.deepEqual(brief(first), ['free a', 'free b', '-b']);
  // What still ran counts as failed, too.
  assert.deepEqual(statusOf(first).uncountedTerminatedPods?.failed, ['a', 'b']);
  const last = statusOf(run({ ...failing, status: statusOf(first) }, pod('a', 'Failed', { free: true })));
  assert.deepEqual(conditions(last).at(-1), 'Failed:BackoffLimitExceeded');
});

test('a failure is retried after a while, longer each time', () => {
  const soon = { ...pod('a', 'Failed', { exit: 1 }) };
  const at = (msAgo: number) => {
    const copy = structuredClone(soon);
    copy.status!.containerStatuses![0]!.state!.terminated!.finishedAt = new Date(now - msAgo).toISOString();
    return copy;
  };
  const waits = run(job(), at(4_000)).find((a) => a.do === 'requeueAfter');
  assert.deepEqual(waits, { do: 'requeueAfter', ms: 6_000 });
  assert.deepEqual(brief(run(job(), at(10_000))).filter((s) => s === '+').length, 2);
});

test('indexes', () => {
  const indexed = job(
    { completionMode: 'Indexed', completions: 5, parallelism: 3 },
    { completedIndexes: '0', succeeded: 1 },
  );
  const actions = run(indexed, pod('a', 'Running', { index: 1 }), pod('b', 'Succeeded', { index: 2 }));
  assert.equal(statusOf(actions).completedIndexes, '0,2');
  assert.deepEqual(brief(actions), ['free b', '+3', '+4']);
  const made = actions.find((a) => a.do === 'create')!.object as Pod;
  assert.equal(made.spec.hostname, 'work-3');
  assert.equal(made.spec.containers[0]!.env![0]!.name, 'JOB_COMPLETION_INDEX');
});

test('indexes fail one by one', () => {
  const spec = {
    completionMode: 'Indexed',
    completions: 2,
    backoffLimitPerIndex: 1,
    backoffLimit: 2147483647,
  };
  const retried = run(
    job(spec),
    pod('a', 'Failed', { index: 0, exit: 1 }),
    pod('b', 'Running', { index: 1 }),
  );
  const made = retried.find((a) => a.do === 'create')!.object;
  assert.equal(made.metadata.annotations!['batch.kubernetes.io/job-index-failure-count'], '1');
  const given = run(
    job(spec),
    pod('a', 'Failed', { index: 0, exit: 1, failures: 1 }),
    pod('b', 'Succeeded', { index: 1 }),
  );
  assert.equal(statusOf(given).failedIndexes, '0');
  assert.deepEqual(conditions(statusOf(given)), ['FailureTarget:FailedIndexes']);
});

test('policies', () => {
  const failed = pod('a', 'Failed', { exit: 42 });
  const policy = (action: string) => ({
    podFailurePolicy: { rules: [{ action, onExitCodes: { operator: 'In', values: [42] } }] },
  });
  const fatal = statusOf(run(job(policy('FailJob')), failed));
  assert.equal(
    fatal.conditions![0]!.message,
    'Container c for pod ns/a failed with exit code 42 matching FailJob rule at index 0',
  );
  const ignored = statusOf(run(job({ ...policy('Ignore'), backoffLimit: 0 }), failed));
  assert.deepEqual([ignored.conditions, ignored.uncountedTerminatedPods], [undefined, {}]);
  const success = {
    completionMode: 'Indexed',
    completions: 4,
    successPolicy: { rules: [{ succeededIndexes: '0-1', succeededCount: 1 }] },
  };
  const met = run(job(success), pod('a', 'Succeeded', { index: 1 }), pod('b', 'Running', { index: 2 }));
  assert.deepEqual(conditions(statusOf(met)), ['SuccessCriteriaMet:SuccessPolicy']);
  assert.ok(brief(met).includes('-b'));
});

test('deadline and suspension', () => {
  const late = run(job({ activeDeadlineSeconds: 60 }), pod('a', 'Running'));
  assert.deepEqual(conditions(statusOf(late)), ['FailureTarget:DeadlineExceeded']);
  const suspended = run(
    job({ suspend: true, activeDeadlineSeconds: 60 }, { startTime: undefined }),
    pod('a', 'Running'),
  );
  assert.deepEqual(brief(suspended), ['-a']);
  assert.deepEqual(
    [conditions(statusOf(suspended)), statusOf(suspended).startTime],
    [['Suspended:JobSuspended'], undefined],
  );
  const resumed = statusOf(run(job({}, { ...statusOf(suspended) })));
  assert.deepEqual(
    [conditions(resumed), resumed.startTime],
    [['Suspended:JobResumed'], '2026-01-01T01:00:00Z'],
  );
});

test('sets of indexes', () => {
  assert.equal(formatIndexes(new Set([7, 1, 2, 4, 5, 6])), '1,2,4-7');
  assert.deepEqual([...parseIndexes('1,3-5,9', 5)], [1, 3, 4]);
});
