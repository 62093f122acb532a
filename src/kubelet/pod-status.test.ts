import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod, PodStatus } from '../api/core/v1.gen.ts';
import type { ContainerState, PodRuntime } from './pod-runtime.ts';
import { emptyRuntime } from './pod-runtime.ts';
import type { StatusInput } from './pod-status.ts';
import { finalStatus, podStatus, sortIPs } from './pod-status.ts';
import { containerHash, readIdentity } from './runtime-labels.ts';
import { statusPatch } from './status-writer.ts';

const nowMs = Date.parse('2026-03-04T05:06:07Z');
const podOf = (spec: Partial<NonNullable<Pod['spec']>> = {}): Pod => ({
  metadata: { name: 'p', namespace: 'n', uid: 'u', generation: 3 },
  spec: { restartPolicy: 'Always', containers: [{ name: 'a', image: 'i' }], ...spec },
});
const state = (
  name: string,
  is: ContainerState['state'],
  more: Partial<ContainerState> = {},
): ContainerState => ({
  ...{ id: `${name}-id`, name, sandboxId: 's', state: is, image: 'docker.io/i:latest', imageId: 'sha256:1' },
  ...{
    hash: containerHash({ name, image: 'i' }),
    restartCount: 0,
    createdAtMs: nowMs,
    startedAtMs: nowMs,
    finishedAtMs: 0,
  },
  ...{ exitCode: 0, reason: '', message: '', logPath: '', identity: readIdentity({}, {}) },
  ...more,
});
const exited = (name: string, exitCode: number, more: Partial<ContainerState> = {}) =>
  state(name, 'exited', { exitCode, finishedAtMs: nowMs, reason: exitCode ? 'Error' : 'Completed', ...more });
const running = (...containers: ContainerState[]): PodRuntime => ({
  ...emptyRuntime('u'),
  sandboxes: [
    {
      id: 's',
      attempt: 0,
      ready: true,
      createdAtMs: 0,
      hostNetwork: false,
      ips: ['10.0.0.2'],
      hasNetwork: true,
    },
  ],
  containers,
});
const statusOf = (pod: Pod, runtime: PodRuntime, more: Partial<StatusInput> = {}): PodStatus =>
  podStatus({
    ...{ pod, runtime, old: {}, terminal: false, hostIPs: ['10.1.0.1'], nowMs },
    ...{
      failure: () => undefined,
      actuated: () => undefined,
      started: () => undefined,
      ready: () => undefined,
    },
    ...more,
  });
const conditions = ({ conditions: list = [] }: PodStatus) =>
  Object.fromEntries(list.map(({ type, status, reason }) => [type, reason ? `${status} ${reason}` : status]));

test('before anything is made', () => {
  const status = statusOf(podOf({ initContainers: [{ name: 'i' }] }), emptyRuntime('u'));
  assert.equal(status.phase, 'Pending');
  assert.deepEqual(status.containerStatuses?.[0]?.state, { waiting: { reason: 'PodInitializing' } });
  assert.deepEqual(conditions(status), {
    PodReadyToStartContainers: 'False',
    Initialized: 'False ContainersNotInitialized',
    Ready: 'False ContainersNotReady',
    ContainersReady: 'False ContainersNotReady',
    PodScheduled: 'True',
  });
  assert.equal(status.conditions?.[1]?.message, 'containers with incomplete status: [i]');
  assert.equal(status.observedGeneration, 3);
});

test('running and ready; a condition keeps its time while it does not change', () => {
  const first = statusOf(podOf(), running(state('a', 'running')));
  assert.equal(first.phase, 'Running');
  assert.equal(conditions(first).Ready, 'True');
  assert.equal(first.podIP, '10.0.0.2');
  const [a] = first.containerStatuses!;
  assert.deepEqual(
    [a?.ready, a?.started, a?.containerID, a?.image],
    [true, true, 'containerd://a-id', 'docker.io/i:latest'],
  );
  const later = statusOf(podOf(), running(state('a', 'running')), { old: first, nowMs: nowMs + 60_000 });
  assert.deepEqual(later, first);
  assert.equal(statusPatch(first, later), undefined);
});

test('not ready until the probes say so', () => {
  const probed = { name: 'a', image: 'i', readinessProbe: {}, startupProbe: {} };
  const pod = podOf({ containers: [probed] });
  const look = (started: boolean, ready: boolean) => {
    const [a] = statusOf(pod, running(state('a', 'running')), { started: () => started, ready: () => ready })
      .containerStatuses!;
    return [a?.started, a?.ready];
  };
  assert.deepEqual(look(false, false), [false, false]);
  assert.deepEqual(look(true, false), [true, false]);
  assert.deepEqual(look(true, true), [true, true]);
});

test('a readiness gate counts', () => {
  const pod = podOf({ readinessGates: [{ conditionType: 'gate' }] });
  const shut = statusOf(pod, running(state('a', 'running')));
  assert.equal(conditions(shut).Ready, 'False ReadinessGatesNotReady');
  assert.equal(conditions(shut).ContainersReady, 'True');
  pod.status = { conditions: [{ type: 'gate', status: 'True' }] };
  const open = statusOf(pod, running(state('a', 'running')));
  assert.equal(conditions(open).Ready, 'True');
  assert.equal(conditions(open).gate, 'True', 'conditions of others are kept');
});

test('a crash loop: waiting, with the last end', () => {
  const failure = () => ({ reason: 'CrashLoopBackOff', message: 'back-off' });
  const status = statusOf(
    podOf(),
    running(exited('a', 1, { restartCount: 2 }), exited('a', 2, { id: 'old', restartCount: 1 })),
    { failure },
  );
  const [a] = status.containerStatuses!;
  assert.deepEqual(a?.state, { waiting: { reason: 'CrashLoopBackOff', message: 'back-off' } });
  assert.equal(a?.lastState?.terminated?.exitCode, 1);
  assert.equal(a?.restartCount, 2);
  assert.equal(status.phase, 'Running');
});

test('phases of pods whose containers have ended', () => {
  const two = { containers: [{ name: 'a' }, { name: 'b' }] };
  const phase = (restartPolicy: string, a: number, b: number, terminal = false) =>
    statusOf(podOf({ ...two, restartPolicy }), running(exited('a', a), exited('b', b)), { terminal }).phase;
  assert.equal(phase('Always', 0, 0), 'Running');
  assert.equal(phase('Always', 0, 0, true), 'Succeeded');
  assert.equal(phase('OnFailure', 0, 0), 'Succeeded');
  assert.equal(phase('OnFailure', 0, 1), 'Running');
  assert.equal(phase('Never', 0, 1), 'Failed');
  assert.equal(phase('Never', 0, 0), 'Succeeded');
});

test('a terminal phase is final, and such a pod is not ready', () => {
  const old = { phase: 'Failed', reason: 'Evicted', message: 'why' };
  const status = statusOf(podOf(), running(state('a', 'running')), { old });
  assert.deepEqual([status.phase, status.reason, status.message], ['Failed', 'Evicted', 'why']);
  assert.equal(conditions(status).Ready, 'False PodFailed');
});

test('a failed init container of a pod that may not restart fails it', () => {
  const init = (restartPolicy: string) =>
    statusOf(podOf({ restartPolicy, initContainers: [{ name: 'i' }] }), running(exited('i', 1))).phase;
  assert.equal(init('Never'), 'Failed');
  assert.equal(init('Always'), 'Pending');
});

test('a container that went unseen was lost', () => {
  const old = statusOf(podOf(), running(state('a', 'running')));
  const status = statusOf(podOf(), running(), { old });
  const [a] = status.containerStatuses!;
  assert.equal(a?.lastState?.terminated?.reason, 'ContainerStatusUnknown');
  assert.equal(a?.restartCount, 1);
  const final = finalStatus(podOf(), old);
  assert.equal(final.phase, 'Failed');
  assert.equal(final.containerStatuses?.[0]?.state?.terminated?.exitCode, 137);
  assert.equal(conditions(final).Ready, 'False PodFailed');
});

test('one address of each family, the node first', () => {
  assert.deepEqual(sortIPs(['fd00::1', '10.0.0.1', '10.0.0.2'], '10.1.0.1'), ['10.0.0.1', 'fd00::1']);
  assert.deepEqual(sortIPs(['10.0.0.1', 'fd00::1'], 'fd01::1'), ['fd00::1', '10.0.0.1']);
});

test('a patch says only what has changed, and takes back what is no longer said', () => {
  const from = statusOf(podOf(), running(exited('a', 0)));
  const to = statusOf(podOf(), running(state('a', 'running')), { old: from });
  const patch = statusPatch({ ...from, podIPs: [{ ip: '10.0.0.9' }] }, to) as any;
  assert.deepEqual(Object.keys(patch).sort(), ['conditions', 'containerStatuses', 'podIPs']);
  assert.deepEqual(patch.podIPs, [{ $patch: 'replace' }, { ip: '10.0.0.2' }]);
  const ready = patch.conditions.find(({ type }: { type: string }) => type === 'Ready');
  assert.deepEqual([ready.status, ready.reason, ready.message], ['True', null, null]);
});
